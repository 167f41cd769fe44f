"""Training: augmentation, losses, optimiser groups, schedules, samplers."""
