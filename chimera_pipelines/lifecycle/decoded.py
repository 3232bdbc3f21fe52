"""Counting what decoders did, from the rows that a kernel publishes (docs/metrics.md).

A row is what `chimera_pipelines.blocks` gives: an object with `decoder`, `shots` and `errors`, and
`distance` where it has one. Rows that came in as inputs were counted when they were made. What a
document makes up itself is counted too, so labels are kept few: names that are no decoder of ours
are `other`, distances that no code of ours has are `other`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chimera_pipelines.digest import JSONValue, digest
from chimera_pipelines.lifecycle.tallying import tally

if TYPE_CHECKING:
    from chimera_pipelines.ledger.ledger import Ledger

DECODERS = frozenset({"pymatching", "pymatching_correlated", "table", "window", "predecoder"})
MAX_DISTANCE = 31
_OTHER = "other"
_NONE = "none"  # a detector error model has no distance


def count_decoded(ledger: Ledger, output: JSONValue, inputs: Mapping[str, JSONValue]) -> None:
    """Add the shots and errors of new rows to the ledger's counters."""
    rows = {digest(row): row for row in _rows(output)}
    if not rows:
        return
    known = {digest(row) for row in _rows(dict(inputs))}
    shots, errors = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for key, row in rows.items():
        if key not in known:
            labels = _labels(row)
            shots[labels] += row["shots"]
            errors[labels] += row["errors"]
    for name, found in (("decoder_shots", shots), ("decoder_errors", errors)):
        for (decoder, distance), value in sorted(found.items()):
            tally(ledger, name, value, decoder=decoder, distance=distance)


def _rows(value: JSONValue) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for part in value:
            yield from _rows(part)
    elif isinstance(value, dict):
        if _is_row(value):
            yield value
        else:
            for part in value.values():
                yield from _rows(part)


def _is_row(value: Mapping[str, Any]) -> bool:
    shots, errors = value.get("shots"), value.get("errors")
    return (
        isinstance(value.get("decoder"), str)
        and type(shots) is int
        and type(errors) is int
        and 0 <= errors <= shots
    )


def _labels(row: Mapping[str, Any]) -> tuple[str, str]:
    decoder, distance = row["decoder"], row.get("distance")
    if distance is None:
        shown = _NONE
    else:
        ours = type(distance) is int and 0 < distance <= MAX_DISTANCE
        shown = str(distance) if ours else _OTHER
    return decoder if decoder in DECODERS else _OTHER, shown
