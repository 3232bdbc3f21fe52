import dagster as dg
import pytest

from chimera_pipelines.defs.double_trace import double_trace
from chimera_pipelines.defs.launch import run_in_dagster
from chimera_pipelines.defs.project import plan_store
from chimera_pipelines.defs.trust import evidence
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.maml.history_parts import read_history
from chimera_pipelines.runner import run_plan
from chimera_pipelines.scheduling.plan import load_plan
from chimera_pipelines.settings import settings
from chimera_pipelines.tickets.verification import verify


def _judged(path):
    plan = load_plan(path, plan_store())
    with Services(settings()) as services:
        assert evidence(plan, services).size >= 0
        history = read_history(path, path.read_bytes(), None)
        found = verify(
            history.parts,
            document_id=plan.document.id,
            doc=plan.document.digest,
            keys=services.keys.ring(),
        )
    return plan, found.judged


def _trace(path, instance):
    plan, judged = _judged(path)
    return double_trace(
        instance, document_id=plan.document.id, slug=plan.slug, judged=judged, line=7
    )


def _codes(traced):
    return [(problem.code, problem.severity) for problem in traced.problems]


@pytest.fixture
def ran(write, chain, instance):
    path = write("a.maml.md", chain())
    assert run_in_dagster(path, instance=instance)["status"] == "ok"
    return path


def test_runs_reuses_and_partitions_agree(write, chain, instance):
    path = write("a.maml.md", chain(head="partitions: {static: [p, q]}\n"))
    run_in_dagster(path, all_partitions=True, instance=instance)
    assert run_in_dagster(path, partition="p", instance=instance)["kernels"][0]["status"] == (
        "reused"
    )
    traced = _trace(path, instance)
    assert traced.problems == ()
    assert (traced.runs, len(traced.logged)) == (3, 9)


def test_runs_outside_of_dagster_are_no_matter(ran, instance):
    with Services(settings()) as services:
        run_plan(load_plan(ran, plan_store()), services, force=True)
    traced = _trace(ran, instance)
    assert traced.problems == ()
    assert len(traced.logged) == 3


def test_failed_kernels_have_no_materialisation(write, chain, instance):
    path = write("a.maml.md", chain(second='    raise ValueError("x")'))
    run_in_dagster(path, instance=instance)
    traced = _trace(path, instance)
    assert traced.problems == ()
    assert [found.fields["kernel"] for found in traced.logged] == ["first"]


def test_a_changed_line_is_told_with_both_values(ran, instance):
    ran.write_text(ran.read_text().replace("kernel=third status=ok", "kernel=third status=failed"))
    (problem,) = _trace(ran, instance).problems
    assert (problem.code, problem.entry) == ("CHIM620", 3)
    assert "status 'failed' here, 'ok' there" in problem.message
    assert "kernel=third" in ran.read_text().splitlines()[problem.line - 1]


def test_a_cut_tail_is_seen(ran, instance):
    text = ran.read_text()
    ran.write_text(text[: text.rindex("\n- ") + 1])
    (problem,) = _trace(ran, instance).problems
    assert (problem.code, problem.entry, problem.line) == ("CHIM621", None, 7)
    assert "ticket seq=3 of kernel 'third'" in problem.message


def test_a_document_without_its_history_is_seen_by_its_assets_and_its_runs(ran, instance):
    ran.write_text(ran.read_text().partition("## History")[0])
    assert _codes(_trace(ran, instance)) == [("CHIM621", "error")] * 3
    moved = ran.rename(ran.with_name("elsewhere.maml.md"))
    assert _codes(_trace(moved, instance)) == [("CHIM621", "error")] * 3


def test_another_document_under_the_same_name_is_no_matter(ran, write, chain, instance):
    write("a.maml.md", chain(number=1))
    traced = _trace(ran, instance)
    assert (traced.logged, traced.problems) == ((), ())


@pytest.mark.parametrize(
    ("status", "severity"),
    [(dg.DagsterRunStatus.SUCCESS, "error"), (dg.DagsterRunStatus.CANCELED, "warning")],
)
def test_a_ticket_that_dagster_does_not_tell_of(ran, instance, status, severity):
    """The same run on an instance that has no events of it."""
    run = instance.get_runs()[0]
    bare = dg.DagsterRun(run.job_name, run_id=run.run_id, tags=run.tags, status=status)
    with dg.DagsterInstance.ephemeral() as other:
        other.add_run(bare)
        assert _codes(_trace(ran, other)) == [("CHIM622", severity)] * 3


def test_a_ticket_told_of_twice(ran, instance):
    run = instance.get_runs()[0]
    latest = instance.get_latest_materialization_event(dg.AssetKey(["a", "third"]))
    instance.report_runless_asset_event(latest.asset_materialization)  # is of no run: not looked at
    assert _trace(ran, instance).problems == ()
    instance.store_event(latest)
    traced = _trace(ran, instance)
    assert _codes(traced) == [("CHIM620", "error")]
    assert run.run_id in traced.problems[0].message
