"""The four heads: identity, device, register bank."""
