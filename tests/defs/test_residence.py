import pytest

from chimera_pipelines.defs.residence import KEPT, Residence, here, reside


class Closing:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture
def residence():
    return Residence(Closing())


def test_a_run_is_opened_once(residence):
    run = residence.run(("a", "doc"), Closing)
    assert residence.run(("a", "doc"), Closing) is run
    assert residence.run(("a", "other"), Closing) is not run


def test_the_run_that_was_not_asked_for_longest_is_closed(residence):
    runs = [residence.run((str(number),), Closing) for number in range(KEPT)]
    residence.run(("0",), Closing)
    residence.run(("new",), Closing)
    assert [run.closed for run in runs] == [0, 1, *[0] * (KEPT - 2)]
    assert residence.dagster_runs() == {"0", "new", *map(str, range(2, KEPT))}


def test_what_a_dagster_run_opened_is_forgotten_together(residence):
    mine = [residence.run(("a", part), Closing) for part in ("p", "q")]
    other = residence.run(("b", "p"), Closing)
    residence.forget("a")
    residence.forget("a")
    assert [run.closed for run in (*mine, other)] == [1, 1, 0]
    assert residence.dagster_runs() == {"b"}


def test_closing_ends_runs_and_then_the_services(residence):
    run = residence.run(("a",), Closing)
    residence.close()
    assert (run.closed, residence.services.closed) == (1, 1)


def test_a_process_resides_until_it_does_no_more(residence):
    assert here() is None
    reside(residence)
    try:
        assert here() is residence
    finally:
        reside(None)
    assert here() is None
