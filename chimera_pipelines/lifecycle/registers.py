"""Registers between phases and between processes: saved as states of the head that holds them.

A register's state is released when its kernel has published: from then on the checkpoint holds it
beside the output, and a phase that is run again finds it there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from chimera_pipelines.digest import JSONValue, sha256
from chimera_pipelines.errors import CheckpointError, ChimeraError, SettingsError
from chimera_pipelines.ledger.evidence import HeadEvent
from chimera_pipelines.lifecycle.run_id import ulid
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.ring.checkpoint import unpack
from chimera_pipelines.ring.seal import Sealing
from chimera_pipelines.ring.state_records import StateKey, StateRef

NOT_SAVED = "CHIM515"
SHARE_LACKING = "share"  # `HeadEvent.event`: a store could not take one
KEPT_MS = 7 * 24 * 3600 * 1000
_LOG = logging.getLogger(__name__)


def save(services: Services, key: StateKey, data: bytes, sealing: Sealing) -> StateRef:
    """Save a register's snapshot; `id` of the result is its content id.

    Raises:
        CheckpointError: fewer than three stores could take a share.
        HeadUnavailableError: CHIM761, this process was replaced.
    """
    saved = services.states.save(
        key,
        data,
        head=sealing.head,
        document=sealing.document,
        cipher=sealing.cipher,
        kem=sealing.kem,
        guard=services.check_fence,
    )
    record_lacking(services, saved.lacking, f"state of {key.kernel}")
    return saved


def record_lacking(services: Services, lacking: Mapping[str, str], what: str) -> None:
    """Record in the ledger which stores could not take their share: `chimera heads history`."""
    incarnation = 0 if services.here is None else services.here.incarnation
    for head, why in lacking.items():
        _LOG.warning("%s: %s; it has a share less", what, why)
        detail: dict[str, JSONValue] = {"reason": why, "of": what}
        try:
            services.ledger.record_head_event(
                HeadEvent(head, incarnation, "", SHARE_LACKING, detail)
            )
        except SettingsError as error:
            _LOG.warning("that is not recorded: %s", error)


def load(services: Services, document: str, kernel: str, content: str) -> bytes | memoryview:
    """A register's snapshot by its content id, from its state or from the kernel's checkpoints.

    Raises:
        CheckpointError: CHIM515 it is nowhere, CHIM501 it cannot be rebuilt.
    """
    try:
        return services.states.load(content)
    except CheckpointError as error:
        if error.code != NOT_SAVED:
            raise
        found = _of_checkpoints(services, document, kernel, content)
        if found is None:
            raise
        return found


def _of_checkpoints(services: Services, document: str, kernel: str, content: str) -> bytes | None:
    ring = services.ring
    mine = [one for one in ring.ls() if (one.document, one.kernel) == (document, kernel)]
    for report in mine:
        try:
            registers = unpack(ring.rebuild(report.id)).registers
        except ChimeraError:
            continue
        for data in registers.values():
            if sha256(data) == content:
                return data
    return None


def let_go(services: Services, run_id: str, kernel: str) -> None:
    """Let go of the states of a kernel that has published: its checkpoint has the register."""
    try:
        services.states.release(run_id, kernel)
    except OSError as error:
        _LOG.warning("states of '%s' are not released before the run ends: %s", kernel, error)


def reclaim(services: Services, run_id: str, *, ok: bool) -> None:
    """Let go of the states of a run that ended well, and of runs that were over long ago.

    A run that failed keeps its own for a week: it can be taken up from the phase that failed.
    """
    oldest = ulid(time.time_ns() // 1_000_000 - KEPT_MS, 0)
    try:
        services.states.sweep(lambda run: run > oldest and not (ok and run == run_id))
    except OSError as error:
        _LOG.warning("states of run %s are not released: %s", run_id, error)
