import dagster as dg
import pytest

from chimera_pipelines.defs.executor.executor import chimera_head_executor
from chimera_pipelines.defs.executor.options import Options
from tests.defs.executor.jobs import twenty


def made(config):
    """The executor's options as Dagster makes them of a job's config."""
    resolved = chimera_head_executor.configured(config, name="heads")
    job = twenty.to_job(executor_def=resolved)
    found = dg.validate_run_config(job)["execution"]
    return Options.from_config(resolved.apply_config_mapping(found).value["config"])


def test_without_config_the_defaults_hold():
    assert made({}) == Options()


def test_a_job_may_set_them():
    assert made({"chain": False, "max_regenerations": 1, "pool_seconds": 2.5}) == Options(
        chain=False, max_regenerations=1, pool_seconds=2.5
    )


def test_what_it_does_not_know_is_refused():
    with pytest.raises(dg.DagsterInvalidConfigError, match="chains"):
        made({"chains": True})
