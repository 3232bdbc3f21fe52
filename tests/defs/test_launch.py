import sys

import dagster as dg
import pytest

from chimera_pipelines.defs.io_manager import ChimeraIOManager
from chimera_pipelines.defs.launch import run_document, run_in_dagster
from chimera_pipelines.defs.launcher import LocalProcessRunLauncher
from chimera_pipelines.defs.resources import RUN_TAG, ChimeraResource
from chimera_pipelines.errors import KernelError, RefusedError, UsageError
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.runner import run_plan
from chimera_pipelines.scheduling.plan import load_plan
from chimera_pipelines.settings import settings


def _materializations(instance, key):
    found = instance.fetch_materializations(dg.AssetKey(key), limit=10).records
    return [record.asset_materialization for record in found]


def test_the_shipped_document_runs_and_shows_what_it_did(h2, instance):
    report = run_in_dagster(h2, partition="0.735", instance=instance)
    assert report["status"] == "ok"
    assert report["outputs"]["report"]["exact_total_energy"] == pytest.approx(-1.137306, abs=1e-6)
    assert [kernel["ticket"]["seq"] for kernel in report["kernels"]] == [1, 2, 3]
    assert report["history"]["tickets"] == 3
    phases = [phase["phase"] for phase in report["kernels"][1]["phases"]]
    assert phases == ["deserialize", "embed", "propagate", "measure", "feedback"]

    (vqe,) = _materializations(instance, ["h2_vqe", "vqe"])
    shown = vqe.metadata
    assert vqe.partition == "0.735"
    assert shown["ticket"].value == 2
    assert shown["checkpoint"].value.startswith("sha256:")
    assert shown["output/energy"].value < -1
    assert shown["series"].value.records[0].data["pass"] == 1
    assert shown["plot/circuit"].value.startswith("![circuit](data:image/png;base64,")

    run = instance.get_run_by_id(report["dagster_run_id"])
    assert run.tags[RUN_TAG] == report["run_id"]
    # By this the page of jobs finds the run.
    assert run.tags[".dagster/repository"] == "__repository__@chimera_pipelines"
    assert f"run={report['run_id']} kernel=vqe" in h2.read_text()


def test_a_daemon_takes_this_process_for_the_runs_worker(write, chain, instance, monkeypatch):
    launcher, told = LocalProcessRunLauncher(), []
    launcher.register_instance(instance)
    whole = phases.propagate

    def propagate(run, *rest):
        (going,) = instance.get_runs()
        told.append(launcher.check_run_worker_health(going).status.value)
        return whole(run, *rest)

    monkeypatch.setattr(phases, "propagate", propagate)
    run_in_dagster(write("a.maml.md", chain()), instance=instance)
    assert told == ["RUNNING"] * 3


def test_the_ledger_has_the_tree_head_of_the_runs_end(write, chain, instance):
    path = write("a.maml.md", chain())
    report = run_in_dagster(path, instance=instance)
    (ledger,) = _materializations(instance, ["a", "ledger"])
    assert ledger.metadata["tree/root"].value == report["history"]["root"]
    assert ledger.metadata["tree/size"].value == report["history"]["entries"]
    records = ledger.metadata["tickets"].value.records
    assert [record.data["kernel"] for record in records] == ["first", "second", "third"]


def test_dagster_and_the_runner_leave_the_same_digests(write, chain, instance):
    plan = load_plan(write("a.maml.md", chain()), settings().root / "plans")
    inside = run_document(plan, inputs={"start": 4}, instance=instance)
    with Services(settings()) as services:
        outside = run_plan(plan, services, inputs={"start": 4}, force=True).as_json()
    for name in ("input_digest", "output_digest"):
        assert [k[name] for k in inside["kernels"]] == [k[name] for k in outside["kernels"]]
    assert inside["outputs"] == outside["outputs"] == {"third": {"value": 150}}


def test_a_second_run_reuses_unless_forced(write, chain, instance):
    plan = load_plan(write("a.maml.md", chain()), settings().root / "plans")
    run_document(plan, instance=instance)
    again = run_document(plan, instance=instance)
    assert {kernel["status"] for kernel in again["kernels"]} == {"reused"}
    forced = run_document(plan, force=True, instance=instance)
    assert {kernel["status"] for kernel in forced["kernels"]} == {"ok"}


def test_a_failing_kernel_says_code_line_and_hint_and_dependents_are_skipped(
    write, chain, instance
):
    path = write("a.maml.md", chain(second='    raise ValueError("too warm")'))
    report = run_in_dagster(path, instance=instance)
    assert [kernel["status"] for kernel in report["kernels"]] == ["ok", "failed", "skipped"]
    error = report["kernels"][1]["error"]
    line = path.read_text().splitlines().index('    raise ValueError("too warm")') + 1
    assert (error["code"], error["where"]["line"]) == ("MAML901", line)

    with Services(settings()) as services:
        plan = load_plan(path, settings().root / "plans")
        kernels = run_plan(plan, services).as_json()["kernels"]
    assert kernels[1]["error"] == error
    assert [set(kernel) for kernel in report["kernels"]] == [set(kernel) for kernel in kernels]
    assert "kernel=second status=failed" in path.read_text()


def test_a_run_has_not_ended_while_other_kernels_go_on(write, chain, instance, monkeypatch):
    states, begin = [], ChimeraResource.run

    def run(self, plan, partition):
        found = begin(self, plan, partition)
        states.append([s.status for s in self.services.ledger.run_states(found.run_id)])
        return found

    monkeypatch.setattr(ChimeraResource, "run", run)
    text = chain(second='    raise ValueError("x")')
    text = text.replace(
        "    inputs: {value: $second.value}\n", "    inputs: {value: $first.value}\n"
    )
    text = text.replace("needs: [first]\n", "needs: []\n")
    report = run_in_dagster(write("a.maml.md", text), instance=instance)
    assert [kernel["status"] for kernel in report["kernels"]] == ["ok", "failed", "ok"]
    assert states
    assert all(seen == ["started"] for seen in states)
    with Services(settings()) as services:
        ended = services.ledger.run_states(report["run_id"])
    assert [state.status for state in ended] == ["started", "failed"]


def test_retries_are_of_the_kernel_and_not_of_each_phase(write, chain, instance, monkeypatch):
    seen = []

    def out_of_time(phase):
        whole = getattr(phases, phase)

        def once(run, record):
            if record.invocation.kernel != "second":
                return whole(run, record)
            seen.append((phase, record.invocation.attempt, dict(record.invocation.seconds)))
            error = KernelError("MAML902", "timeout", phase=phase)
            if phase == "propagate" and record.invocation.attempt > 1:
                return whole(run, record)
            run.fail(record.invocation, error)
            raise error

        monkeypatch.setattr(phases, phase, once)

    out_of_time("propagate")
    out_of_time("measure")
    path = write("a.maml.md", chain(head="defaults: {retries: 1}\n"))
    report = run_in_dagster(path, instance=instance)
    assert report["kernels"][1]["status"] == "failed"
    assert [(phase, attempt) for phase, attempt, _ in seen] == [
        ("propagate", 1),
        ("propagate", 2),
        ("measure", 2),
    ]
    assert [sorted(seconds) for _, _, seconds in seen] == [
        ["deserialize", "embed"],
        [],
        ["propagate"],
    ]
    assert path.read_text().count("kernel=second status=failed") == 2


def test_a_failing_kernel_is_not_retried_and_metadata_points_at_the_line(write, chain, instance):
    path = write("a.maml.md", chain(second='    raise ValueError("too warm")'))
    report = run_in_dagster(path, instance=instance)
    events = instance.all_logs(report["dagster_run_id"])
    (failed,) = [
        e.dagster_event for e in events if e.is_dagster_event and e.dagster_event.is_step_failure
    ]
    assert failed.step_key == "a__second.propagate"
    data = failed.step_failure_data.user_failure_data
    assert data.metadata["code"].value == "MAML901"
    assert data.metadata["line"].value == report["kernels"][1]["error"]["where"]["line"]
    assert f"{path}:" in data.description


def test_a_limit_is_tried_again_as_often_as_the_kernel_allows(write, chain, instance):
    head = "defaults: {retries: 1, timeout: 1}\n"
    path = write("a.maml.md", chain(head=head, second="    while True: pass"))
    report = run_in_dagster(path, instance=instance)
    assert report["kernels"][1]["error"]["code"] == "MAML902"
    events = instance.all_logs(report["dagster_run_id"])
    kinds = [e.dagster_event_type for e in events if e.step_key == "a__second.propagate"]
    assert kinds.count(dg.DagsterEventType.STEP_UP_FOR_RETRY) == 1
    assert path.read_text().count("kernel=second status=failed") == 2


def test_a_critical_failure_stops_the_run(write, chain, instance):
    text = chain(second='    raise ValueError("x")').replace(
        "  second:\n", "  second:\n    critical: true\n"
    )
    text = text.replace(
        "## Output_Schema\n", '## Output_Schema\n\n```json {#second}\n{"type": "object"}\n```\n'
    )
    text = text.replace("needs: [first]", "inputs: {value: $first.value}").replace(
        "    inputs: {value: $second.value}\n", ""
    )
    path = write("a.maml.md", text)
    report = run_in_dagster(path, instance=instance)
    run = instance.get_run_by_id(report["dagster_run_id"])
    assert run.tags["chimera/stopped_by"] == "second"
    assert report["kernels"][2]["ticket"] is None
    assert "kernel=second status=failed" in path.read_text()
    assert "kernel=third" not in path.read_text().partition("## History")[2]


def test_what_is_refused_never_becomes_a_run(write, chain, instance):
    path = write("a.maml.md", chain().replace("gateway://local/default", "gateway://other/one"))
    with pytest.raises(RefusedError, match="MAML704 execute does not permit"):
        run_in_dagster(path, instance=instance)
    path = write("a.maml.md", chain(head="partitions: {static: [p]}\n"))
    with pytest.raises(UsageError, match="names one partition"):
        run_in_dagster(path, instance=instance)
    with pytest.raises(UsageError, match="no partition 'z'"):
        run_in_dagster(path, partition="z", instance=instance)
    with pytest.raises(UsageError, match="run inputs"):
        run_in_dagster(path, partition="p", inputs={"start": "x"}, instance=instance)
    assert instance.get_runs_count() == 0
    assert "## History" not in path.read_text()


def test_all_partitions(write, chain, instance):
    path = write("a.maml.md", chain(head="partitions: {static: [p, q]}\n"))
    report = run_in_dagster(path, all_partitions=True, instance=instance)
    assert report["schema"] == "chimera.runs/1"
    assert [run["partition"] for run in report["runs"]] == ["p", "q"]
    manager = ChimeraIOManager()
    assert manager.load_asset(dg.AssetKey(["a", "third"]), "q") == {"value": 120}


def test_a_dynamic_key_that_is_named_is_added(write, chain, instance):
    path = write("a.maml.md", chain(head="partitions: {dynamic: batch}\n"))
    assert run_in_dagster(path, partition="b1", instance=instance)["status"] == "ok"
    assert list(instance.get_dynamic_partitions("batch")) == ["b1"]


JOBS = """
import dagster as dg
from chimera_pipelines.defs.location import build_definitions

def here():
    return build_definitions(inbox=False).resolve_job_def("maml_a_1f6a7b10")

def apart():
    found = build_definitions(executor=dg.multiprocess_executor, inbox=False)
    return found.resolve_job_def("maml_a_1f6a7b10")
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A module that other processes can import too."""
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Dagster drops the first entry of the path when it loads a module again.
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    import jobs_of_a_test

    yield jobs_of_a_test
    del sys.modules["jobs_of_a_test"]


@pytest.mark.slow
def test_every_step_may_have_a_process_of_its_own(write, chain, instance, jobs):
    """The multiprocess executor: records, outputs and the grant go through files alone."""
    path = write("a.maml.md", chain())
    job = dg.reconstructable(jobs.apart)
    two = [dg.AssetKey(["a", "first"]), dg.AssetKey(["a", "second"])]
    options = {"asset_selection": two, "raise_on_error": False}
    with dg.execute_job(job, instance=instance, **options) as result:
        assert result.success
    assert path.read_text().count("[GRANT]") == 1
    assert path.read_text().count("[TICKET]") == 2
    assert ChimeraIOManager().load_asset(two[-1]) == {"value": 20}


def test_retry_from_failure_runs_the_failed_phase_alone(write, chain, instance, jobs):
    """What a phase left is loaded from the run before; the new run has a grant of its own."""
    path = write("a.maml.md", chain())
    report = run_in_dagster(path, instance=instance)
    options = dg.ReexecutionOptions(report["dagster_run_id"], step_selection=["a__third.feedback"])
    job = dg.reconstructable(jobs.here)
    with dg.execute_job(job, instance=instance, reexecution_options=options) as result:
        done = {e.step_key for e in result.all_events if e.is_step_success}
    assert done == {"a__third.feedback"}
    assert instance.get_run_by_id(result.run_id).tags[RUN_TAG] != report["run_id"]
    assert path.read_text().count("[GRANT]") == 2
    assert path.read_text().count("kernel=third status=ok") == 2
