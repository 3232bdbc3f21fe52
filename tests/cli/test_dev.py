from __future__ import annotations

import pytest

from chimera_pipelines.errors import UsageError


def test_serves_and_passes_the_exit_code_on(chimera, monkeypatch):
    from chimera_pipelines.defs import dev as server

    asked = []
    monkeypatch.setattr(server, "serve", lambda **given: asked.append(given) or 3)
    called = chimera("dev", "--port", "3001", "--json")
    assert called.code == 3
    assert asked == [{"host": "127.0.0.1", "port": 3001}]
    assert called.json == {"schema": "chimera.dev/1", "host": "127.0.0.1", "port": 3001, "exit": 3}
    assert "http://127.0.0.1:3001" in called.err


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_no_project_is_usage(chimera, monkeypatch, flags):
    from chimera_pipelines.defs import dev as server

    def nowhere(**_):
        raise UsageError("CHIM609", "no dagster.yaml")

    monkeypatch.setattr(server, "serve", nowhere)
    called = chimera("dev", *flags)
    assert called.code == 2
    assert "CHIM609" in called.err
