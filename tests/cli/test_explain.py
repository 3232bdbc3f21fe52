from __future__ import annotations


def test_text(chimera):
    called = chimera("explain", "maml405")
    assert called.code == 0
    assert called.out.startswith("MAML405 (error): cycle\n")


def test_json_shape(chimera):
    shown = chimera("explain", "MAML405", "--json").json
    assert set(shown) == {"schema", "code", "severity", "title", "text"}
    assert shown["schema"] == "chimera.explain/1"


def test_unknown_code_suggests_near_ones(chimera):
    called = chimera("explain", "MAML40", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM206"
    assert "MAML40" in called.json["error"]["hint"]
