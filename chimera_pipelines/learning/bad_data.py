"""Numbers that strangers give, checked: rectangular, finite, of the sizes that are asked for.

Every refusal says which row and column is wrong, so that it can be found in a table of thousands.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.reals import finite_real, shown

DATA = "MAML505"
FEATURES = "MAML412"
ROOM = "MAML413"


def refused(code: str, message: str, hint: str | None = None) -> KernelError:
    """The error of bad data, features or sizes."""
    return KernelError(code, message, phase=Phase.PROPAGATE, hint=hint)


def table(values: object, what: str, *, width: int | None = None, code: str = DATA) -> Tensor:
    """Rows of finite numbers as float64 (rows, columns).

    Args:
        values: lists of numbers, an array or a tensor of two axes.
        what: named in messages.
        width: columns that are asked for, if any number will not do.
        code: of the refusals.

    Raises:
        KernelError: `code`, with the first row and column that is wrong.
    """
    rows = _rows(values, what, code)
    columns = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != columns:
            message = f"{what}: row {number} has {len(row)} numbers, row 0 has {columns}"
            raise refused(code, message, "give every row the same length")
        for place, value in enumerate(row):
            _checked(value, f"{what}: row {number}, column {place}", code)
    if columns == 0:
        raise refused(code, f"{what}: the rows are empty")
    if width is not None and columns != width:
        raise refused(code, f"{what}: rows of {columns} numbers, {width} are asked for")
    return torch.tensor(rows, dtype=torch.float64)


def vector(values: object, what: str, *, size: int | None = None, code: str = DATA) -> Tensor:
    """Finite numbers as float64 (n,).

    Raises:
        KernelError: `code`, with the first place that is wrong.
    """
    items = _plain(values)
    if not isinstance(items, list | tuple) or not items:
        raise refused(code, f"{what} is not a list of numbers, or is empty")
    for place, value in enumerate(items):
        _checked(value, f"{what}: number {place}", code)
    if size is not None and len(items) != size:
        raise refused(code, f"{what}: {len(items)} numbers, {size} are asked for")
    return torch.tensor(items, dtype=torch.float64)


def bits(values: object, what: str, *, width: int | None = None) -> Tensor:
    """Rows of 0 and 1 as float32 (rows, columns).

    Raises:
        KernelError: MAML505.
    """
    found = table(values, what, width=width)
    wrong = (found != 0) & (found != 1)
    if bool(wrong.any()):
        row, column = (int(i) for i in wrong.nonzero()[0])
        value = float(found[row, column])
        raise refused(DATA, f"{what}: row {row}, column {column} is {value!r}, neither 0 nor 1")
    return found.float()


def flags(values: object, what: str, *, size: int) -> Tensor:
    """True and false, or 1 and 0, as bool (size,).

    Raises:
        KernelError: MAML505.
    """
    items = _plain(values)
    if not isinstance(items, list | tuple):
        raise refused(DATA, f"{what} is not a list")
    row = [int(item) if isinstance(item, bool) else item for item in items]
    return bits([row], what, width=size)[0].bool()


def whole(value: object, what: str, *, low: int, high: int) -> int:
    """A whole number within bounds.

    Raises:
        KernelError: MAML505.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refused(DATA, f"{what} is {shown(value)}, not a whole number from {low} to {high}")
    return value


def finite(value: object, what: str) -> float:
    """A finite number.

    Raises:
        KernelError: MAML505.
    """
    return _checked(value, what, DATA)


def positive(value: object, what: str) -> float:
    """A finite number above zero.

    Raises:
        KernelError: MAML505.
    """
    number = finite(value, what)
    if number <= 0.0:
        raise refused(DATA, f"{what} is {number!r}, not above zero")
    return number


def _rows(values: object, what: str, code: str) -> list[list[Any]]:
    rows = _plain(values)
    if not isinstance(rows, list | tuple) or not rows:
        raise refused(code, f"{what}: not a list of rows, or empty")
    plain: list[list[Any]] = []
    for number, given in enumerate(rows):
        row = _plain(given)
        if not isinstance(row, list | tuple):
            raise refused(code, f"{what}: row {number} is {shown(row)}, not a list of numbers")
        plain.append(list(row))
    return plain


def _plain(values: object) -> object:
    convert = getattr(values, "tolist", None)
    return values if convert is None else convert()


def _checked(value: object, place: str, code: str) -> float:
    number = finite_real(value)
    if number is None:
        raise refused(code, f"{place} is {shown(value)}, not a finite number")
    return number
