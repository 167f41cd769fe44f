"""Models over audio: windows, frame scores, data sets, score files."""
