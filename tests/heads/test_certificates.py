from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chimera_pipelines.errors import UsageError
from chimera_pipelines.heads import certificates
from tests.heads.certified import GATEWAY, HEADS


def _init(folder: Path, *machines: str) -> list[certificates.Made]:
    return certificates.init(folder, machines, gateway=GATEWAY, heads=HEADS)


def test_private_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    _init(tmp_path / "tls", "node-a")
    keys = sorted((tmp_path / "tls").glob("*.key"))
    assert [key.name for key in keys] == ["authority.key", "client.key", "node-a.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_a_machine_is_all_heads_and_the_client_is_none(tmp_path: Path) -> None:
    made = {one.name: one for one in _init(tmp_path / "tls", "node-a")}
    assert made["client"].uris == (GATEWAY,)
    assert made["node-a"].uris == (
        *(f"head://local/default/HEAD_{n}" for n in (1, 2, 3, 4)),
        GATEWAY,
    )


def test_what_is_there_stays_and_a_new_machine_is_added(tmp_path: Path) -> None:
    _init(tmp_path / "tls", "node-a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
    made = _init(tmp_path / "tls", "node-a", "node-b")
    assert [one.name for one in made if one.new] == ["node-b"]
    after = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"node-b.key", "node-b.pem"}


@pytest.mark.parametrize("name", ["../up", "authority", "client", "", "a b", ".hidden"])
def test_a_name_that_is_no_file_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        _init(tmp_path / "tls", name)
    assert caught.value.code == "CHIM201"


def test_a_damaged_authority_is_named(tmp_path: Path) -> None:
    _init(tmp_path / "tls")
    (tmp_path / "tls" / "authority.key").write_bytes(b"no key")
    with pytest.raises(UsageError) as caught:
        _init(tmp_path / "tls", "node-a")
    assert caught.value.code == "CHIM202"
