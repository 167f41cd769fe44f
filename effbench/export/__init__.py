"""Detectors as files that run without effbench: ONNX, quantised ONNX, and archives of ``torch.export``."""
