"""Compute logs without side processes: stdout and stderr go straight to the files.

`LocalComputeLogManager` starts two `tail` and two Python watcher processes for each captured step,
so that output also reaches the parent's terminal. A run worker has no terminal to feed.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chimera_pipelines.defs._dagster_internals import (
    IO_TYPE_EXTENSION,
    CapturedLogContext,
    ComputeIOType,
    ConfigurableClassData,
    LocalComputeLogManager,
    redirect_to_file,
)
from chimera_pipelines.defs.event_log import under_dagster_home


class DirectComputeLogManager(LocalComputeLogManager):
    """Drop-in for Dagster's own; `dagster.yaml` names it under `compute_logs`."""

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Send this process's stdout and stderr to the step's files while the step runs."""
        out, err = (
            self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind])
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        with redirect_to_file(sys.stdout, out), redirect_to_file(sys.stderr, err):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()  # type: ignore[no-untyped-call]

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "DirectComputeLogManager":
        """As `dagster.yaml` has it."""
        base_dir = under_dagster_home(config_value["base_dir"])
        return cls(base_dir, config_value.get("polling_timeout"), inst_data)
