"""What runs a detector's network: torch as it is, folded, compiled, ONNX Runtime, CUDA graphs, Triton."""
