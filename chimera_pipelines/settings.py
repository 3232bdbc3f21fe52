"""Settings from the environment: `CHIMERA_*` variables, read once per process."""

from __future__ import annotations

import errno
import getpass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from chimera_pipelines.errors import SettingsError, Where

HEAD_IDS: tuple[str, ...] = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")
HOME_HINT = "set CHIMERA_HOME to a folder that this account may write"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


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
    dagster_url: str | None = Field(
        default=None, description="PostgreSQL URL of Dagster's storage; default SQLite"
    )
    grant_hours: float = Field(default=24.0, gt=0, le=24, description="validity of a grant")
    memory_bytes: int = Field(
        default=4 * 1024**3, gt=0, description="memory of one sandbox session"
    )
    heads: Literal["processes", "in_process"] = Field(
        default="processes",
        description="where kernels run: head processes, or the process of the run itself",
    )
    recompute: bool = Field(
        default=False,
        description="run kernels of a head's last tickets again when its process was replaced",
    )
    head_memory_bytes: int | None = Field(
        default=None, gt=0, description="register bank of one head; default two fifths of memory"
    )
    critical_reputation: float = Field(
        default=0.5, ge=0, lt=1, description="reputation that a critical kernel's head must exceed"
    )
    prometheus_url: str | None = Field(
        default=None, description="Prometheus server that the router asks; default the ledger"
    )
    share_stores: tuple[str, ...] = Field(
        default=(), description="fsspec URLs of the four share stores, as JSON; default in home"
    )
    store_url: str | None = Field(
        default=None, description="fsspec URL of the content store; default blobs/ in home"
    )
    tls_certificate: Path | None = Field(
        default=None, description="certificate of this machine, for heads on others"
    )
    tls_key: Path | None = Field(default=None, description="its private key, mode 0600")
    tls_authority: Path | None = Field(
        default=None, description="certificate of the authority that all machines trust"
    )
    cluster: str | None = Field(
        default=None, description="Ray cluster on whose machines heads are placed; `auto`: here"
    )
    cluster_gpus: float | None = Field(
        default=None, ge=0, description="GPUs of each machine's heads; default 1 for device gpu"
    )
    kubernetes_gpu: str | None = Field(
        default=None, description="resource of a propagation's pod, such as nvidia.com/gpu"
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


def storage_error(error: OSError, root: Path) -> SettingsError | None:
    """CHIM209 for a full disk, or for a file below `root` that the system refuses; else None.

    Args:
        error: as the system gave it; a failed write names no file.
        root: `CHIMERA_HOME`, absolute.
    """
    named = Path(error.filename) if isinstance(error.filename, str) else None
    inside = named is not None and (named == root or root in named.parents or named in root.parents)
    full = error.errno in _FULL
    if not full and not inside:
        return None
    reason = (error.strerror or str(error)).lower()
    where = Where(str(named)) if named is not None and inside else None
    hint = "make room on that disk, or set CHIMERA_HOME to another folder" if full else HOME_HINT
    return SettingsError("CHIM209", f"cannot write '{root}': {reason}", where=where, hint=hint)
