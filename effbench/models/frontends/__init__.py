"""Front-ends: audio to the features that a backbone was trained on."""
