"""Backbones: features to one embedding per frame."""
