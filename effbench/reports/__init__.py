"""Reports, rendered from stored measurements."""
