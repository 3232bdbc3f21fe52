"""Where the instance keeps runs, events and schedules: SQLite, or PostgreSQL by environment.

`dagster.yaml` cannot choose, so it names this class, which chooses when the instance is opened:
the same file then serves the laptop and the cluster. Whoever opens the instance arrives at the
same storage, since run workers, heads and step processes inherit `CHIMERA_DAGSTER_URL`; the URL,
which may hold a password, is written into no file and no instance reference.

Dagster's PostgreSQL storages connect anew for every statement. Here connections are kept, in every
process alike, by the switch that Dagster has for its webserver.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from chimera_pipelines.defs._dagster_internals import (
    CompositeStorage,
    ConfigurableClassData,
    DagsterStorage,
    SqliteRunStorage,
    SqliteScheduleStorage,
    hold_connections,
)
from chimera_pipelines.defs.event_log import PooledSqliteEventLogStorage, under_dagster_home
from chimera_pipelines.errors import SettingsError
from chimera_pipelines.settings import settings


class ProjectStorage(CompositeStorage):
    """Drop-in for Dagster's own; `dagster.yaml` names it under `storage: custom`."""

    @classmethod
    def config_type(cls) -> Any:
        """Nothing is set in `dagster.yaml`."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]  # any storage will do
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> DagsterStorage:
        """The storage that the environment asks for.

        Raises:
            SettingsError: CHIM242, it cannot be used.
        """
        del config_value
        url = settings().dagster_url
        if url is None:
            return sqlite_storage(Path(under_dagster_home(".")), inst_data)
        return postgres_storage(url, inst_data)


def sqlite_storage(home: Path, inst_data: ConfigurableClassData | None = None) -> DagsterStorage:
    """Dagster's own SQLite files below a folder, with an event log that keeps its connections."""
    return CompositeStorage(
        SqliteRunStorage.from_local(str(home / "history")),
        PooledSqliteEventLogStorage(str(home / "history/runs")),
        SqliteScheduleStorage.from_local(str(home / "schedules")),
        inst_data=inst_data,
    )


def postgres_storage(url: str, inst_data: ConfigurableClassData | None = None) -> DagsterStorage:
    """Dagster's PostgreSQL storage with kept connections; tables are made at first use.

    Args:
        url: of SQLAlchemy; `postgresql://` and `postgresql+psycopg2://` are the same.
        inst_data: what `dagster.yaml` says of it.

    Raises:
        SettingsError: CHIM242, it cannot be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _unusable("it", str(error)) from None
    shown = f"'{parsed.render_as_string(hide_password=True)}'"
    if parsed.get_backend_name() != "postgresql":
        raise _unusable(shown, "it is not PostgreSQL")
    try:
        from dagster_postgres import DagsterPostgresStorage
        from dagster_postgres.utils import DagsterPostgresException
    except ImportError as error:
        raise _unusable(shown, f"{error}; pip install 'chimera-pipelines[postgres]'") from None
    try:
        found: DagsterStorage = DagsterPostgresStorage(url, inst_data=inst_data)
    except DagsterPostgresException as error:
        cause = error.__cause__
        raise _unusable(shown, str(getattr(cause, "orig", None) or cause or error)) from error
    hold_connections(found.run_storage, found.event_log_storage, found.schedule_storage)
    return found


def _unusable(shown: str, reason: str) -> SettingsError:
    return SettingsError(
        "CHIM242",
        f"Dagster's storage {shown} cannot be used: {reason.splitlines()[0]}",
        hint="look at CHIMERA_DAGSTER_URL and its server, or unset it to use SQLite",
    )
