"""Double tracing: the tickets of a History against Dagster's event log, both ways (MAML.md §8).

A ticket that a Dagster run left has a materialisation there that says the same; a ticket that a
materialisation tells of stands in the History. The second half shows what the file alone cannot:
that its tail was cut off. Tickets of runs that Dagster does not know, such as those of
`chimera run`, are not compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from chimera_pipelines.defs.resources import RUN_TAG
from chimera_pipelines.digest import sha256
from chimera_pipelines.tickets.verification import Problem, Severity

if TYPE_CHECKING:
    from chimera_pipelines.tickets.verification import Judged

_PAGE = 1000
_NAMES_A_QUERY = 200
# Statuses that a kernel's output is published with; a failed one has no materialisation.
_PUBLISHED = frozenset({"ok", "reused", "unverified"})


@dataclass(frozen=True, slots=True)
class Logged:
    """A ticket as a materialisation tells of it.

    Attributes:
        dagster_run: id of the Dagster run.
        fields: those of the History line, `timestamp` and the digest of the `signature`.
        root: tree head with the ticket as last entry.
    """

    dagster_run: str
    seq: int
    fields: Mapping[str, str]
    root: str


@dataclass(frozen=True, slots=True)
class Traced:
    """What the comparison found.

    Attributes:
        runs: Dagster runs that have to do with the document.
        logged: the materialisations compared, by ticket.
        problems: CHIM620 to CHIM622.
    """

    runs: int
    logged: tuple[Logged, ...]
    problems: tuple[Problem, ...]


def double_trace(
    instance: dg.DagsterInstance,
    *,
    document_id: str,
    slug: str,
    judged: Sequence["Judged"],
    line: int = 1,
) -> Traced:
    """Compare the tickets of one document's History with a Dagster instance.

    Args:
        document_id: `id` of the front matter.
        slug: of the document's assets, under which materialisations are looked for too.
        judged: the signed entries of its History, archived ones included where they are there.
        line: where problems of the whole document are shown.
    """
    tickets = {one.number: one for one in judged if one.entry.action == "TICKET"}
    runs = _runs(instance, document_id, slug, {t.entry.fields["run"] for t in tickets.values()})
    logged = sorted(
        (found for run in runs.values() for found in _materialised(instance, run, document_id)),
        key=lambda found: found.seq,
    )
    first = min((one.number for one in judged), default=0)
    problems = [*_against_history(logged, tickets, line, oldest=first)]
    problems += _against_dagster(logged, tickets, runs.values())
    return Traced(len(runs), tuple(logged), tuple(problems))


def ticket_of(kernel: str, shown: Mapping[str, Any]) -> dict[str, str]:
    """Fields of a ticket by the names of the History line, from a materialisation's metadata.

    The line's `run` stands in the tags of the Dagster run.
    """
    cuda_ns = shown.get("cuda_ns")
    return {
        "kernel": kernel,
        "status": str(shown["status"]),
        "head": str(shown["head"]),
        "cuda_ns": "-" if cuda_ns is None else str(cuda_ns),
        "in": str(shown["input_digest"]),
        "out": str(shown["output_digest"]),
        "doc": str(shown["document_digest"]),
        "key": str(shown["ticket/key"]),
        "timestamp": str(shown["ticket/timestamp"]),
        "signature": str(shown["ticket/signature"]),
    }


def _runs(
    instance: dg.DagsterInstance, document_id: str, slug: str, run_ids: Iterable[str]
) -> dict[str, dg.DagsterRun]:
    """Dagster runs by id: of the document's job, of its tickets, of its assets."""
    filters = [
        dg.RunsFilter(tags={"chimera/document": document_id}),
        *(dg.RunsFilter(tags={RUN_TAG: some}) for some in _cut(sorted(run_ids))),
        *(dg.RunsFilter(run_ids=some) for some in _cut(sorted(_runs_of_assets(instance, slug)))),
    ]
    return {run.run_id: run for one in filters for run in instance.get_runs(one)}


def _cut(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Pieces short enough for one query."""
    return (names[i : i + _NAMES_A_QUERY] for i in range(0, len(names), _NAMES_A_QUERY))


def _runs_of_assets(instance: dg.DagsterInstance, slug: str) -> set[str]:
    found: set[str] = set()
    for key in instance.get_asset_keys(prefix=[slug]):
        cursor, more = None, True
        while more:
            page = instance.fetch_materializations(key, limit=_PAGE, cursor=cursor)
            cursor, more = page.cursor, page.has_more
            found.update(record.run_id for record in page.records)
    return found


def _materialised(
    instance: dg.DagsterInstance, run: dg.DagsterRun, document_id: str
) -> Iterator[Logged]:
    cursor, more = None, True
    while more:
        page = instance.get_records_for_run(
            run.run_id, cursor, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, limit=_PAGE
        )
        cursor, more = page.cursor, page.has_more
        for record in page.records:
            materialization = record.asset_materialization
            assert materialization is not None  # noqa: S101 - the type of event asked for
            shown = {name: value.value for name, value in materialization.metadata.items()}
            if shown.get("ticket/document") == document_id:
                fields = ticket_of(str(shown["ticket/kernel"]), shown)
                fields["run"] = run.tags.get(RUN_TAG, "")
                seq, root = int(shown["ticket"]), str(shown["ticket/root"])  # type: ignore[arg-type]
                yield Logged(run.run_id, seq, fields, root)


def _against_history(
    logged: Iterable[Logged], tickets: Mapping[int, "Judged"], line: int, *, oldest: int
) -> Iterator[Problem]:
    """Every materialisation's ticket stands in History, and says the same."""
    before: Logged | None = None
    for found in logged:
        ticket = tickets.get(found.seq)
        name = f"ticket seq={found.seq} of kernel '{found.fields['kernel']}'"
        where = f"Dagster run '{found.dagster_run}'"
        if ticket is None:
            if found.seq >= oldest:  # below it lies an archive that is not here, which verify says
                yield Problem(
                    "CHIM621", None, line, f"{name}, told of by {where}, is not in History"
                )
            continue
        if before is not None and before.seq == found.seq:
            message = f"{where} tells of the same ticket as '{before.dagster_run}'"
            yield Problem("CHIM620", found.seq, ticket.entry.line, message)
        before = found
        apart = [
            f"{field} '{have}' here, '{found.fields[field]}' there"
            for field, have in _fields(ticket).items()
            if have != found.fields[field]
        ]
        if apart:
            message = f"{where} tells otherwise: {'; '.join(apart)}"
            yield Problem("CHIM620", found.seq, ticket.entry.line, message)


def _against_dagster(
    logged: Iterable[Logged], tickets: Mapping[int, "Judged"], runs: Iterable[dg.DagsterRun]
) -> Iterator[Problem]:
    """Every published ticket of a run that Dagster knows has a materialisation there.

    A run that did not succeed may have been killed between the two: that is a warning.
    """
    by_run = {run.tags[RUN_TAG]: run for run in runs if RUN_TAG in run.tags}
    told = {found.seq for found in logged}
    for seq, ticket in tickets.items():
        fields = ticket.entry.fields
        run = by_run.get(fields["run"])
        if run is None or seq in told or fields["status"] not in _PUBLISHED:
            continue
        message = f"Dagster run '{run.run_id}' has no materialisation with this ticket"
        severity: Severity = "error" if run.is_success else "warning"
        yield Problem("CHIM622", seq, ticket.entry.line, message, severity)


def _fields(ticket: "Judged") -> dict[str, str]:
    entry = ticket.entry
    names = ("run", "kernel", "status", "head", "cuda_ns", "in", "out", "doc", "key")
    return {
        **{name: entry.fields[name] for name in names},
        "timestamp": str(entry.timestamp),
        "signature": sha256(entry.signature or b""),
    }
