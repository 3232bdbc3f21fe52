"""Every private Dagster name that `defs/` needs, and nothing else.

Dagster calls its sub-modules unstable. Kept in one file, an upgrade is one diff: `shape_problems`
says what has moved, and a test runs it against the installed version.
"""

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    EngineEventData,
)
from dagster._core.execution.api import create_execution_plan, execute_plan_iterator
from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.context_creation_job import create_context_free_log_manager
from dagster._core.execution.plan.objects import StepFailureData, StepRetryData
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.step import ExecutionStep
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    ResumeRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.legacy_storage import CompositeStorage
from dagster._core.storage.local_compute_log_manager import (
    IO_TYPE_EXTENSION,
    LocalComputeLogManager,
)
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.tags import GLOBAL_CONCURRENCY_TAG, REPOSITORY_LABEL_TAG
from dagster._core.system_config.objects import ResolvedRunConfig
from dagster._grpc.types import ExecuteRunArgs, ExecuteStepArgs, ResumeRunArgs
from dagster._record import copy as copy_record
from dagster._serdes import (
    ConfigurableClass,
    ConfigurableClassData,
    deserialize_value,
    serialize_value,
)
from dagster._utils.hosted_user_process import recon_job_from_origin
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers
from dagster_shared.error import SerializableErrorInfo

__all__ = [
    "DAGSTER_STORAGES",
    "GLOBAL_CONCURRENCY_TAG",
    "INDEX_SHARD_NAME",
    "IO_TYPE_EXTENSION",
    "MIRRORED_EVENTS",
    "REPOSITORY_LABEL_TAG",
    "AssetJob",
    "CapturedLogContext",
    "CheckRunHealthResult",
    "CheckStepHealthResult",
    "CompositeStorage",
    "ComputeIOType",
    "ConfigurableClass",
    "ConfigurableClassData",
    "DagsterExecutionInterruptedError",
    "DagsterStorage",
    "EngineEventData",
    "ExecuteRunArgs",
    "ExecuteStepArgs",
    "ExecutionPlan",
    "ExecutionStep",
    "InMemoryJob",
    "LaunchRunContext",
    "LocalComputeLogManager",
    "PlanOrchestrationContext",
    "ResolvedRunConfig",
    "ResumeRunArgs",
    "ResumeRunContext",
    "RetryMode",
    "RunLauncher",
    "SerializableErrorInfo",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "SqliteRunStorage",
    "SqliteScheduleStorage",
    "StepDelegatingExecutor",
    "StepFailureData",
    "StepHandler",
    "StepHandlerContext",
    "StepRetryData",
    "WorkerStatus",
    "capture_interrupts",
    "code_references",
    "copy_record",
    "create_context_free_log_manager",
    "create_execution_plan",
    "deserialize_value",
    "execute_plan_iterator",
    "get_retries_config",
    "hold_connections",
    "keep_connections",
    "recon_job_from_origin",
    "redirect_to_file",
    "run_worker_body",
    "serialize_value",
    "setup_interrupt_handlers",
    "shape_problems",
    "spare_search_path",
]


MIRRORED_EVENTS = frozenset(
    {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
)
"""Types of events that the SQLite log also writes into the index of all runs."""

DAGSTER_STORAGES = (
    "dagster._cli.api",
    "dagster._cli.utils",
    "dagster._core.launcher.default_run_launcher",
    "dagster._core.run_coordinator.default_run_coordinator",
    "dagster._core.run_coordinator.queued_run_coordinator",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.fs_io_manager",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.noop_compute_log_manager",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
    "dagster._core.storage.sqlite_storage",
)
"""Modules that Dagster imports at first use; a run worker needs them all."""


def keep_connections(instance: Any) -> None:
    """Let this process hold PostgreSQL connections open; does nothing on SQLite.

    Dagster's PostgreSQL storages connect anew for every statement, except in the webserver, and
    this is the webserver's own switch.
    """
    hold_connections(instance)


def hold_connections(*storages: Any) -> None:
    """As `keep_connections`, for storages that belong to no instance yet."""
    for storage in storages:
        storage.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)


def spare_search_path() -> None:
    """Keep the whole search path for the modules of jobs, in a process begun with `python -P`.

    Dagster takes the first entry for the script's folder and leaves it out when it loads a job;
    under `-P` there is no such entry, and PYTHONPATH would lose its first.
    """
    if sys.flags.safe_path and sys.path[:1] != [os.devnull]:
        sys.path.insert(0, os.devnull)


def run_worker_body(arguments: ExecuteRunArgs | ResumeRunArgs) -> None:
    """What `dagster api execute_run` or `resume_run` does, in this process, to the run's end."""
    # Imported here: the command line of Dagster takes 0.2 s, and code locations do without it.
    from dagster._cli.api import _execute_run_command_body, _resume_run_command_body
    from dagster._cli.utils import get_instance_for_cli

    resume = isinstance(arguments, ResumeRunArgs)
    body = _resume_run_command_body if resume else _execute_run_command_body
    with get_instance_for_cli(instance_ref=arguments.instance_ref) as instance:
        body(arguments.run_id, instance, lambda _: None, False)


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
    problems = []
    for function, names in (*_storage_shapes(), *_executor_shapes()):
        have = tuple(inspect.signature(function).parameters)
        problems += [f"{function.__qualname__}{have} lacks {n!r}" for n in names if n not in have]
    source = inspect.getsource(SqliteEventLogStorage.__init__)
    problems += [
        f"SqliteEventLogStorage has no {name}"
        for name in ("_initialized_dbs", "_db_lock")
        if name not in source
    ]
    problems += [
        f"ExecuteStepArgs has no {name}"
        for name in ("run_id", "step_keys_to_execute", "instance_ref", "retry_mode", "known_state")
        if name not in ExecuteStepArgs.__annotations__
    ]
    source = inspect.getsource(StepDelegatingExecutor.execute)
    order = [source.find(name) for name in ("_pop_events", "get_steps_to_execute", "time.sleep")]
    if -1 in order or order != sorted(order):
        problems.append("StepDelegatingExecutor no longer pops, launches, sleeps in turn")
    return problems


_Shapes: TypeAlias = tuple[tuple[Callable[..., Any], tuple[str, ...]], ...]


def _storage_shapes() -> _Shapes:
    return (
        (SqliteEventLogStorage.__init__, ("base_dir", "inst_data")),
        (SqliteEventLogStorage._connect, ("shard",)),  # noqa: SLF001
        (SqliteEventLogStorage._initdb, ("engine",)),  # noqa: SLF001
        (SqliteEventLogStorage.conn_string_for_shard, ("shard_name",)),
        (SqliteEventLogStorage.store_event, ("event",)),
        (SqliteEventLogStorage.path_for_shard, ("run_id",)),
        (SqliteEventLogStorage._event_to_row, ("event",)),  # noqa: SLF001
        (
            CompositeStorage.__init__,
            ("run_storage", "event_log_storage", "schedule_storage", "inst_data"),
        ),
        (SqliteRunStorage.from_local, ("base_dir",)),
        (SqliteScheduleStorage.from_local, ("base_dir",)),
        (LocalComputeLogManager.__init__, ("base_dir", "polling_timeout", "inst_data")),
        (LocalComputeLogManager.capture_logs, ("log_key",)),
        (LocalComputeLogManager.get_captured_local_path, ("log_key", "extension")),
        (LocalComputeLogManager.complete_artifact_path, ("log_key",)),
        (redirect_to_file, ("stream", "filepath")),
    )


def _executor_shapes() -> _Shapes:
    from dagster._cli.api import _execute_run_command_body, _resume_run_command_body
    from dagster._cli.utils import get_instance_for_cli

    body = ("run_id", "instance", "write_stream_fn", "set_exit_code_on_failure")
    return (
        (
            StepDelegatingExecutor.__init__,
            (
                *("step_handler", "retries", "sleep_seconds"),
                *("check_step_health_interval_seconds", "should_verify_step"),
            ),
        ),
        (
            StepDelegatingExecutor._pop_events,  # noqa: SLF001
            ("instance", "run_id", "seen_storage_ids"),
        ),
        (StepDelegatingExecutor.execute, ("plan_context", "execution_plan")),
        (
            ExecutionPlan.build_subset_plan,
            ("step_keys_to_execute", "job_def", "resolved_run_config"),
        ),
        (ExecutionPlan.get_executable_step_deps, ("self",)),
        (ExecutionPlan.get_steps_to_execute_in_topo_order, ("self",)),
        (create_execution_plan, ("job", "run_config", "known_state", "repository_load_data")),
        (
            execute_plan_iterator,
            (
                *("execution_plan", "job", "dagster_run", "instance"),
                *("retry_mode", "run_config"),
            ),
        ),
        (create_context_free_log_manager, ("instance", "dagster_run")),
        (ResolvedRunConfig.build, ("job_def", "run_config")),
        (_execute_run_command_body, body),
        (_resume_run_command_body, body),
        (get_instance_for_cli, ("instance_ref",)),
        (RunLauncher.terminate, ("run_id",)),
        (RunLauncher.check_run_worker_health, ("run",)),
    )
