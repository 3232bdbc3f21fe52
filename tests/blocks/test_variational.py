from __future__ import annotations

import json

import pytest

from chimera_pipelines import blocks
from chimera_pipelines.blocks.faults import BlocksError

ISING = {"ZZI": -1.0, "IZZ": -1.0, "XII": -0.7, "IXI": -0.7, "IIX": -0.7}


def state_of(hamiltonian):
    return blocks.vqe(hamiltonian, iterations=2)["state"]


def test_vqe_gives_plain_values_and_goes_on_from_its_state():
    whole = blocks.vqe(ISING, iterations=9, seed=2)
    part = json.loads(json.dumps(blocks.vqe(ISING, iterations=4, seed=2)))
    again = blocks.vqe(ISING, iterations=9, seed=2, resume=part["state"])
    assert json.loads(json.dumps(whole)) == whole
    assert again["parameters"] == whole["parameters"]
    assert again["losses"] == whole["losses"]
    assert whole["iterations"] == 9
    given = blocks.energy(ISING, whole["parameters"])
    assert given["energy"] == pytest.approx(whole["energy"], abs=1e-12)
    assert len(given["gradient"]) == len(whole["parameters"])


def test_energies_and_gradients_of_shots_are_near_the_exact_ones():
    angles = [0.3 * i - 1.0 for i in range(12)]
    exact = blocks.energy(ISING, angles, layers=1)
    found = blocks.energy(ISING, angles, layers=1, shots=20_000, seed=4)
    assert json.loads(json.dumps(found)) == found
    assert 0.0 < found["error"] < 0.02
    assert abs(found["energy"] - exact["energy"]) < 6 * found["error"]
    # half the difference of two energies, each with at most sqrt(5 * 1.0 / 20,000) of error
    assert found["gradient"] == pytest.approx(exact["gradient"], abs=6 * 0.016 / 2**0.5)
    again = blocks.energy(ISING, angles, layers=1, shots=20_000, seed=4)
    assert again == found


def test_qaoa_finds_the_cut_of_a_ring():
    cost = blocks.maxcut([[0, 1], [1, 2], [2, 3], [3, 0]], 4)
    found = blocks.qaoa(cost, iterations=30)
    assert found["bits"] in {"0101", "1010"}
    assert found["cost"] == pytest.approx(-4.0)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: blocks.vqe({"ZZ": 1j}), "MAML904"),
        (lambda: blocks.vqe({"ZZ": 1.0, "Z": 1.0}), "MAML904"),
        (lambda: blocks.vqe({"ZA": 1.0}), "MAML904"),
        (lambda: blocks.vqe({}), "MAML904"),
        (lambda: blocks.vqe([1.0]), "MAML904"),
        (lambda: blocks.vqe({"ZZ": float("nan")}), "MAML904"),
        (lambda: blocks.vqe({1: 1.0}), "MAML904"),
        (lambda: blocks.vqe({"ZZ": 10**400}), "MAML904"),
        (lambda: blocks.vqe({"ZZ": 1e308, "XX": 1e308}), "MAML904"),
        (lambda: blocks.vqe({"": 1.0}), "MAML505"),
        (lambda: blocks.vqe({"Z" * 38: 1.0}), "MAML505"),
        (lambda: blocks.vqe({"ZZ": 1.0}, iterations=-1), "MAML505"),
        (lambda: blocks.vqe({"ZZ": 1.0}, rate=float("nan")), "MAML505"),
        (lambda: blocks.vqe({"ZZ": 1.0}, tolerance=float("nan")), "MAML505"),
        (lambda: blocks.vqe({"ZZ": 1.0}, layers=1.5), "MAML505"),
        (lambda: blocks.vqe({"ZZ": 1.0}, resume={}), "MAML505"),
        (lambda: blocks.vqe({"XX": -5.0}, resume=state_of({"ZZ": 1.0})), "CHIM780"),
        (lambda: blocks.vqe({"ZZ": 1.0}, rate=0.2, resume=state_of({"ZZ": 1.0})), "CHIM780"),
        (lambda: blocks.qaoa({"ZZ": 1.0}, layers=6, resume=state_of({"ZZ": 1.0})), "CHIM780"),
        (lambda: blocks.vqe({"ZZ": 1.0}, precision="half"), "MAML413"),
        (lambda: blocks.vqe({"ZZ": 1.0}, device="tpu"), "MAML905"),
        (lambda: blocks.energy({"ZZ": 1.0}, [0.0, 1.0]), "MAML505"),
        (lambda: blocks.energy({"ZZ": 1.0}, [float("inf")] * 12), "MAML505"),
        (lambda: blocks.qaoa({"XZ": 1.0}), "MAML904"),
        (lambda: blocks.qaoa({"ZZ": 1.0}, shots=0), "MAML505"),
        (lambda: blocks.energy({"Z": 1.0}, [0.0] * 6, shots=0), "MAML505"),
        (lambda: blocks.maxcut([[0, 9]], 3), "MAML505"),
        (lambda: blocks.maxcut([[0, 1]], 1), "MAML505"),
        (lambda: blocks.maxcut([[0, 1, 10**400]], 2), "MAML505"),
    ],
)
def test_bad_arguments_are_coded(call, code):
    with pytest.raises(BlocksError, match=f"^{code}: "):
        call()
