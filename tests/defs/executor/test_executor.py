import pytest

BOTH = pytest.mark.parametrize("executor", ["steps", "chains"])


@BOTH
@pytest.mark.parametrize("job", ["twenty", "serial", "assets"])
def test_every_step_runs_once(instance, run, events, succeeded, executor, job):
    run_id = run(job, executor)
    assert instance.get_run_by_id(run_id).is_success
    assert len(succeeded(run_id)) == 20
    assert not events(run_id, "STEP_UP_FOR_RETRY")
