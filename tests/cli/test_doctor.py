from __future__ import annotations

import pytest

from chimera_pipelines.cli import probes
from chimera_pipelines.cli.doctor import code_of
from chimera_pipelines.cli.probes import Check
from chimera_pipelines.errors import SandboxUnavailableError


@pytest.fixture
def quick(monkeypatch):
    """Doctor without the sandbox, which has tests of its own."""
    few = {name: probe for name, probe in probes.PROBES.items() if name != "sandbox"}
    monkeypatch.setattr(probes, "PROBES", few)


def test_json_shape(chimera, quick):
    called = chimera("doctor", "--json")
    assert called.code == 0, called.out
    assert set(called.json) == {"schema", "ok", "checks"}
    assert called.json["schema"] == "chimera.doctor/1"
    assert called.json["ok"] is True
    assert set(called.json["checks"][0]) == {"name", "status", "value", "detail", "hint"}
    names = [check["name"] for check in called.json["checks"]]
    assert names == list(probes.PROBES)


def test_text_has_a_line_a_check(chimera, quick):
    lines = chimera("doctor").out.splitlines()
    assert sum(line.startswith(("ok ", "warn ", "fail ")) for line in lines) == len(probes.PROBES)


def test_doctor_makes_nothing(chimera, quick, home):
    before = sorted(home.rglob("*"))
    chimera("doctor")
    assert sorted(home.rglob("*")) == before


def test_a_bad_setting_is_named(chimera, monkeypatch):
    monkeypatch.setenv("CHIMERA_DEVICE", "abacus")
    called = chimera("doctor", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM203"
    assert "CHIMERA_DEVICE" in called.json["error"]["message"]


@pytest.mark.parametrize(
    ("failed", "code"),
    [((), 0), (("sandbox", "aer"), 7), (("cuda",), 6), (("torch",), 6), (("storage",), 2)],
)
def test_the_exit_code_is_what_a_run_would_meet_first(failed, code):
    found = [Check(name, "fail", "") for name in failed] + [Check("x", "warn", "")]
    assert code_of(found) == code


def test_a_probe_that_breaks_is_a_finding(chimera, monkeypatch):
    def broken(_):
        raise ZeroDivisionError("why")
        yield

    def coded(_):
        raise SandboxUnavailableError("MAML906", "none works", hint="do this")
        yield

    monkeypatch.setattr(probes, "PROBES", {"a": broken, "sandbox": coded})
    called = chimera("doctor", "--json")
    assert called.code == 7
    first, second = called.json["checks"]
    assert first["status"] == "fail"
    assert first["value"] == "ZeroDivisionError"
    assert (second["value"], second["hint"]) == ("MAML906", "do this")
