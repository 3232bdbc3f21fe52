"""Samplers of |state|²: rejection, two-level and full cumulative sums, on the host or a device."""
