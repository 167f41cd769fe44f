"""Measurements: the row with its units, intervals, the store and the files of rows."""
