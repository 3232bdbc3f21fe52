"""Numbers that strangers give: one rule for which are real and finite, and how to show others."""

from __future__ import annotations

import math

_SHOWN_BITS = 128  # Python does not write out integers of thousands of digits


def finite_real(value: object) -> float | None:
    """The number as a double; None for all else.

    All else is true and false, text, NaN, infinities, and integers that no double holds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """A value in a message: short, however large it is."""
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"an integer of {value.bit_length()} bits"
    try:
        return f"{value!r:.60}"
    except ValueError:  # an integer of thousands of digits within
        return f"a {type(value).__name__}"
