"""What an agent imports before it forks heads and run workers, and who works in its heads.

Dagster loads its storages lazily: without these, each child would import sqlalchemy and alembic
anew. The agent refuses to start when a module fails.
"""

from types import MappingProxyType

from chimera_pipelines.defs._dagster_internals import DAGSTER_STORAGES

PERFORMERS = MappingProxyType(
    {
        "dagster": "chimera_pipelines.defs.executor.performer:DagsterPerformer",
        "sessions": "chimera_pipelines.lifecycle.session_desk:SessionDesk",
        "regeneration": "chimera_pipelines.scheduling.regeneration:Regeneration",
    }
)
"""Performers that steps of a Dagster run need, as `chimera_pipelines.heads.fleet` takes them."""

PRELOAD = (
    *DAGSTER_STORAGES,
    "alembic.command",
    "alembic.runtime.migration",
    "chimera_pipelines.definitions",
    "chimera_pipelines.defs.event_log",
    "chimera_pipelines.defs.executor.executor",
    "chimera_pipelines.defs.executor.performer",
    "chimera_pipelines.defs.launcher",
    "chimera_pipelines.defs.logs",
    "chimera_pipelines.defs.run_worker",
    "chimera_pipelines.lifecycle.phases",
    "chimera_pipelines.scheduling.opening",
    "fsspec.implementations.local",
    "mako.template",
    "rich.console",
    "sqlalchemy.dialects.sqlite",
    "structlog",
    "upath.implementations.local",
    "watchdog.observers",
)
"""Modules; those of a project's own code location may be added."""
