"""Projection on a basis against stim's model of a circuit that has the other detectors removed."""

from __future__ import annotations

import pytest
import stim

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.errors import DetectorModelError, ExperimentError
from chimera_pipelines.qec.projection import (
    basis_detectors,
    check_detectable,
    one_basis,
    project,
    symptoms,
)


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("name", ["uniform", "sd6", "si1000", "phenomenological"])
def test_the_projection_is_what_stim_says_of_the_kept_detectors(name: str, basis: str) -> None:
    circuit = memory_circuit(5, 3, noise=name, physical=0.004, basis=basis)
    kept = basis_detectors(circuit)
    assert len(kept) == 12 * 4
    ours = project(circuit.detector_error_model(), kept)
    theirs = one_basis(circuit).detector_error_model()
    one, other = symptoms(ours), symptoms(theirs)
    assert one.keys() == other.keys()
    assert max(abs(one[k] - other[k]) for k in one) < 1e-12
    assert ours.num_detectors == len(kept)
    assert ours.num_observables == 1
    assert ours.get_detector_coordinates() == theirs.get_detector_coordinates()


def test_every_error_of_a_projection_is_an_edge() -> None:
    circuit = memory_circuit(5, 5, noise="sd6", physical=0.001)
    full = circuit.detector_error_model()
    assert max(len(detectors) for detectors, _ in symptoms(full)) > 2
    projected = project(full, basis_detectors(circuit))
    assert max(len(detectors) for detectors, _ in symptoms(projected)) == 2


def test_a_kept_detector_without_errors_keeps_its_number() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0 D2\ndetector D3\nlogical_observable L1")
    found = project(model, (2, 3))
    assert found.num_detectors == 2
    assert found.num_observables == 2
    assert symptoms(found) == {((0,), ()): 0.1}


def test_pieces_are_one_error_and_doubled_targets_cancel() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0 D1 ^ D1 D2 L0 ^ D3 L0")
    assert symptoms(model) == {((0, 2, 3), ()): 0.1}


def test_equal_symptoms_are_merged_as_independent_events() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0\nerror(0.2) D0")
    assert symptoms(model)[(0,), ()] == pytest.approx(0.1 * 0.8 + 0.2 * 0.9)


@pytest.mark.parametrize("text", ["error(0.125) L0", "error(0.125) D1 L0 ^ D1"])
def test_an_undetectable_logical_error_is_refused(text: str) -> None:
    model = stim.DetectorErrorModel(f"error(0.1) D0 D1\n{text}")
    with pytest.raises(DetectorModelError, match=r"error\(0.125\) L0 flips") as caught:
        check_detectable(model)
    assert caught.value.code == "CHIM792"
    with pytest.raises(DetectorModelError):
        project(model, (0, 1))


def test_an_error_that_only_the_other_basis_sees_is_refused_when_it_flips_the_observable() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D2 L0")
    check_detectable(model)
    with pytest.raises(DetectorModelError, match="L0"):
        project(model, (0, 1))


def test_errors_that_show_and_do_nothing_are_harmless() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0\nerror(0) L0")
    check_detectable(model)
    assert project(model, (0,)).num_detectors == 1


def test_unknown_detectors_and_missing_coordinates_are_refused() -> None:
    with pytest.raises(DetectorModelError, match="no detector 7 in a model of 1"):
        project(stim.DetectorErrorModel("error(0.1) D0"), (0, 7))
    with pytest.raises(ExperimentError, match="without coordinates"):
        basis_detectors(stim.Circuit("R 0\nM 0\nDETECTOR rec[-1]"))
