"""Statistical figures: how timing samples, classes and seeds are distributed."""
