"""Events that are counted though no ticket tells of them, and the labels each may have.

Labels have few values: never the id of a run or a document. A name that is not here is refused, so
that no counter appears by a misspelling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

# Counters by name, with their labels; exported as `chimera_<name>_total` (docs/metrics.md).
TALLIES: Mapping[str, tuple[str, ...]] = {
    "checkpoint_bytes": ("operation",),
    "checkpoint_shares_repaired": ("operation",),
    "decoder_errors": ("decoder", "distance"),
    "decoder_shots": ("decoder", "distance"),
    "ledger_mismatches": (),
    "ticket_verifications": ("result",),
}
_VALUE = re.compile(r"[A-Za-z0-9_.:-]{1,40}")


def labels_text(name: str, labels: Mapping[str, str]) -> str:
    """Labels as they are stored.

    Raises:
        ValueError: no such counter, other labels than its own, or a value that is no short word.
    """
    wanted = TALLIES.get(name)
    if wanted is None:
        raise ValueError(f"no counter {name!r}")
    if set(labels) != set(wanted):
        raise ValueError(f"counter {name!r} has labels {wanted}, not {tuple(labels)}")
    for label, value in labels.items():
        if not _VALUE.fullmatch(value):
            raise ValueError(f"label {label!r} of {name!r} has value {value!r}")
    return json.dumps([labels[label] for label in wanted], separators=(",", ":"))


def label_values(text: str) -> tuple[str, ...]:
    """Values of the labels, in the order of `TALLIES`, from what is stored."""
    return tuple(str(value) for value in json.loads(text))
