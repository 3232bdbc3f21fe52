"""`LocalProcessRunLauncher`: detached, health-checked, resumable run workers on one machine.

Dagster's `DefaultRunLauncher` has neither a health check nor resume, and its run workers die with
the code server. These are processes of their own, found again by process id and time of creation:
forked from the warm agent when there is one (no import), else started afresh.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from chimera_pipelines.defs._dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClass,
    ConfigurableClassData,
    ExecuteRunArgs,
    LaunchRunContext,
    ResumeRunArgs,
    ResumeRunContext,
    RunLauncher,
    WorkerStatus,
    serialize_value,
)
from chimera_pipelines.defs.event_log import under_dagster_home
from chimera_pipelines.defs.run_worker import ENTRY
from chimera_pipelines.defs.warm import PERFORMERS
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.state import CONTROL, State
from chimera_pipelines.heads.wire import connect
from chimera_pipelines.settings import settings

WORKER_TAG = "chimera/run_worker"
SAME_PROCESS_SECONDS = 1.0
ASK_SECONDS = 5.0
# Of the launcher's environment, a forked run worker gets what configures Dagster and us.
PASSED_ON = ("CHIMERA_", "DAGSTER_", "PG", "OTEL_")


class LocalProcessRunLauncher(RunLauncher[Any], ConfigurableClass):
    """Drop-in for Dagster's own; `dagster.yaml` names it under `run_launcher`."""

    def __init__(
        self, log_dir: str = "logs/workers", inst_data: ConfigurableClassData | None = None
    ) -> None:
        self._inst_data = inst_data
        self._log_dir = Path(log_dir)
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """As Dagster keeps it."""
        return self._inst_data

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: a run worker is a process."""
        return True

    @property
    def supports_resume_run(self) -> bool:
        """Yes: heads go on without their run worker, and a new one takes over."""
        return True

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`log_dir`: folder of the run workers' logs, below DAGSTER_HOME."""
        return {"log_dir": dg.Field(dg.StringSource, default_value="logs/workers")}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "LocalProcessRunLauncher":
        """As `dagster.yaml` has it."""
        return cls(under_dagster_home(config_value["log_dir"]), inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run's worker."""
        self._start(context, ExecuteRunArgs)

    def resume_run(self, context: ResumeRunContext) -> None:
        """Start a new worker for a run whose worker is gone."""
        self._start(context, ResumeRunArgs)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's worker is still there."""
        if self._process(self._instance.get_run_by_id(run.run_id)) is not None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its run worker's process is gone")

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run's worker, and its steps on warm heads, worker or not."""
        run = self._instance.get_run_by_id(run_id)
        process = self._process(run)
        if process is not None and run is not None:
            self._instance.report_run_canceling(run)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
        cancel_on_heads(run_id)
        return process is not None

    def _start(
        self,
        context: LaunchRunContext | ResumeRunContext,
        kind: type[ExecuteRunArgs] | type[ResumeRunArgs],
    ) -> None:
        run = context.dagster_run
        origin = context.job_code_origin
        if origin is None:
            raise dg.DagsterInvariantViolationError(f"run '{run.run_id}' does not name its job")
        arguments = kind(
            job_origin=origin, run_id=run.run_id, instance_ref=self._instance.get_ref()
        )
        self._log_dir.mkdir(parents=True, exist_ok=True)
        log = self._log_dir.absolute() / f"run-{run.run_id}.log"
        pid = _forked(serialize_value(arguments), log)
        warm = pid is not None
        if pid is None:
            python = origin.repository_origin.executable_path
            pid = _started(_by_python(arguments.get_command_args(), python), log)
        self._instance.add_run_tags(run.run_id, {WORKER_TAG: identity(pid)})
        how = "forked from the warm agent" if warm else "started"
        self._instance.report_engine_event(f"Run worker {how}, pid {pid}; log: {log}", run)

    @staticmethod
    def _process(run: dg.DagsterRun | None) -> psutil.Process | None:
        """The run's worker, if that very process lives on this machine."""
        tag = json.loads(run.tags.get(WORKER_TAG, "null")) if run else None
        if tag is None or tag["host"] != socket.gethostname():
            return None
        try:
            process = psutil.Process(tag["pid"])
            same = abs(process.create_time() - tag["created"]) < SAME_PROCESS_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def warm_agent() -> tuple[HeadsDirectory, State] | None:
    """The agent of CHIMERA_HOME, if it lives and can run Dagster's steps."""
    directory = HeadsDirectory(settings().root / "heads")
    try:
        state = directory.read()
    except ChimeraError:  # of another user or version: the run worker will say so
        return None
    if state is None or not PERFORMERS.items() <= state.performers.items():
        return None
    return directory, state


def cancel_on_heads(run_id: str) -> None:
    """Interrupt what the warm heads do for a Dagster run."""
    found = warm_agent()
    if found is None:
        return
    directory, state = found
    for entry in state.heads.values():
        if entry.address is not None and entry.answers:
            with (
                suppress(OSError, EOFError, ChimeraError),  # a dead head runs nothing
                connect(
                    entry.address, state.secret, directory=directory.path, timeout_s=ASK_SECONDS
                ) as connection,
            ):
                connection.send({"do": "cancel", "work": run_id})


def _forked(arguments: str, log: Path) -> int | None:
    """Process id of a run worker forked from the warm agent; None when there is none to ask."""
    found = warm_agent()
    if found is None:
        return None
    request = {
        "do": "spawn",
        "entry": ENTRY,
        "args": {"arguments": arguments},
        "env": {k: v for k, v in os.environ.items() if k.startswith(PASSED_ON)},
        "cwd": str(Path.cwd()),
        "log": str(log),
        "until": time.monotonic() + ASK_SECONDS,
    }
    directory, state = found
    try:
        with connect(
            CONTROL, state.secret, directory=directory.path, timeout_s=ASK_SECONDS
        ) as connection:
            connection.settimeout(ASK_SECONDS)
            connection.send(request)
            answer = connection.receive().frame
    except (OSError, EOFError, ChimeraError):  # it has just died: a cold start does as well
        return None
    return int(answer["pid"]) if "pid" in answer else None


def _by_python(command: Sequence[str], python: str) -> list[str]:
    """The command with the code location's own interpreter.

    Dagster names the script `dagster`, which is on no PATH while no environment is activated.
    """
    if command[0] == "dagster":
        return [python, "-m", "dagster", *command[1:]]
    return list(command)


def _started(command: Sequence[str], log: Path) -> int:
    with log.open("ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        ).pid


def identity(pid: int) -> str:
    """Value of WORKER_TAG, by which the launcher finds a run's process.

    Of a process that has ended already it names nothing that lives.
    """
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        created = 0.0
    return json.dumps({"pid": pid, "created": created, "host": socket.gethostname()})
