from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.tickets.private_files import read_record, well_formed


@pytest.mark.parametrize("text", [None, "{", "[]", "\xff"])
def test_what_is_no_record_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="cannot read private key") as raised:
        read_record(path)
    assert raised.value.code == "CHIM223"
    assert raised.value.where is not None


def test_a_damaged_part_is_said_without_its_content(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="damaged: ValueError") as raised, well_formed(tmp_path):
        int("secret")
    assert "secret" not in str(raised.value)
