"""Heads on two machines of a Ray cluster, one of which dies in the middle of a run.

The machines are two raylets here. What a machine runs are the descendants of its raylet; it dies by
SIGKILL to all of them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chimera_pipelines.heads import certificates
from chimera_pipelines.settings import HEAD_IDS, settings

cluster_utils = pytest.importorskip("ray.cluster_utils")

CHIMERA = str(Path(sys.executable).with_name("chimera"))
WAIT_S = 120
MACHINE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
QUICK = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}

DOCUMENT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b99
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
requires: {resources: [qiskit]}
permissions: {execute: ["gateway://local/default"]}
---
## Intent

Two kernels of each kind side by side, some seconds each, and one that adds them up.

## Dependencies

```yaml
defaults: {seed: 5, timeout: 300}
kernels:
  left: {head: [HEAD_3], inputs: {start: 1}}
  right: {head: [HEAD_4], inputs: {start: 2}}
  spins: {head: [qiskit], shots: 1000}
  chain: {head: [qiskit], shots: 1000}
  sum: {inputs: {a: $left.x, b: $right.x, c: $spins.counts, d: $chain.counts}}
```

## Code_Blocks

```python {#left}
import numpy as np


def run(start, seed):
    a = np.random.default_rng(seed + start).normal(size=(200, 200)) / 20
    for _ in range(2500):
        a = np.tanh(a @ a.T * 0.05 + a * 0.3)
    return {"x": round(float(np.abs(a).sum()), 6)}
```

```python {#right}
import numpy as np


def run(start, seed):
    a = np.random.default_rng(seed + start).normal(size=(200, 200)) / 20
    for _ in range(2500):
        a = np.tanh(a @ a.T * 0.05 + a * 0.3)
    return {"x": round(float(np.abs(a).sum()), 6)}
```

```qiskit {#spins}
from qiskit import QuantumCircuit


def circuit():
    qc = QuantumCircuit(18)
    for layer in range(30):
        for q in range(18):
            qc.ry(0.1 * (q + layer + 1), q)
        for q in range(17):
            qc.cx(q, q + 1)
    qc.measure_all()
    return qc
```

```qiskit {#chain}
from qiskit import QuantumCircuit


def circuit():
    qc = QuantumCircuit(18)
    for layer in range(30):
        for q in range(18):
            qc.rx(0.2 * (q + layer + 1), q)
        for q in range(17):
            qc.cx(q, q + 1)
    qc.measure_all()
    return qc
```

```python {#sum}
def run(a, b, c, d):
    return {"sum": a + b, "shots": sum(c.values()) + sum(d.values())}
```
"""


class Machines:
    """Two machines of a cluster; the second may die, the first holds what Ray knows."""

    def __init__(self) -> None:
        self._cluster = cluster_utils.Cluster(
            initialize_head=True, head_node_args={**MACHINE, "_system_config": QUICK}
        )
        self._second = self._cluster.add_node(**MACHINE)
        self.address = str(self._cluster.address)

    def of_second(self) -> list[psutil.Process]:
        """The second machine: its raylet and all that runs there."""
        (raylet,) = self._second.all_processes["raylet"]
        found = psutil.Process(raylet.process.pid)
        return [found, *found.children(recursive=True)]

    def kill_second(self) -> None:
        """Pull its plug."""
        for process in self.of_second():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue

    def close(self) -> None:
        """End the cluster."""
        self._cluster.shutdown()


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found = Machines()
    yield found
    found.close()


@pytest.fixture
def clustered(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`CHIMERA_HOME` with certificates, which both machines use."""
    certificates.init(home / "tls", ["node"], gateway=settings().gateway, heads=HEAD_IDS)
    monkeypatch.setenv("CHIMERA_TLS_CERTIFICATE", str(home / "tls/node.pem"))
    monkeypatch.setenv("CHIMERA_TLS_KEY", str(home / "tls/node.key"))
    monkeypatch.setenv("CHIMERA_TLS_AUTHORITY", str(home / "tls/authority.pem"))
    return home


def _until(what: str, found: Callable[[], object]) -> object:
    end = time.monotonic() + WAIT_S
    while not (value := found()):
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)
    return value


def _run(folder: Path, name: str) -> subprocess.Popen[str]:
    document = folder / f"{name}.maml.md"
    document.write_text(DOCUMENT)
    command = [CHIMERA, "run", str(document), "--json", "--force"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _outputs(run: subprocess.Popen[str]) -> dict[str, str]:
    out, err = run.communicate(timeout=WAIT_S)
    assert run.returncode == 0, err
    return {kernel["name"]: kernel["output_digest"] for kernel in json.loads(out)["kernels"]}


def _ours(home: Path) -> list[str]:
    """Processes of ours that know this home; those of Ray were started with it too."""
    found = []
    for process in psutil.process_iter():
        try:
            line, environment = " ".join(process.cmdline()), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        ours = "chimera_pipelines" in line or "ray::NodeAgent" in line
        if ours and environment.get("CHIMERA_HOME") == str(home) and process.pid != os.getpid():
            found.append(f"{process.pid} {line}")
    return found


@pytest.mark.slow
def test_a_machine_that_dies_in_a_run_costs_only_time(machines, clustered, chimera, tmp_path):
    up = chimera("heads", "up", "--cluster", machines.address, "--json")
    assert up.code == 0, up.err
    try:
        state = json.loads((clustered / "heads/state.json").read_text())
        assert all(entry["address"].startswith("tcp:") for entry in state["heads"].values())
        calm = _outputs(_run(tmp_path, "calm"))
        run = _run(tmp_path, "struck")
        here = {process.pid for process in machines.of_second()}

        def busy() -> list[dict[str, object]]:
            rows = chimera("heads", "status", "--json").json["heads"]
            return [row for row in rows if row["pid"] in here and row["step"]]

        struck = _until("a busy head on the second machine", busy)
        assert run.poll() is None
        machines.kill_second()
        assert _outputs(run) == calm
        verified = chimera("verify", tmp_path / "struck.maml.md", "--json")
        assert (verified.code, verified.json["files"][0]["tickets"]) == (0, 5)

        def back() -> bool:
            rows = chimera("heads", "status", "--json").json["heads"]
            return all(row["pid"] and row["state"] in ("idle", "busy") for row in rows)

        _until("all heads on the first machine", back)
        rows = {row["head"]: row for row in chimera("heads", "status", "--json").json["heads"]}
        assert sorted(row["incarnation"] for row in rows.values()) == [1, 1, 2, 2]
        for old in struck:
            assert rows[old["head"]]["incarnation"] == 2
        assert not {row["pid"] for row in rows.values()} & here
    finally:
        down = chimera("heads", "down")
    assert down.code == 0, down.err
    assert not (clustered / "heads/nodes").exists()
    _until("the end of all processes", lambda: not _ours(clustered))


def test_no_cluster_is_said(clustered, chimera):
    found = chimera("heads", "up", "--cluster", "127.0.0.1:1")
    assert (found.code, "CHIM757" in found.err) == (6, True)
    _until("the end of all processes", lambda: not _ours(clustered))


def test_a_cluster_without_certificates_is_refused(home, chimera):
    found = chimera("heads", "up", "--cluster", "127.0.0.1:1")
    assert (found.code, "CHIM750" in found.err) == (2, True)
