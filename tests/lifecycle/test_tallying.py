from __future__ import annotations

import pytest

from chimera_pipelines.ledger.counts import Counting
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.tallying import tally


def test_it_is_counted(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    ledger, counting = Ledger(url), Counting(url)
    tally(ledger, "ticket_verifications", 2, result="ok")
    tally(ledger, "ticket_verifications", 0, result="failed")
    assert counting.now().tallies == {"ticket_verifications": {("ok",): 2}}
    counting.close()
    ledger.close()


def test_a_ledger_that_is_away_costs_a_warning(tmp_path, caplog):
    (tmp_path / "ledger.sqlite").write_bytes(b"no database" * 500)
    tally(Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}"), "ledger_mismatches", 1)
    assert "CHIM226" in caplog.text


def test_a_name_that_is_none_is_a_fault_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="no counter"):
        tally(Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}"), "nothing", 1)
