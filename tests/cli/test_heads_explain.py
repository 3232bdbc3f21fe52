from __future__ import annotations

import pytest

from chimera_pipelines.ledger.evidence import DEATH, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.settings import settings


def die(home, head: str, times: int) -> None:
    ledger = Ledger(f"sqlite:///{home / 'ledger.sqlite'}")
    for incarnation in range(times):
        ledger.record_head_event(HeadEvent(head, incarnation, "a", DEATH, {"reason": "exit"}))
    ledger.close()


def test_json_shape(chimera, chain):
    shown = chimera("heads", "explain", f"{chain}#second", "--json").json
    assert shown["schema"] == "chimera.heads.explain/1"
    assert set(shown) == {
        *("schema", "document", "kernel", "tags", "heads", "critical", "threshold", "bytes"),
        *("reason", "chances"),
    }
    assert [one["head"] for one in shown["chances"]] == ["HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4"]
    for one in shown["chances"]:
        assert set(one) == {
            *("head", "allowed", "why", "reputation", "speed", "uptime", "error_rate"),
            *("weight", "probability"),
        }
        assert one["reputation"] == {
            "alpha": 4.0,
            "beta": 1.0,
            "mean": 0.8,
            "observations": 0,
            "bad_in_a_row": 0,
        }
        assert one["allowed"] == (one["head"] in shown["heads"])
        assert one["probability"] == (0.5 if one["allowed"] else 0.0)


def test_a_head_that_died_is_chosen_less_and_said_why(chimera, chain, home):
    die(home, "HEAD_3", 9)
    asked = chimera("heads", "explain", f"{chain}#second", "--json").json
    chances = {one["head"]: one for one in asked["chances"]}
    assert chances["HEAD_3"]["reputation"]["bad_in_a_row"] == 9
    assert chances["HEAD_3"]["reputation"]["mean"] < 0.5
    assert chances["HEAD_3"]["probability"] == 0.0
    assert "poor" in chances["HEAD_3"]["why"]
    assert chances["HEAD_4"]["probability"] == 1.0
    assert "language" not in chances["HEAD_4"]["why"]
    text = chimera("heads", "explain", f"{chain}#second").out
    assert text.startswith("second: HEAD_")
    assert "poor" in text


def test_the_name_alone_is_enough_where_one_document_has_it(chimera, chain, home):
    (home / "documents" / "chain.maml.md").write_text(chain.read_text())
    (home / "documents" / "broken.maml.md").write_text("no document")
    for text in ("chain#second", "second"):
        assert chimera("heads", "explain", text).out.startswith("second: HEAD_")
    (home / "documents" / "twin.maml.md").write_text(chain.read_text())
    called = chimera("heads", "explain", "second", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM201"
    assert called.json["error"]["hint"] == "chain#second, twin#second"


def test_what_is_not_there_is_usage(chimera, chain):
    for text in (f"{chain}#none", "chain", "none#a", "#a", "a#"):
        assert chimera("heads", "explain", text).code == 2


def test_a_critical_kernel_names_the_threshold(chimera, chain, home, monkeypatch):
    document = home / "critical.maml.md"
    document.write_text(critical(chain.read_text()))
    die(home, "HEAD_3", 9)
    shown = chimera("heads", "explain", f"{document}#third", "--json").json
    assert shown["critical"]
    why = {one["head"]: one["why"] for one in shown["chances"]}
    assert "not above 0.5" in why["HEAD_3"]
    assert why["HEAD_4"] == "critical, and trusted"
    monkeypatch.setenv("CHIMERA_CRITICAL_REPUTATION", "0.9")
    settings.cache_clear()
    shown = chimera("heads", "explain", f"{document}#third", "--json").json
    assert not any(one["allowed"] for one in shown["chances"])


def critical(text: str) -> str:
    schema = '\n## Output_Schema\n```json {#third}\n{"type": "object"}\n```\n'
    return (
        text.replace("third: {needs: [first]}", "third: {needs: [first], critical: true}") + schema
    )


def test_a_silent_prometheus_is_said(chimera, chain, monkeypatch):
    monkeypatch.setenv("CHIMERA_PROMETHEUS_URL", "http://127.0.0.1:1")
    called = chimera("heads", "explain", f"{chain}#second")
    assert called.code == 0
    assert "CHIM732" in called.err


@pytest.mark.parametrize("option", ["--help"])
def test_help(chimera, option):
    assert "FILE#KERNEL" in chimera("heads", "explain", option).out
