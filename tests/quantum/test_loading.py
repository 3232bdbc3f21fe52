from __future__ import annotations

import subprocess
import sys

import pytest

# Each step in a thread that ends before the next one begins, as kernels of successive runs do.
CIRCUITS = """
import threading

kept = {}

def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

def load():
    from chimera_pipelines.quantum.loading import load_qiskit
    load_qiskit()

def make():
    from qiskit import QuantumCircuit
    kept["circuit"] = QuantumCircuit(2, 2)
    kept["circuit"].h(0)

def use():
    for _ in range(100):
        kept["circuit"].copy()

for work in (load, make, use, use):
    in_a_thread(work)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("chimera_pipelines.quantum.loading", "load_qiskit()"),
        ("chimera_pipelines.heads.simulator", "open_engine('cpu')"),
    ],
)
def test_circuits_outlive_the_thread_that_loaded_qiskit(module, call):
    name = call.partition("(")[0]
    program = CIRCUITS.replace(
        "chimera_pipelines.quantum.loading import load_qiskit", f"{module} import {name}"
    )
    done = run(program.replace("load_qiskit()", call))
    assert done.returncode == 0, done.stderr
