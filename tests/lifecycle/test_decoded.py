from __future__ import annotations

import pytest

from chimera_pipelines.ledger.counts import Counting
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.decoded import DECODERS, count_decoded
from chimera_pipelines.qec import decoders


@pytest.fixture
def counted(tmp_path):
    """Tallies after an output of a kernel with those inputs."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    ledger, counting = Ledger(url), Counting(url)
    ledger.tally("ledger_mismatches", 1)  # a ledger is made when it is first written

    def count(output, inputs=None):
        count_decoded(ledger, output, inputs or {})
        found = counting.now().tallies
        found.pop("ledger_mismatches")
        return found

    yield count
    counting.close()
    ledger.close()


def row(decoder="pymatching", distance=3, shots=1000, errors=4, **more):
    return {"decoder": decoder, "distance": distance, "shots": shots, "errors": errors, **more}


def test_rows_are_added_up_by_decoder_and_distance(counted):
    output = {"rows": [row(physical=0.1), row(physical=0.2), row(distance=5, errors=0)]}
    found = counted(output)
    assert found["decoder_shots"] == {("pymatching", "3"): 2000, ("pymatching", "5"): 1000}
    assert found["decoder_errors"] == {("pymatching", "3"): 8}


def test_rows_that_came_in_were_counted_before(counted):
    old, new = row(physical=0.1), row(physical=0.2, shots=50, errors=1)
    found = counted({"deep": {"er": [old, new]}}, {"memory": {"rows": [old]}})
    assert found["decoder_shots"] == {("pymatching", "3"): 50}


def test_rows_of_a_model_have_no_distance(counted):
    one = row()
    del one["distance"]
    assert counted(one)["decoder_shots"] == {("pymatching", "none"): 1000}


def test_labels_stay_few(counted):
    output = [row(decoder="x" * 5000), row(distance=10**9), row(distance="three")]
    found = counted(output)
    assert set(found["decoder_shots"]) == {("other", "3"), ("pymatching", "other")}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        row(shots="many"),
        row(shots=True),
        row(errors=-1),
        row(errors=1001),
        row(errors=0.5),
        {"decoder": "pymatching"},
    ],
)
def test_what_is_no_row_is_not_counted(counted, value):
    assert counted({"rows": [value]}) == {}


def test_decoders_are_those_that_there_are():
    assert set(decoders.DECODERS) == DECODERS
