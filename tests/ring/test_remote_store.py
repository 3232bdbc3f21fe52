"""What `test_stores` does not ask of fsspec URLs: errors of drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.remote_store import RemoteStore


class Broken:
    """A driver whose errors are its own."""

    def __getattr__(self, name: str) -> object:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError(f"{name} refused")

        return fail


def test_errors_of_drivers_are_told_as_errors_of_the_system(tmp_path: Path) -> None:
    store = RemoteStore("HEAD_1", f"memory://{tmp_path}")
    store._files = Broken()
    writer = store.write("a/x", 3)
    for work in (
        lambda: store.list(""),
        lambda: store.read("a/x"),
        lambda: store.delete("a/x"),
        writer.commit,
    ):
        with pytest.raises(OSError, match=r"RuntimeError: .* refused"):
            work()


def test_a_url_without_a_driver_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        RemoteStore("HEAD_1", "nowhere://user:secret@host/x")
    assert caught.value.code == "CHIM508"
    assert "secret" not in str(caught.value)
