"""What the ledger keeps of heads: events in their lives, observations of their work, standings.

An *observation* is one fact that speaks for or against a head: a signed ticket, or an event that
was its fault. It is recorded with the row that it comes from, in the same transaction. What the
facts add up to is for `scheduling.reputation` to say; a *standing* is such a sum up to an
observation, so that nobody has to read the history from its beginning.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from chimera_pipelines.digest import JSONValue, canonical
from chimera_pipelines.ledger import chain, tables
from chimera_pipelines.ledger.readings import Reading
from chimera_pipelines.timestamps import timestamp

# Words of `HeadEvent.event`. A death and the regeneration after it are one fact about a head.
START = "start"
DEATH = "death"
REGENERATION = "regeneration"
STOP = "stop"
# Why a head was started anew although nothing was wrong with it.
ASKED = frozenset({"restart", "stop", "asked", "idle"})


@dataclass(frozen=True, slots=True)
class HeadEvent:
    """Something that happened to a head.

    Attributes:
        incarnation: the process that it happened to; of a regeneration the new one.
        agent: id of the agent that the process belongs to.
        event: `start`, `death`, `regeneration`, `stop`, or another word.
        detail: JSON. Of a death `reason`; of a regeneration `reason`, `old` (the incarnation that
            died), `seconds` and `stages`: a list of `{"stage", "seconds"}`.
        timestamp: when; empty: now.
    """

    head: str
    incarnation: int
    agent: str
    event: str
    detail: Mapping[str, JSONValue] = field(default_factory=dict)
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One fact about a head, in the order in which the ledger learnt of it.

    Attributes:
        id: rises; `Ledger.observations` continues after one.
        source: `ticket` or `event`.
        reference: leaf of the ticket, or what identifies the event.
        status: of the ticket, or the reason of the event.
        work, seconds, code: as `Reading` has them, seconds summed; None when nobody told.
    """

    id: int
    head: str
    source: str
    reference: str
    status: str
    timestamp: str
    work: str | None = None
    seconds: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class StandingRow:
    """The sum of a head's observations up to the one with id `upto`, as JSON."""

    head: str
    upto: int
    state: Mapping[str, Any]


def add_event(connection: Connection, additions: chain.Additions, event: HeadEvent) -> None:
    """Record an event, and the observation that it is; a death is observed once."""
    stamp = event.timestamp or timestamp(time.time_ns())
    detail = canonical(dict(event.detail)).decode()
    values = {
        "head": event.head,
        "incarnation": event.incarnation,
        "agent": event.agent,
        "event": event.event,
        "detail": detail,
        "timestamp": stamp,
    }
    additions.add(tables.head_events, values)
    reason = str(event.detail.get("reason", "died"))
    if event.event not in (DEATH, REGENERATION) or reason in ASKED:
        return
    died = event.incarnation if event.event == DEATH else event.detail.get("old")
    reference = f"{event.agent}/{died if died is not None else event.incarnation - 1}"
    column = tables.observations.c
    known = select(column.id).where(column.head == event.head, column.reference == reference)
    if connection.execute(known.limit(1)).first() is None:
        _observe(additions, event.head, "event", reference, reason, stamp, None)


def add_ticket(
    additions: chain.Additions,
    *,
    head: str,
    leaf: str,
    status: str,
    stamp: str,
    reading: Reading | None,
) -> None:
    """Record what a signed ticket says of its head; one that was reused says nothing."""
    if status != "reused":
        _observe(additions, head, "ticket", leaf, status, stamp, reading)


def _observe(
    additions: chain.Additions,
    head: str,
    source: str,
    reference: str,
    status: str,
    stamp: str,
    reading: Reading | None,
) -> None:
    values = {
        "head": head,
        "source": source,
        "reference": reference,
        "status": status,
        "timestamp": stamp,
        "work": None if reading is None else reading.work,
        "seconds": None if reading is None else float(sum(reading.seconds.values())),
        "code": None if reading is None else reading.code,
    }
    additions.add(tables.observations, values)


def events(connection: Connection, head: str | None, limit: int) -> tuple[HeadEvent, ...]:
    """The latest events, newest first."""
    column = tables.head_events.c
    query = select(tables.head_events).order_by(column.id.desc()).limit(limit)
    if head is not None:
        query = query.where(column.head == head)
    return tuple(_event(row) for row in connection.execute(query))


def _event(row: Row[Any]) -> HeadEvent:
    detail = json.loads(row.detail)
    return HeadEvent(row.head, row.incarnation, row.agent, row.event, detail, row.timestamp)


def observations(
    connection: Connection, head: str, after: int, limit: int
) -> tuple[Observation, ...]:
    """A head's observations after the one with that id, oldest first."""
    column = tables.observations.c
    query = select(tables.observations).where(column.head == head, column.id > after)
    return _observations(connection, query.order_by(column.id).limit(limit))


def latest_observations(connection: Connection, head: str, limit: int) -> tuple[Observation, ...]:
    """A head's latest observations, newest first."""
    column = tables.observations.c
    query = select(tables.observations).where(column.head == head)
    return _observations(connection, query.order_by(column.id.desc()).limit(limit))


def _observations(connection: Connection, query: Select[Any]) -> tuple[Observation, ...]:
    names = [one.name for one in fields(Observation)]
    rows = connection.execute(query)
    return tuple(Observation(*(getattr(row, name) for name in names)) for row in rows)


def blame(observation: Observation) -> float:
    """How much of it was the head's fault, 0 … 1.

    An event always was. A failed ticket was when its error is one of heads, stores or devices
    (CHIM5xx, CHIM7xx). MAML902 and MAML903 (limits, crashes) are those that another attempt may
    pass: half a fault, as is an error that nobody named. Every other error is the document's.
    """
    if observation.source == "event":
        return 1.0
    if observation.status != "failed":
        return 0.0
    code = observation.code
    if code is not None and code.startswith(("CHIM5", "CHIM7")):
        return 1.0
    return 0.5 if code in {None, "MAML902", "MAML903"} else 0.0


def standing(connection: Connection, head: str) -> StandingRow | None:
    """The standing of a head that was written last."""
    column = tables.standings.c
    query = select(tables.standings).where(column.head == head)
    row = connection.execute(query.order_by(column.id.desc()).limit(1)).first()
    return None if row is None else StandingRow(row.head, row.upto, json.loads(row.state))


def add_standing(connection: Connection, additions: chain.Additions, row: StandingRow) -> None:
    """Record a standing, unless another reader was faster."""
    if standing(connection, row.head) == row:
        return
    values = {
        "head": row.head,
        "upto": row.upto,
        "state": canonical(dict(row.state)).decode(),
        "timestamp": timestamp(time.time_ns()),
    }
    additions.add(tables.standings, values)
