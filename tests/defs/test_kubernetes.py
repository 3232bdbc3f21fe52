"""The stock `k8s_job_executor` with our Definitions, and a cluster that is a list of job specs.

The fake cluster runs what a pod would run: the command of the spec, with the environment of the
spec, through Dagster's own command line. Only the process is missing.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.execution.api import create_execution_plan

from chimera_pipelines.defs.assets import K8S_TAG
from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.project import MamlProject
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.settings import settings

kubernetes = pytest.importorskip("kubernetes")
dagster_k8s = pytest.importorskip("dagster_k8s")

JOBS = """
from chimera_pipelines.defs import kubernetes

def pods():
    return kubernetes.defs().resolve_job_def("{job}")
"""
IMAGE = "registry.example/chimera:1.2.3"
ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """Stands in for `BatchV1Api` and `CoreV1Api`: keeps the jobs, and runs each to its end."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.failed: dict[str, int] = {}

    def create_namespaced_job(self, *, body: Any, namespace: str, **_: Any) -> None:
        spec = kubernetes.client.ApiClient().sanitize_for_serialization(body)
        self.jobs.append({**spec, "namespace": namespace})
        self.failed[spec["metadata"]["name"]] = self._run(spec)

    def read_namespaced_job_status(self, name: str, namespace: str) -> Any:
        return SimpleNamespace(status=SimpleNamespace(failed=self.failed[name], active=0))

    def _run(self, spec: dict[str, Any]) -> int:
        from dagster._cli import create_dagster_cli

        container = _container(spec)
        variables = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        # No GPU here: that the variable is set is looked at in the spec.
        variables.pop("CHIMERA_DEVICE", None)
        variables["DAGSTER_HOME"] = os.environ["DAGSTER_HOME"]
        arguments = container["args"][container["args"].index("api") :]
        with mock.patch.dict(os.environ, variables):
            return int(CliRunner().invoke(create_dagster_cli(), arguments).exit_code != 0)


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    (found,) = spec["spec"]["template"]["spec"]["containers"]
    return dict(found)


def _environment(spec: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in _container(spec)["env"] if "value" in one}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    monkeypatch.setattr(kubernetes.config, "load_kube_config", lambda *_, **__: None)
    monkeypatch.setattr(kubernetes.client, "BatchV1Api", lambda **_: found)
    monkeypatch.setattr(kubernetes.client, "CoreV1Api", lambda **_: found)
    return found


@pytest.fixture
def launched(tmp_path: Path, cluster: Cluster) -> Iterator[dg.DagsterInstance]:
    """An instance whose runs are launched on Kubernetes, as the chart configures it."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    launcher = {
        "module": "dagster_k8s",
        "class": "K8sRunLauncher",
        "config": {
            "service_account_name": "dagster",
            "instance_config_map": "dagster-instance",
            "dagster_home": "/opt/dagster/dagster_home",
            "job_namespace": "chimera",
            "load_incluster_config": False,
            "job_image": IMAGE,
            "env_vars": [f"CHIMERA_HOME={settings().root}"],
            "env_secrets": ["chimera-passphrase"],
        },
    }
    overrides = {"run_launcher": launcher}
    with (
        dg.instance_for_test(temp_dir=str(folder), overrides=overrides) as found,
        mock.patch.dict(os.environ, {"DAGSTER_HOME": str(folder)}),
    ):
        yield found


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a module with a job in it, which step processes import too."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    def make(job: str) -> Any:
        (tmp_path / "pods_of_a_test.py").write_text(JOBS.format(job=job))
        import pods_of_a_test

        return pods_of_a_test

    yield make
    sys.modules.pop("pods_of_a_test", None)


def _execute(instance: dg.DagsterInstance, job: Any) -> tuple[bool, dict[str, str]]:
    config = {"execution": {"config": {"load_incluster_config": False}}}
    with dg.execute_job(
        dg.reconstructable(job), instance=instance, run_config=config, raise_on_error=False
    ) as result:
        failures = {
            str(event.step_key): str(event.event_specific_data)
            for event in result.all_events
            if event.is_step_failure or event.is_failure
        }
        return result.success, failures


@pytest.fixture
def bell(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped document of one circuit and one function, on a cluster with GPUs."""
    monkeypatch.setenv("CHIMERA_KUBERNETES_GPU", "nvidia.com/gpu")
    settings.cache_clear()
    return Path(shutil.copy(ROOT / "data/documents/bell.maml.md", home / "documents"))


def _steps(job: dg.JobDefinition) -> dict[str, Any]:
    return {step.key: step for step in create_execution_plan(job).step_dict.values()}


def test_only_the_propagation_of_a_circuit_asks_for_a_gpu(bell, launched):
    """What a step's pod is made from are the tags of its op."""
    (plan,) = (found.plan for found in MamlProject().prepare().plans)
    job = build_definitions(inbox=False).resolve_job_def(plan.job_name)
    steps = _steps(job)
    assert [key for key, step in steps.items() if K8S_TAG in step.tags] == ["bell__bell.propagate"]
    assert steps["bell__bell.propagate"].tags["chimera/heads"] == "HEAD_1,HEAD_2"
    assert steps["bell__agreement.propagate"].tags["chimera/heads"] == "HEAD_3,HEAD_4"


def test_without_the_setting_no_pod_asks_for_anything(bell, monkeypatch):
    monkeypatch.delenv("CHIMERA_KUBERNETES_GPU")
    settings.cache_clear()
    (plan,) = (found.plan for found in MamlProject().prepare().plans)
    job = build_definitions(inbox=False).resolve_job_def(plan.job_name)
    assert not any(K8S_TAG in step.tags for step in _steps(job).values())


def test_a_translator_may_give_each_phase_its_pod(bell):
    class Large(ChimeraTranslator):
        def get_k8s_config(self, plan, kernel, phase):
            memory = "8Gi" if phase is Phase.EMBED else "1Gi"
            return {"container_config": {"resources": {"limits": {"memory": memory}}}}

    (plan,) = (found.plan for found in MamlProject().prepare().plans)
    job = build_definitions(inbox=False, translator=Large()).resolve_job_def(plan.job_name)
    steps = _steps(job)
    found = {
        key: dagster_k8s.job.get_user_defined_k8s_config(step.tags) for key, step in steps.items()
    }
    limits = {
        key: config.container_config["resources"]["limits"]["memory"]
        for key, config in found.items()
        if key != "bell__ledger"
    }
    assert limits["bell__agreement.embed"] == "8Gi"
    assert limits["bell__agreement.propagate"] == "1Gi"
    assert len(limits) == 10


def test_the_translator_of_the_documentation_works(bell):
    text = (ROOT / "docs/cluster.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "example"}
    exec(example, names)  # noqa: S102 - our own page
    (plan,) = (found.plan for found in MamlProject().prepare().plans)
    steps = _steps(names["defs"]().resolve_job_def(plan.job_name))
    assert {key for key, step in steps.items() if K8S_TAG in step.tags} == {
        "bell__bell.propagate",
        "bell__agreement.propagate",
    }


@pytest.mark.slow
def test_each_phase_is_a_pod_and_the_run_succeeds(bell, launched, cluster, module):
    (plan,) = (found.plan for found in MamlProject().prepare().plans)
    assert _execute(launched, module(plan.job_name).pods) == (True, {})
    assert bell.read_text().count("[TICKET]") == 2
    found = {_environment(job)["DAGSTER_RUN_STEP_KEY"]: job for job in cluster.jobs}
    steps = {f"bell__{kernel}.{phase}" for kernel in ("bell", "agreement") for phase in PHASES}
    assert set(found) == steps | {"bell__ledger"}
    assert len(cluster.jobs) == len(found)
    for key, job in found.items():
        container = _container(job)
        assert job["namespace"] == "chimera"
        assert job["metadata"]["labels"]["dagster/op"] == key
        assert job["spec"]["template"]["spec"]["serviceAccountName"] == "dagster"
        assert container["image"] == IMAGE
        assert container["args"] == ["dagster", "api", "execute_step"]
        assert container["envFrom"] == [{"secretRef": {"name": "chimera-passphrase"}}]
        assert _environment(job)["CHIMERA_HOME"] == str(settings().root)
    gpus = {key: job for key, job in found.items() if _container(job)["resources"]}
    assert list(gpus) == ["bell__bell.propagate"]
    propagation = gpus["bell__bell.propagate"]
    assert _container(propagation)["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert _environment(propagation)["CHIMERA_DEVICE"] == "gpu"
    assert propagation["spec"]["template"]["spec"]["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
