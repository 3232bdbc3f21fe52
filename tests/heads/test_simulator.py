from __future__ import annotations

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import simulator


def test_without_aer_no_engine_is_opened_and_both_ways_to_get_it_are_named(monkeypatch):
    monkeypatch.setattr(simulator.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(simulator, "load_qiskit", lambda: pytest.fail("imported for nothing"))
    with pytest.raises(HeadUnavailableError, match="qiskit-aer-gpu") as refusal:
        simulator.open_engine("cpu")
    assert refusal.value.code == "MAML905"
    assert "never both" in str(refusal.value.hint)
