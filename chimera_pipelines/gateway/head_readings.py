"""The heads as they are now: from the agent if there is one, with their reputation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from chimera_pipelines.gateway.metrics import HeadReading
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling.reputation import reputations
from chimera_pipelines.scheduling.router import KIND_OF_HEAD

_UP = frozenset({"idle", "busy"})


def head_readings(rows: Mapping[str, Mapping[str, Any]], ledger: Ledger) -> list[HeadReading]:
    """A reading of each of the four heads.

    Args:
        rows: the heads of `chimera.heads/1` (CLI.md) by name, as far as an agent knows them.
        ledger: where reputations come from.

    Raises:
        SettingsError: CHIM226, the ledger cannot be used.
    """
    known = reputations(ledger, time.time_ns())
    readings = []
    for head, kind in KIND_OF_HEAD.items():
        row = rows.get(head, {})
        state = row.get("state", "down")
        readings.append(
            HeadReading(
                head=head,
                kind=kind,
                up=state in _UP,
                busy=state == "busy",
                queued=int(row.get("queued", 0)),
                reputation=known[head].mean,
            )
        )
    return readings
