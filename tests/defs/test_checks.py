import dagster as dg
import pytest

from chimera_pipelines.defs.launch import run_in_dagster
from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.ledger.counts import Counting
from chimera_pipelines.settings import settings

KEY = dg.AssetKey(["a", "third"])


@pytest.fixture
def ran(write, chain, instance):
    path = write("a.maml.md", chain())
    assert run_in_dagster(path, instance=instance)["status"] == "ok"
    return path


def _check(instance, *names, key=KEY):
    """Run some checks alone, as the web UI does."""
    keys = [dg.AssetCheckKey(key, name) for name in names]
    found = build_definitions(inbox=False)
    selection = dg.AssetSelection.checks(*keys)
    job = dg.Definitions.merge(
        found, dg.Definitions(jobs=[dg.define_asset_job("alone", selection=selection)])
    ).resolve_job_def("alone")
    result = job.execute_in_process(instance=instance)
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_all_hold_after_a_run(ran, instance):
    names = ("ticket_verifies", "checkpoint_rebuilds", "output_schema", "double_trace")
    found = _check(instance, *names)
    assert {name: one.passed for name, one in found.items()} == dict.fromkeys(names, True)
    used = found["checkpoint_rebuilds"].metadata["rebuilt_from"].value
    assert len(used.split(", ")) == 2


def test_what_was_verified_is_counted(ran, instance, home):
    def tallies():
        counting = Counting(settings().ledger)
        found = counting.now().tallies
        counting.close()
        return found

    before = tallies()
    assert before == {"ticket_verifications": {("ok",): 3}}  # those in the graphs of the kernels
    ran.write_text(ran.read_text().replace("kernel=third status=ok", "kernel=third status=reused"))
    _check(instance, "ticket_verifies", "double_trace", "checkpoint_rebuilds")
    found = tallies()
    assert found["ticket_verifications"] == {("ok",): 3, ("failed",): 1}
    assert found["ledger_mismatches"] == {(): 1}
    assert found["checkpoint_bytes"][("rebuild",)] > 0


def test_each_can_run_alone(ran, instance):
    assert set(_check(instance, "output_schema")) == {"output_schema"}


def test_a_changed_history_fails_the_ticket_and_the_double_trace(ran, instance):
    text = ran.read_text()
    ran.write_text(text.replace("kernel=third status=ok", "kernel=third status=reused"))
    found = _check(instance, "ticket_verifies", "double_trace")
    assert not found["ticket_verifies"].passed
    (problem,) = found["ticket_verifies"].metadata["problems"].value
    assert problem["code"] == "MAML802"
    assert found["double_trace"].metadata["differences"].value == {"status": ["ok", "reused"]}


def test_a_history_that_was_cut_has_no_ticket(ran, instance):
    ran.write_text(ran.read_text().partition("## History")[0])
    found = _check(instance, "ticket_verifies")
    assert "no ticket with seq=" in found["ticket_verifies"].metadata["reason"].value


def test_a_checkpoint_beyond_repair_is_told(ran, home, instance):
    for path in (home / "ring").rglob("*"):
        if path.is_file():
            path.write_bytes(b"\0" * path.stat().st_size)
    found = _check(instance, "checkpoint_rebuilds")
    assert not found["checkpoint_rebuilds"].passed
    assert "code" in found["checkpoint_rebuilds"].metadata


def test_without_a_run_there_is_nothing_to_check(write, chain, instance):
    write("a.maml.md", chain())
    found = _check(instance, "ticket_verifies")
    assert found["ticket_verifies"].metadata["reason"].value == "the asset was never materialised"


def test_the_document_is_read_as_it_lies_there_now(ran, instance):
    ledger = dg.AssetKey(["a", "ledger"])
    found = _check(instance, "document_valid", key=ledger)["document_valid"]
    assert found.passed
    assert {one["code"] for one in found.metadata["diagnostics"].value} == {"MAML503"}
