"""Figures, drawn from stored measurements."""
