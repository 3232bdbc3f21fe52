from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chimera_pipelines.settings import HEAD_IDS
from tests.cli.conftest import Chimera


def test_init_makes_what_is_missing_and_says_what_to_set(chimera: Chimera, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    first = chimera(
        "heads", "certificates", "init", folder, "--machine", "a", "--machine", "b", "--json"
    )
    assert first.code == 0
    assert first.json["schema"] == "chimera.certificates/1"
    found = {one["name"]: one for one in first.json["certificates"]}
    assert [name for name, one in found.items() if one["new"]] == ["authority", "client", "a", "b"]
    heads = [f"head://local/default/{head}" for head in HEAD_IDS]
    assert found["a"]["uris"] == [*heads, "gateway://local/default"]
    assert stat.S_IMODE((folder / "a.key").stat().st_mode) == 0o600

    again = chimera("heads", "certificates", "init", folder, "--machine", "c")
    assert again.code == 0
    assert "CHIMERA_TLS_CERTIFICATE=c.pem" in again.err
    assert [line.split()[:2] for line in again.out.splitlines()[1:]] == [
        ["authority", "kept"],
        ["client", "kept"],
        ["c", "made"],
    ]


def test_certificates_are_of_the_gateway_that_settings_name(
    chimera: Chimera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIMERA_GATEWAY", "gateway://lab/one")
    found = chimera("heads", "certificates", "init", tmp_path / "tls", "--json")
    assert found.json["certificates"][1]["uris"] == ["gateway://lab/one"]


def test_a_name_that_cannot_be_a_file_is_refused(chimera: Chimera, tmp_path: Path) -> None:
    found = chimera("heads", "certificates", "init", tmp_path / "tls", "--machine", "../x")
    assert (found.code, "CHIM201" in found.err) == (2, True)
