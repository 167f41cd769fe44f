"""Grids of models and tasks, run into the results store."""
