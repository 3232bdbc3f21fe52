"""Counting what no ticket tells of, where the count must never cost the work that is counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chimera_pipelines.errors import SettingsError

if TYPE_CHECKING:
    from chimera_pipelines.ledger.ledger import Ledger

_LOG = logging.getLogger(__name__)


def tally(ledger: Ledger, name: str, value: int, **labels: str) -> None:
    """Add to a counter of the ledger; when the ledger is away, say so and go on.

    Args:
        ledger: the machine's record.
        name: a key of `ledger.tallies.TALLIES`.
        value: how much is added; nothing is written for 0.
        labels: exactly those of that counter.
    """
    if not value:
        return
    try:
        ledger.tally(name, value, **labels)
    except SettingsError as error:
        _LOG.warning("%d more of '%s' are not counted: %s", value, name, error)
