"""Scores of detectors: post-processing, PSDS and its relatives, and their uncertainty."""
