"""Circuits as records, and what engines do with them."""
