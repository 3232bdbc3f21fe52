"""Decoder duty from blocks: the same rows as the library's own experiments, and refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from chimera_pipelines import blocks
from chimera_pipelines.blocks.faults import BlocksError
from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.experiment import memory_experiment
from chimera_pipelines.qec.projection import one_basis


def test_a_stream_counts_what_the_experiment_counts() -> None:
    given = {"physical": 0.01, "rounds": 9, "shots": 3000, "seed": 4}
    row = memory_experiment(
        distances=3, decoder="window", options={"commit": 3, "buffer": 3}, **given
    )[0]
    found = blocks.stream(distance=3, **given)
    assert found == {"rows": [row.as_json() | {"commit": 3, "buffer": 3}]}
    timed = blocks.stream(distance=3, timing=True, **given)
    assert timed["rows"] == found["rows"]
    assert timed["timing"][0]["rounds"] == 10


def test_shots_are_decoded_from_lists_and_bytes() -> None:
    circuit = one_basis(memory_circuit(3, 3, noise="uniform", physical=0.02))
    model = str(circuit.detector_error_model())
    sampler = circuit.compile_detector_sampler(seed=1)
    events, flips = sampler.sample(200, separate_observables=True)
    row = blocks.decode(model, events.astype(int).tolist(), flips.astype(int).tolist())
    assert (row["shots"], row["detectors"], row["observables"]) == (200, 16, 1)
    assert row["low"] <= row["logical"] <= row["high"]
    assert row["noise"].startswith("dem sha256:")
    sampler = circuit.compile_detector_sampler(seed=1)
    packed, seen = sampler.sample(200, separate_observables=True, bit_packed=True)
    assert blocks.decode(model, packed.tobytes(), seen.tobytes(), noise="x")["shots"] == 200


STRANGE: tuple[Any, ...] = (
    "3", b"x", True, math.nan, math.inf, -1, 10**400, -(10**400), [], {}, 1j, [[]], object(),
)  # fmt: skip


@pytest.mark.parametrize("wrong", STRANGE)
@pytest.mark.parametrize(
    "name",
    ["physical", "distance", "rounds", "noise", "basis", "commit", "buffer", "shots", "where"],
)
def test_every_argument_of_a_stream_is_refused_by_code(name: str, wrong: Any) -> None:
    with pytest.raises(BlocksError, match=r"^CHIM79[0-4]: .*  \[.*\]$"):
        blocks.stream(**{"physical": 0.01, "rounds": 3, "shots": 10} | {name: wrong})


@pytest.mark.parametrize("wrong", ["3", b"x", math.nan, 1.5, [], {}, 1j, None, object()])
def test_a_strange_seed_or_wish_for_timing_is_refused_too(wrong: Any) -> None:
    for name in ("seed", "timing"):
        with pytest.raises(BlocksError, match=r"^CHIM791: .*  \[.*\]$"):
            blocks.stream(**{"physical": 0.01, "rounds": 3, "shots": 10} | {name: wrong})


@pytest.mark.parametrize("wrong", [*STRANGE[2:8], 1j, object()])
@pytest.mark.parametrize("name", ["model", "events", "flips", "decoder", "options", "noise"])
def test_every_argument_of_decoding_is_refused_by_code(name: str, wrong: Any) -> None:
    given = {"model": "error(0.1) D0 L0", "events": [[1]], "flips": [[0]]}
    with pytest.raises(BlocksError, match=r"^CHIM79[3-6]: .*  \[.*\]$"):
        blocks.decode(**given | {name: wrong})


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: blocks.decode("error(2) D0", [[0]], [[0]]), "CHIM796"),
        (lambda: blocks.decode("error(0.1) L0", [[0]], [[0]]), "CHIM796"),
        (lambda: blocks.decode("error(0.1) D0 L0", [[0, 1]], [[0]]), "CHIM796"),
        (lambda: blocks.decode("error(0.1) D0 L0", [[0]], [[0]], decoder="no"), "CHIM793"),
        (lambda: blocks.decode(None, [[0]], [[0]]), "CHIM796"),
        (lambda: blocks.decode(b"error(0.1) D0", [[0]], [[0]]), "CHIM796"),
        (lambda: blocks.decode("error(0.1) D0 L0", [[0]], [[0]], options=3), "CHIM793"),
        (lambda: blocks.stream(physical=1.5), "CHIM790"),
        (lambda: blocks.stream(physical=0.01, distance=None), "CHIM791"),
        (lambda: blocks.stream(physical=0.01, commit=0, shots=1), "CHIM793"),
        (lambda: blocks.stream(physical=0.01, seed="a", shots=1), "CHIM791"),
        (lambda: blocks.stream(physical=0.01, distance=1), "CHIM791"),
        (lambda: blocks.stream(physical=0.01, shots=0), "CHIM791"),
        (lambda: blocks.stream(physical=0.01, where="moon", shots=1), "CHIM793"),
    ],
)
def test_refusals_begin_with_their_code(call: object, code: str) -> None:
    with pytest.raises(BlocksError, match=f"^{code}: "):
        call()  # type: ignore[operator]
