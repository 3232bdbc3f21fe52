"""Registers as safetensors: state vectors as tensors, the rest as JSON in the metadata.

Strategy: complex amplitudes are stored as pairs of floats, shape (2^n, 2). All metadata is one
canonical JSON text under one key, because safetensors writes several keys in random order and a
snapshot is content-addressed. Nothing here runs code on loading.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

from chimera_pipelines.digest import JSONValue, canonical
from chimera_pipelines.errors import CheckpointError, ChimeraError
from chimera_pipelines.heads import tensor_view
from chimera_pipelines.heads.register_bank import Content, EmbeddedRegister, PropagatedRegister
from chimera_pipelines.heads.tensor_view import TensorView
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.engines.protocol import Choice, Collapsed, Evolved, Held
from chimera_pipelines.quantum.form import Factor
from chimera_pipelines.quantum.measurement import Measurement
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.sampling import State

FORMAT = "chimera.register/1"
_KEY = "chimera"
_DTYPES = {"F64": (np.float64, np.complex128), "F32": (np.float32, np.complex64)}


def dump(content: Content) -> bytes:
    """A register as safetensors bytes; equal registers give equal bytes."""
    tensors: dict[str, Any] = {}
    if isinstance(content, EmbeddedRegister):
        body: dict[str, JSONValue] = {
            "method": content.method,
            "precision": content.precision,
            "noise": None if content.noise is None else content.noise.as_json(),
            "circuits": [_embedded_json(circuit) for circuit in content.circuits],
        }
    else:
        body = {
            "cuda_ns": content.cuda_ns,
            "circuits": [_held_json(item) for item in content.held],
        }
        for at, item in enumerate(content.held):
            if isinstance(item, Evolved):
                real = item.state.real.dtype
                tensors[f"state{at}"] = np.ascontiguousarray(item.state).view(real).reshape(-1, 2)
    head = {"format": FORMAT, "stage": content.stage, "is_list": content.is_list, **body}
    return bytes(save(tensors, metadata={_KEY: canonical(head).decode()}))


def load(data: bytes | memoryview) -> Content:
    """The register of a snapshot.

    Raises:
        CheckpointError: CHIM705 for bytes that are no snapshot of this format.
    """
    try:
        return _load(data)
    except (ChimeraError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(
            "CHIM705", f"not a register snapshot: {error}", hint="restore another checkpoint"
        ) from error


def _load(data: bytes | memoryview) -> Content:
    metadata, tensors = tensor_view.read(data)
    head = json.loads(metadata[_KEY])
    if head["format"] != FORMAT:
        raise ValueError(f"format {head['format']!r}, not {FORMAT!r}")
    if head["stage"] == "embedded":
        circuits = tuple(_embedded(item) for item in head["circuits"])
        method, precision = head["method"], head["precision"]
        noise = Noise.from_json(head.get("noise"))
        return EmbeddedRegister(circuits, bool(head["is_list"]), method, precision, noise)
    held = tuple(_held(item, tensors.get(f"state{at}")) for at, item in enumerate(head["circuits"]))
    return PropagatedRegister(held, bool(head["is_list"]), head["cuda_ns"])


def _embedded_json(circuit: Embedded) -> JSONValue:
    factors: list[JSONValue] = [
        {
            "qubits": list(factor.qubits),
            "amplitudes": [part for z in factor.amplitudes for part in (z.real, z.imag)],
        }
        for factor in circuit.factors
    ]
    return {"record": circuit.record.as_json(), "factors": factors}


def _embedded(item: Any) -> Embedded:
    factors = tuple(
        Factor(
            tuple(map(int, factor["qubits"])),
            tuple(map(complex, factor["amplitudes"][0::2], factor["amplitudes"][1::2])),
        )
        for factor in item["factors"]
    )
    return Embedded(CircuitRecord.from_json(item["record"]), factors)


def _held_json(item: Held) -> JSONValue:
    found: dict[str, JSONValue] = {"record": item.record.as_json()}
    if item.choice is not None:
        found["choice"] = item.choice.as_json()
    if isinstance(item, Evolved):
        return found | {"measured": [[b, q] for b, q in item.measured.items()]}
    return found | {"measurement": item.measurement.as_json()}


def _held(item: Any, tensor: TensorView | None) -> Held:
    record = CircuitRecord.from_json(item["record"])
    choice = Choice.from_json(item["choice"]) if "choice" in item else None
    if "measurement" in item:
        return Collapsed(record, Measurement.from_json(item["measurement"]), choice)
    if tensor is None:
        raise ValueError("a state vector is missing")
    dtypes: tuple[Any, Any] = _DTYPES[tensor.dtype]
    real, full = dtypes
    if tensor.shape != (1 << record.num_qubits, 2):
        raise ValueError(f"a state of shape {tensor.shape} for {record.num_qubits} qubits")
    state: State = np.frombuffer(tensor.data, dtype=real).view(full)
    norm = float(np.vdot(state, state).real)
    if not abs(norm - 1.0) < 1e-3:  # noqa: PLR2004
        raise ValueError(f"a state of norm² {norm}")
    return Evolved(record, {int(b): int(q) for b, q in item["measured"]}, state, choice)
