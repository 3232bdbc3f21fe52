import subprocess
import sys

import dagster as dg
import pytest

from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.project import MamlProject


def test_documents_become_assets_jobs_schedules_and_sensors(write, chain):
    head = "partitions: {static: [p, q]}\nschedule: {cron: '0 3 * * 1'}\n"
    head += "trigger: {dataset: 'dataset://lab/in/*'}\n"
    write("a.maml.md", chain(head=head))
    found = build_definitions()
    dg.Definitions.validate_loadable(found)
    assert found.resolve_job_def("maml_a_1f6a7b10").name == "maml_a_1f6a7b10"
    assert [schedule.name for schedule in found.schedules] == ["maml_a_1f6a7b10_schedule"]
    assert {sensor.name for sensor in found.sensors} == {"maml_a_1f6a7b10_trigger", "chimera_inbox"}


def test_a_location_without_documents_loads(home):
    dg.Definitions.validate_loadable(build_definitions())


def test_a_bad_document_is_an_asset_that_fails_and_says_why(write, chain, instance):
    write("a.maml.md", chain())
    write("bad.maml.md", chain(number=1).replace("needs: [first]", "needs: [nobody]"))
    (bad,) = MamlProject().prepare().bad
    found = build_definitions()
    dg.Definitions.validate_loadable(found)
    key = dg.AssetKey([bad.slug, "document"])
    node = found.resolve_asset_graph().get(key)
    assert "MAML404" in node.description
    assert "MAML404" in {one["code"] for one in node.metadata["diagnostics"].value}
    assert {check.name for check in node.check_keys} == {"document_valid"}

    job = found.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(asset_selection=[key], instance=instance, raise_on_error=False)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    shown = failed.step_failure_data.user_failure_data
    assert "MAML404" in shown.description
    assert shown.metadata["error"].value["where"]["line"] > 1


def test_loading_imports_nothing_heavy(write, chain):
    write("a.maml.md", chain())
    code = (
        "import sys, dagster as dg; from chimera_pipelines.definitions import defs;"
        "dg.Definitions.validate_loadable(defs());"
        "heavy = {'torch', 'qiskit', 'matplotlib', 'duckdb', 'stim', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("inbox", [True, False])
def test_the_inbox_can_be_left_out(home, inbox):
    assert len(list(build_definitions(inbox=inbox).sensors or ())) == int(inbox)
