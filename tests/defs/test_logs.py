import sys

import dagster as dg

from chimera_pipelines.defs.logs import DirectComputeLogManager

CONFIG = """
compute_logs:
  module: chimera_pipelines.defs.logs
  class: DirectComputeLogManager
  config: {base_dir: storage/logs}
"""


@dg.op
def speak():
    sys.stdout.write("to stdout")
    sys.stderr.write("to stderr")


@dg.job
def small():
    speak()


def test_what_a_step_prints_is_in_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(CONFIG)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.compute_log_manager, DirectComputeLogManager)
        small.execute_in_process(instance=instance)
    base = tmp_path / "storage/logs"
    out = "".join(path.read_text() for path in base.rglob("*.out"))
    err = "".join(path.read_text() for path in base.rglob("*.err"))
    assert "to stdout" in out
    assert "to stderr" in err
    assert list(base.rglob("*.complete"))
