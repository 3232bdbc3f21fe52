"""Learning heads: variational algorithms, kernels and models on PyTorch."""
