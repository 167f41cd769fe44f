"""Recipes: what a training does, as YAML."""
