from __future__ import annotations

from chimera_pipelines.ledger import tables
from chimera_pipelines.ledger.readings import Reading
from chimera_pipelines.phase import PHASES


def test_the_table_has_a_column_for_each_phase():
    assert {str(phase) for phase in PHASES} <= set(tables.phase_seconds.c.keys())


def test_a_row_has_every_column_but_its_id():
    values = Reading("leaf", "ai", "failed", {"embed": 0.5}, "propagate", waited=0.25).values()
    assert set(values) == set(tables.phase_seconds.c.keys()) - {"id"}
    assert (values["embed"], values["propagate"], values["waited"]) == (0.5, None, 0.25)
