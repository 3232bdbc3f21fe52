"""A run worker forked from a warm agent, instead of `python -m dagster api execute_run`.

The launcher names `main` to the agent, which forks a process of its own session with the launcher's
environment; there is nothing to import.
"""

from chimera_pipelines.defs._dagster_internals import (
    ExecuteRunArgs,
    ResumeRunArgs,
    capture_interrupts,
    deserialize_value,
    run_worker_body,
    setup_interrupt_handlers,
    spare_search_path,
)
from chimera_pipelines.settings import settings

ENTRY = "chimera_pipelines.defs.run_worker:main"


def main(arguments: str) -> None:
    """Run, or go on with, the run that the serialized arguments name; returns at its end."""
    settings.cache_clear()  # those of the agent; the environment is the launcher's now
    setup_interrupt_handlers()
    spare_search_path()
    found = deserialize_value(arguments)
    if not isinstance(found, ExecuteRunArgs | ResumeRunArgs):
        raise TypeError(f"arguments of a run worker, not of {type(found).__name__}")
    with capture_interrupts():
        run_worker_body(found)
