"""What a training is fed with: clips, pieces, targets, batches."""
