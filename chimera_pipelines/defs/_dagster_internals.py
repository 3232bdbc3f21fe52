"""Every private Dagster name that `defs/` needs, and nothing else.

Dagster calls its sub-modules unstable. Kept in one file, an upgrade is one diff: `shape_problems`
says what has moved, and a test runs it against the installed version.
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)
from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import (
    IO_TYPE_EXTENSION,
    LocalComputeLogManager,
)
from dagster._serdes import ConfigurableClassData

__all__ = [
    "IO_TYPE_EXTENSION",
    "AssetJob",
    "CapturedLogContext",
    "ComputeIOType",
    "ConfigurableClassData",
    "LocalComputeLogManager",
    "SqliteEventLogStorage",
    "code_references",
    "keep_connections",
    "redirect_to_file",
    "shape_problems",
]


def keep_connections(instance: Any) -> None:
    """Let this process hold PostgreSQL connections open; does nothing on SQLite.

    Dagster's PostgreSQL storages connect anew for every statement, except in the webserver, and
    this is the webserver's own switch.
    """
    instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)


def code_references(path: Path, places: Mapping[str, int]) -> dg.CodeReferencesMetadataValue:
    """Links into a file, line by label; Dagster's beta warning at each use is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=label)
                for label, line in places.items()
            ]
        )


def shape_problems() -> list[str]:
    """What of the shapes that we lean on the installed Dagster lacks; empty when all is there."""
    wanted: tuple[tuple[Callable[..., Any], tuple[str, ...]], ...] = (
        (SqliteEventLogStorage.__init__, ("base_dir", "inst_data")),
        (SqliteEventLogStorage._connect, ("shard",)),  # noqa: SLF001
        (SqliteEventLogStorage._initdb, ("engine",)),  # noqa: SLF001
        (SqliteEventLogStorage.conn_string_for_shard, ("shard_name",)),
        (SqliteEventLogStorage.store_event, ("event",)),
        (LocalComputeLogManager.__init__, ("base_dir", "polling_timeout", "inst_data")),
        (LocalComputeLogManager.capture_logs, ("log_key",)),
        (LocalComputeLogManager.get_captured_local_path, ("log_key", "extension")),
        (LocalComputeLogManager.complete_artifact_path, ("log_key",)),
        (redirect_to_file, ("stream", "filepath")),
    )
    problems = []
    for function, names in wanted:
        have = tuple(inspect.signature(function).parameters)
        problems += [f"{function.__qualname__}{have} lacks {n!r}" for n in names if n not in have]
    source = inspect.getsource(SqliteEventLogStorage.__init__)
    problems += [
        f"SqliteEventLogStorage has no {name}"
        for name in ("_initialized_dbs", "_db_lock")
        if name not in source
    ]
    return problems
