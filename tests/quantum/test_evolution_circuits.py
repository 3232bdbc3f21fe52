from __future__ import annotations

import math

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.evolution import Piece, steps_for, suzuki_trotter
from chimera_pipelines.quantum.evolution_circuits import (
    Evolution,
    append,
    evolve_circuits,
    operations,
)
from chimera_pipelines.quantum.hamiltonian import PauliSum
from chimera_pipelines.quantum.operations import Operation, Register
from chimera_pipelines.quantum.record import CircuitRecord
from tests.quantum.dense import blank


def measured(width=2, *front):
    measurements = tuple(Operation("measure", (q,), (q,)) for q in range(width))
    return CircuitRecord(
        width,
        (Register("q", tuple(range(width))),),
        width,
        (Register("c", tuple(range(width))),),
        (*front, *measurements),
    )


def evolution(hamiltonian, time, **options):
    inputs = {"h": hamiltonian, "t": time}
    return Evolution.from_options({"hamiltonian": "h", "time": "t", **options}, inputs)


def test_it_acts_behind_the_circuit_and_before_its_measurements():
    circuit = measured(2, Operation("h", (0,)))
    (made,), several, report = evolve_circuits(
        [circuit], evolution({"ZZ": 1.0, "XI": 0.5}, 0.4), is_list=False
    )
    names = [step.name for step in made.operations]
    assert not several
    assert names[0] == "h"
    assert names[-2:] == ["measure", "measure"]
    assert set(names[1:-2]) == {"rzz", "rx"}
    assert report["order"] == 2
    assert 0 < report["bound"] <= 1e-3


def test_a_list_of_times_gives_a_list_of_circuits_of_one_structure():
    made, several, report = evolve_circuits(
        [measured()], evolution({"ZZ": 1.0, "XI": 0.5}, [0.0, 0.5, 1.0]), is_list=False
    )
    assert several
    shapes = {tuple((s.name, s.qubits) for s in circuit.operations) for circuit in made}
    assert len(made) == 3
    assert len(shapes) == 1
    assert report["steps"] == steps_for(
        [Piece(PauliSum.from_json({"ZZ": 1.0, "XI": 0.5}, 2), 1.0)], 1e-3, order=2
    )


def test_times_and_circuits_pair():
    made, _, _ = evolve_circuits(
        [measured(), measured()], evolution({"XI": 1.0}, [0.1, 0.2]), is_list=True
    )
    assert [m.operations[0].params for m in made] == [(0.2,), (0.4,)]
    made, _, _ = evolve_circuits(
        [measured(), measured()], evolution({"XI": 1.0}, 0.1), is_list=True
    )
    assert [m.operations[0].params for m in made] == [(0.2,), (0.2,)]


def test_a_list_of_hamiltonians_shares_the_time():
    pieces = evolution([{"X": 1.0}, {"Z": 1.0}], 1.0)
    (made,), _, _ = evolve_circuits([measured(1)], pieces, is_list=False)
    assert [(s.name, s.params) for s in made.operations[:2]] == [("rx", (1.0,)), ("rz", (1.0,))]


def refused(work) -> str:
    with pytest.raises(KernelError) as caught:
        work()
    assert caught.value.phase == "embed"
    return caught.value.code


BAD = {
    "complex": (lambda: evolved({"ZZ": {"re": 1.0, "im": 1.0}}, 1.0), "CHIM770"),
    "no hamiltonian": (lambda: evolved(None, 1.0), "CHIM770"),
    "empty list": (lambda: evolved([], 1.0), "CHIM770"),
    "width": (lambda: evolved({"ZZZ": 1.0}, 1.0), "CHIM770"),
    "infinite coefficient": (lambda: evolved({"ZZ": math.inf}, 1.0), "CHIM770"),
    "infinite time": (lambda: evolved({"ZZ": 1.0}, math.inf), "CHIM771"),
    "time beyond floats": (lambda: evolved({"ZZ": 1.0, "XI": 0.5}, 1e308), "CHIM771"),
    "angles beyond floats": (lambda: evolved({"ZZ": 1e10}, 1e308), "CHIM771"),
    "no time": (lambda: evolved({"ZZ": 1.0}, "soon"), "CHIM771"),
    "true as time": (lambda: evolved({"ZZ": 1.0}, True), "CHIM771"),
    "no times": (lambda: evolved({"ZZ": 1.0}, []), "CHIM771"),
    "nan among times": (lambda: evolved({"ZZ": 1.0}, [0.1, math.nan]), "CHIM771"),
    "tolerance 0": (lambda: evolved({"ZZ": 1.0}, 1.0, tolerance=0), "CHIM771"),
    "tolerance < 0": (lambda: evolved({"ZZ": 1.0}, 1.0, tolerance=-1e-3), "CHIM771"),
    "tolerance nan": (lambda: evolved({"ZZ": 1.0}, 1.0, tolerance=math.nan), "CHIM771"),
    "order 3": (lambda: evolved({"ZZ": 1.0}, 1.0, order=3), "CHIM771"),
    "steps beyond the limit": (
        lambda: evolved({"ZZ": 1.0, "XI": 1.0}, 1e6, order=1, tolerance=1e-9),
        "CHIM771",
    ),
    "operations beyond the limit": (
        lambda: evolved({"ZZ": 1.0, "XI": 1.0, "IX": 1.0}, 200.0, order=1, tolerance=0.9),
        "CHIM771",
    ),
    "3 times for 2 circuits": (
        lambda: evolve_circuits(
            [measured()] * 2, evolution({"ZZ": 1.0}, [1.0, 2.0, 3.0]), is_list=True
        ),
        "CHIM771",
    ),
    "reset": (
        lambda: evolved({"ZZ": 1.0}, 1.0, Operation("x", (0,)), Operation("reset", (0,))),
        "MAML319",
    ),
    "measured before": (
        lambda: evolved({"ZZ": 1.0}, 1.0, Operation("measure", (0,), (0,)), Operation("x", (0,))),
        "MAML319",
    ),
}


def evolved(hamiltonian, time, *front, **options):
    return evolve_circuits(
        [measured(2, *front)], evolution(hamiltonian, time, **options), is_list=False
    )


@pytest.mark.parametrize(("work", "code"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_evolved(work, code):
    assert refused(work) == code


def test_formulas_of_another_width_or_too_long_are_refused():
    pieces = [Piece(PauliSum.from_json({"X": 1.0, "Z": 1.0}, 1), 1.0)]
    formula = suzuki_trotter(pieces, order=2, steps=10)
    assert refused(lambda: append(blank(2), formula)) == "CHIM770"
    assert refused(lambda: operations(formula, 5)) == "CHIM771"
