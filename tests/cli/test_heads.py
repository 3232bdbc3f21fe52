from __future__ import annotations

from chimera_pipelines.cli import probes


def test_list_json_shape(chimera):
    shown = chimera("heads", "list", "--json").json
    assert shown["schema"] == "chimera.heads/1"
    assert [one["head"] for one in shown["heads"]] == ["HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4"]
    assert set(shown["heads"][0]) == {
        *("head", "kind", "device", "state", "pid", "incarnation", "step"),
        *("queued", "registers", "register_bytes", "uptime_s", "reputation"),
    }


def test_a_gpu_that_is_asked_for_and_absent_is_exit_6(chimera, monkeypatch):
    monkeypatch.setattr(probes, "cuda_devices", lambda: ([], "none here"))
    monkeypatch.setenv("CHIMERA_DEVICE", "gpu")
    called = chimera("heads", "list", "--json")
    assert called.code == 6
    assert called.json["error"]["code"] == "MAML905"
    monkeypatch.setattr(probes, "cuda_devices", lambda: (["H200"], ""))
    assert {one["device"] for one in chimera("heads", "list", "--json").json["heads"]} == {"gpu"}
