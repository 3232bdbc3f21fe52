"""Phases 2 to 4 of sql blocks: tables and parameters, the query, its rows.

DuckDB reads a stranger's SQL inside the sandbox (`lifecycle.duckdb_session`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chimera_pipelines.lifecycle import calls
from chimera_pipelines.lifecycle.functions import LanguagePhases, available
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase

_SELECT = "chimera_pipelines.lifecycle.duckdb_session:select"


class Queries:
    """A sql block: lists of objects become tables, everything else a `:name` parameter."""

    def embed(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, left_s: float
    ) -> dict[str, Any]:
        """Tables and parameters."""
        names = available(run, kernel, invocation)
        tables = {name: value for name, value in invocation.inputs.items() if is_table(value)}
        parameters = {name: value for name, value in names.items() if name not in tables}
        return {"tables": tables, "parameters": parameters}

    def propagate(
        self,
        run: Run,
        kernel: KernelSpec,
        invocation: Invocation,
        payload: Mapping[str, Any],
        left_s: float,
    ) -> dict[str, Any]:
        """Execute in a fresh in-memory DuckDB without files, network or extensions."""
        session = run.session(kernel, phase=Phase.PROPAGATE)
        given = {"query": kernel.block.source, **payload}
        outcome = session.invoke(_SELECT, given, timeout_s=left_s)
        block, file = kernel.block, run.document.path
        found = calls.returned(outcome, block, file=file, phase=Phase.PROPAGATE)
        store, inputs = run.store(kernel), invocation.inputs
        value = calls.received(found, block, store, inputs, file=file, phase=Phase.PROPAGATE)
        return {"value": value}

    def measure(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`{rows: […]}`."""
        file = run.document.path
        value = calls.json_object(payload["value"], kernel.block, file=file, phase=Phase.MEASURE)
        return {"output": value}


def is_table(value: object) -> bool:
    """Whether an input is a table: a list of objects (an empty list is a table without columns)."""
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


QUERIES: LanguagePhases = Queries()
