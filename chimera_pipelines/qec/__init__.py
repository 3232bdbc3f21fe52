"""Quantum error correction: memory circuits, noise models, decoders, windows, statistics."""
