"""Trade-off figures, drawn from stored measurements."""
