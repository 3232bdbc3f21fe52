"""Memory circuits: what they must be whatever the noise, and what is refused."""

from __future__ import annotations

import pytest

from chimera_pipelines.qec.circuits import clean_memory, memory_circuit, six_layers
from chimera_pipelines.qec.errors import ExperimentError
from chimera_pipelines.qec.noise import MODELS


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_shortest_logical_error_is_the_distance(name: str, basis: str) -> None:
    for distance in (3, 5):
        rounds = 1 if MODELS[name].single_round else distance
        circuit = memory_circuit(distance, rounds, noise=name, physical=0.001, basis=basis)
        assert len(circuit.shortest_graphlike_error()) == distance


@pytest.mark.parametrize("basis", ["x", "z"])
def test_six_layers_measure_the_same_detectors(basis: str) -> None:
    clean = clean_memory(3, 4, basis=basis)
    six = six_layers(clean)
    assert six.num_detectors == clean.num_detectors
    assert six.get_detector_coordinates() == clean.get_detector_coordinates()
    assert six.num_ticks == 6 * 4
    assert six.count_determined_measurements() == clean.count_determined_measurements()
    events, flips = six.compile_detector_sampler(seed=1).sample(64, separate_observables=True)
    assert not events.any()
    assert not flips.any()


@pytest.mark.parametrize("distance", [-3, 0, 1, 100, 3.0, True, "3", None])
def test_a_wrong_distance_is_refused(distance: int) -> None:
    with pytest.raises(ExperimentError, match="distance") as caught:
        memory_circuit(distance, 1, noise="uniform", physical=0.001)
    assert caught.value.code == "CHIM791"


@pytest.mark.parametrize("rounds", [-1, 0, 100_001, 1.0, False])
def test_wrong_rounds_are_refused(rounds: int) -> None:
    with pytest.raises(ExperimentError, match="rounds"):
        memory_circuit(3, rounds, noise="uniform", physical=0.001)


def test_a_wrong_basis_and_rounds_without_syndrome_errors_are_refused() -> None:
    with pytest.raises(ExperimentError, match="basis 'y'"):
        memory_circuit(3, 1, noise="uniform", physical=0.001, basis="y")
    with pytest.raises(ExperimentError, match="one round, not 3"):
        memory_circuit(3, 3, noise="code_capacity", physical=0.001)
