"""Audio, labels and data sets: everything that goes into a detector, and what is true of it."""
