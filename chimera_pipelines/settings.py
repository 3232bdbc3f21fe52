"""Settings from the environment: `CHIMERA_*` variables, read once per process."""

from __future__ import annotations

import getpass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from chimera_pipelines.errors import SettingsError

HEAD_IDS: tuple[str, ...] = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


class Settings(BaseSettings):
    """Every `CHIMERA_*` variable; the attribute's name is the variable's, lower case."""

    model_config = SettingsConfigDict(env_prefix="CHIMERA_", extra="ignore", frozen=True)

    home: Path = Field(default=Path("data"), description="where documents, keys, ring, ledger lie")
    principal: str = Field(
        default_factory=lambda: f"user://local/{_login()}", description="who starts runs (MAML §10)"
    )
    gateway: str = Field(
        default="gateway://local/default", description="who serves runs (MAML §10)"
    )
    datasets: Path | None = Field(default=None, description="root of dataset:// URIs")
    sandbox: Literal["auto", "bubblewrap", "landlock", "process"] = Field(
        default="auto", description="sandbox tier; `process` must be asked for"
    )
    device: Literal["cpu", "gpu"] = Field(default="cpu", description="device of all four heads")
    signature_provider: Literal["auto", "liboqs", "cryptography"] = Field(
        default="auto", description="ML-DSA implementation"
    )
    key_passphrase_file: Path | None = Field(
        default=None, description="file whose first line unlocks scrypt-wrapped private keys"
    )
    ledger_url: str | None = Field(
        default=None, description="SQLAlchemy URL; default SQLite in home"
    )
    grant_hours: float = Field(default=24.0, gt=0, le=24, description="validity of a grant")
    memory_bytes: int = Field(
        default=4 * 1024**3, gt=0, description="memory of one sandbox session"
    )

    @property
    def root(self) -> Path:
        """`CHIMERA_HOME`, absolute."""
        return self.home.expanduser().absolute()

    @property
    def documents(self) -> Path:
        """Where the documents of this project lie."""
        return self.root / "documents"

    @property
    def dataset_root(self) -> Path:
        """Folder that `dataset://a/b/c` is read from (MAML.md §4)."""
        return (self.datasets or self.root / "datasets").expanduser().absolute()

    @property
    def ledger(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.ledger_url or f"sqlite:///{self.root / 'ledger.sqlite'}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings.

    Raises:
        SettingsError: a variable has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CHIMERA_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(
            "CHIM203", f"{name}: {first['msg'].lower()}", hint="see docs/settings.md"
        ) from None
