from __future__ import annotations

from types import SimpleNamespace

import pytest

from chimera_pipelines.cli import evidence, probes
from chimera_pipelines.sandbox.tiers import Tier, TierReport
from chimera_pipelines.settings import Settings


def one(probe: str, **given: object) -> probes.Check:
    return next(iter(probes.PROBES[probe](Settings(**given))))


@pytest.fixture
def versions(monkeypatch):
    found: dict[str, str] = {}
    monkeypatch.setattr(probes, "_version", found.get)
    return found


@pytest.mark.parametrize(
    ("installed", "device", "status"),
    [
        ({"qiskit-aer": "0.18"}, "cpu", "ok"),
        ({"qiskit-aer-gpu": "0.18"}, "cpu", "ok"),
        ({"qiskit-aer-gpu": "0.18"}, "gpu", "ok"),
        ({"qiskit-aer": "0.18"}, "gpu", "fail"),
        ({}, "cpu", "fail"),
        ({"qiskit-aer": "0.18", "qiskit-aer-gpu": "0.18"}, "cpu", "fail"),
    ],
)
def test_aer(versions, installed, device, status):
    versions.update(installed)
    check = one("aer", device=device)
    assert check.status == status
    assert (check.hint is None) == (status == "ok")


@pytest.mark.parametrize(
    ("version", "device", "status"),
    [("2.13.0+cpu", "cpu", "ok"), ("2.13.0+cpu", "gpu", "fail"), ("2.13.0", "gpu", "ok")],
)
def test_torch(versions, version, device, status):
    versions["torch"] = version
    assert one("torch", device=device).status == status


def test_dagster_packages_must_agree(versions):
    versions.update({"dagster": "1.13.27", "dagster-webserver": "1.13.27"})
    assert one("dagster").status == "ok"
    versions["dagster-webserver"] = "1.13.26"
    assert one("dagster").status == "fail"


def test_cuda_asks_the_driver(monkeypatch):
    monkeypatch.setattr(probes, "cuda_devices", lambda: ([], "no driver"))
    assert one("cuda").status == "ok"
    assert one("cuda", device="gpu").status == "fail"
    monkeypatch.setattr(probes, "cuda_devices", lambda: (["NVIDIA H200"], ""))
    assert one("cuda", device="gpu").detail == "NVIDIA H200"


def test_storage(monkeypatch, tmp_path):
    assert one("storage", home=tmp_path / "not" / "yet").status == "ok"
    monkeypatch.setattr(probes.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    assert one("storage", home=tmp_path).status == "warn"
    monkeypatch.setattr(probes.os, "access", lambda *_: False)
    assert one("storage", home=tmp_path).status == "fail"


def test_keys_say_what_they_are_worth(tmp_path):
    settings = Settings(home=tmp_path)
    assert "none yet" in one("keys", home=tmp_path).value
    evidence.key_store(settings).init()
    check = one("keys", home=tmp_path)
    assert check.status == "ok"
    assert "This is not an HSM." in check.detail
    next((tmp_path / "keys" / "private").glob("*.json")).unlink()
    assert one("keys", home=tmp_path).status == "fail"


def test_a_ledgers_password_is_not_shown(tmp_path):
    url = "sqlite://user:geheim@/nowhere"
    try:
        shown = str(one("ledger", home=tmp_path, ledger_url=url).as_json())
    except Exception as error:  # noqa: BLE001 - whatever it says must not hold the password
        shown = str(error)
    assert "geheim" not in shown


def tier(which: Tier, *, works: bool) -> TierReport:
    return TierReport(which, works, "detail", None if works else "hint")


def test_sandbox_tiers_each_with_a_hint(monkeypatch):
    from chimera_pipelines.sandbox import tiers

    reports = (
        tier(Tier.BUBBLEWRAP, works=False),
        tier(Tier.LANDLOCK, works=True),
        tier(Tier.PROCESS, works=True),
    )
    monkeypatch.setattr(tiers, "probe", lambda: reports)
    monkeypatch.setattr(tiers, "choose", lambda *_, **__: Tier.LANDLOCK)
    monkeypatch.setattr(probes.shutil, "which", lambda _: None)
    found = {check.name: check for check in probes.PROBES["sandbox"](Settings())}
    assert found["sandbox"].value == "landlock"
    assert found["sandbox.bubblewrap"].hint == "apt install bubblewrap"
    assert found["sandbox.bubblewrap"].status == "warn"
    assert found["sandbox.landlock"].status == "ok"
    monkeypatch.setattr(tiers, "choose", lambda *_, **__: Tier.PROCESS)
    assert next(iter(probes.PROBES["sandbox"](Settings()))).status == "warn"


def test_a_ledger_that_is_no_database_fails_with_what_to_do(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"no database " * 100)
    found = list(probes._guarded("ledger", probes.PROBES["ledger"], Settings(home=tmp_path)))
    assert [check.status for check in found] == ["fail"]
    assert "move the file away" in str(found[0].hint)


def test_a_ledger_whose_chain_is_broken_fails(tmp_path):
    import sqlite3

    from chimera_pipelines.ledger.ledger import Ledger, RunRow

    settings = Settings(home=tmp_path)
    ledger = Ledger(settings.ledger)
    ledger.record_run(RunRow("r", "d", "started", "2026-08-01T12:00:00.000000Z", "user://a/b"))
    ledger.close()
    assert one("ledger", home=tmp_path).detail == "1 rows, their chain is whole"
    with sqlite3.connect(tmp_path / "ledger.sqlite") as edited:
        edited.execute("UPDATE runs SET status = 'ok'")
    found = list(probes._guarded("ledger", probes.PROBES["ledger"], settings))
    assert found[0].value == "CHIM227"
