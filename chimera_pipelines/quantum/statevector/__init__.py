"""Batched state vectors on PyTorch: fused layers, expectation values, adjoint gradients."""
