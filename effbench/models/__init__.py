"""The detectors: front-ends, backbones, sequence models, checkpoints and the model zoo."""
