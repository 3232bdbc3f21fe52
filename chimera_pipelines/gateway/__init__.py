"""Doors for other programs: what they may read and ask of a running project."""
