"""PSDS (polyphonic sound detection score), exact over all thresholds."""
