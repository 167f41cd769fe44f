"""Front-ends of the audio transformers; that of the frame-wise MobileNets is ``models.frontend``."""
