"""Certificates for tests: an authority's folder, and the files of one machine in it."""

from __future__ import annotations

from pathlib import Path

from chimera_pipelines.heads import certificates
from chimera_pipelines.heads.tls import TlsFiles

GATEWAY = "gateway://local/default"
HEADS = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")


def authority(folder: Path, *machines: str, gateway: str = GATEWAY, days: int = 365) -> Path:
    """The folder, with certificates of `client` and the machines in it."""
    certificates.init(folder, machines, gateway=gateway, heads=HEADS, days=days)
    return folder


def files(folder: Path, name: str) -> TlsFiles:
    """What a machine's settings name."""
    return TlsFiles(folder / f"{name}.pem", folder / f"{name}.key", folder / "authority.pem")
