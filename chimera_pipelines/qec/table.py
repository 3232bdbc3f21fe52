"""Exact maximum-likelihood decoding by a table: for each syndrome the likelier observables.

The probabilities of all syndromes and observables together are the Walsh-Hadamard transform of a
product: an error of probability p that flips the bits of a mask m multiplies the coefficient of
every x with odd x·m by 1 − 2p. So the logarithms of the coefficients are a transform too, of the
sparse vector with log(1 − 2p) at m, and two transforms give everything in closed form. Three rounds
at distance 3 have 24 detectors of both bases, 2^25 probabilities, and leave 2 MiB of answers.

Probabilities carry a rounding error of about 1e-16: syndromes rarer than that may get either
answer, which costs at most 1e-8 of a logical error rate (2^24 syndromes).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import sinter
import stim

from chimera_pipelines.qec.decoders import Packed, packed_shots
from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.projection import Symptom, check_detectable, symptoms

MAX_BITS: Final = 26
"""Detectors and observables together: 512 MiB of probabilities while a table is built."""
MAGIC: Final = "chimera.qec-table/1"
_BLOCK: Final = 5
_CERTAIN: Final = -700.0  # log of nothing that a double can still be raised from
_CHUNK: Final = 1 << 16


class TableDecoder(sinter.Decoder):  # type: ignore[misc]
    """The best guess there is, for models of at most `MAX_BITS` detectors and observables.

    Args:
        cache: folder in which tables are kept by the content id of their model; None: none.
    """

    def __init__(self, *, cache: str | Path | None = None) -> None:
        self.cache = None if cache is None else Path(cache)

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledTable:
        """The table of the model: read from the cache, or built.

        Raises:
            DetectorModelError: CHIM792 for an undetectable error.
            DecodingError: CHIM793 when the model is too large.
        """
        check_detectable(dem)
        bits = dem.num_detectors + dem.num_observables
        if bits > MAX_BITS:
            raise DecodingError(
                "CHIM793",
                f"a table of {bits} detectors and observables would have 2^{bits} entries, more"
                f" than 2^{MAX_BITS}",
                hint="use 'pymatching', a smaller distance or fewer rounds",
            )
        found = symptoms(dem)
        name = content_id(found, dem.num_detectors, dem.num_observables)
        path = self.cache / f"{name}.table" if self.cache else None
        table = read_table(path, name) if path else None
        if table is None:
            table = build_table(found, dem.num_detectors, dem.num_observables)
            if path:
                write_table(path, name, table)
        return CompiledTable(table)


@dataclass(frozen=True, slots=True)
class Table:
    """Answers for every syndrome.

    Attributes:
        detectors: how many bits a syndrome has.
        planes: uint8[observables, 2^detectors / 8], one bit a syndrome, little end first.
        error: probability that an answer is wrong: no decoder has a smaller one.
    """

    detectors: int
    planes: Packed
    error: float


class CompiledTable(sinter.CompiledDecoder):  # type: ignore[misc]
    """A table that is looked up."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Packed) -> Packed:
        """Likelier observable flips, uint8[shots, ceil(observables / 8)].

        Raises:
            DecodingError: CHIM794 unless the data are uint8[shots, ceil(detectors / 8)].
        """
        shots = packed_shots(bit_packed_detection_event_data, self.table.detectors)
        out = np.zeros((len(shots), -(-len(self.table.planes) // 8)), np.uint8)
        for start in range(0, len(shots), _CHUNK):  # keys of a chunk stay in the core's cache
            part = shots[start : start + _CHUNK]
            key = np.zeros(len(part), np.uint32)
            for byte in range(part.shape[1]):
                key |= part[:, byte].astype(np.uint32) << np.uint32(8 * byte)
            place, bit = key >> 3, (key & 7).astype(np.uint8)
            for number, plane in enumerate(self.table.planes):
                answer = (plane[place] >> bit) & 1
                out[start : start + _CHUNK, number // 8] |= answer << np.uint8(number % 8)
        return out


def build_table(found: dict[Symptom, float], detectors: int, observables: int) -> Table:
    """The table of a model given by its symptoms."""
    chances = distribution(found, detectors, observables).reshape(1 << observables, -1)
    best, right = np.zeros(1 << detectors, np.uint32), chances[0].copy()
    for guess in range(1, len(chances)):
        likelier = chances[guess] > right
        best[likelier] = guess
        np.maximum(right, chances[guess], out=right)
    planes = np.zeros((observables, -(-(1 << detectors) // 8)), np.uint8)
    for number, plane in enumerate(planes):
        plane[:] = np.packbits((best >> np.uint32(number) & 1).astype(np.bool_), bitorder="little")
    return Table(detectors, planes, max(0.0, 1.0 - float(right.sum())))


def distribution(
    found: dict[Symptom, float], detectors: int, observables: int
) -> npt.NDArray[np.float64]:
    """Probability of every outcome, float64[2^(detectors + observables)].

    Bit d of an index is detector d, the bits above are the observables.
    """
    size, certain = 1 << (detectors + observables), 0
    logs = np.zeros(size)
    for (flipped, observed), chance in found.items():
        mask = sum(1 << d for d in flipped) | sum(1 << (detectors + o) for o in observed)
        if chance > 1 / 2:  # a certain flip, and its opposite with the rest
            certain, chance = certain ^ mask, 1 - chance  # noqa: PLW2901
        logs[mask] += max(_CERTAIN, float(np.log1p(-2 * chance))) if chance < 1 / 2 else _CERTAIN
    total = logs.sum()
    transformed = walsh_hadamard(logs)
    # Coefficient x: the logs of masks with odd x·m, which is half of sum less transform.
    np.subtract(total, transformed, out=transformed)
    transformed /= 2
    chances = walsh_hadamard(np.exp(transformed, out=transformed))
    chances /= size
    return chances[np.arange(size) ^ certain] if certain else chances


def walsh_hadamard(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The transform without a factor, float64[2^n]; a new array.

    A Hadamard matrix of up to 32 rows at a time, by matrix products: each takes the leading bits to
    the end, so after all of them the order is the old one.
    """
    left, out = len(values).bit_length() - 1, values
    while left:
        bits = min(_BLOCK, left)
        out = (out.reshape(1 << bits, -1).T @ _hadamard(bits)).reshape(-1)
        left -= bits
    return out.copy() if out is values else out


def _hadamard(bits: int) -> npt.NDArray[np.float64]:
    matrix = np.ones((1, 1))
    for _ in range(bits):
        matrix = np.kron(matrix, np.array([[1.0, 1.0], [1.0, -1.0]]))
    return matrix


def content_id(found: dict[Symptom, float], detectors: int, observables: int) -> str:
    """SHA-256 of a model's symptoms in their order: equal models, equal tables."""
    lines = [f"{MAGIC} {detectors} {observables}"]
    for (flipped, observed), chance in sorted(found.items()):
        lines.append(f"{float(chance).hex()} D{list(flipped)} L{list(observed)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_table(path: Path, name: str, table: Table) -> None:
    """Keeps a table: one line of JSON, then the bits; nothing half written is ever seen.

    Raises:
        DecodingError: CHIM793 when the folder cannot be written.
    """
    data = table.planes.tobytes()
    head = {
        "schema": MAGIC,
        "id": name,
        "detectors": table.detectors,
        "observables": len(table.planes),
        "error": table.error,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".table-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(head).encode() + b"\n" + data)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DecodingError(
            "CHIM793",
            f"table cannot be kept in '{path.parent}': {error.strerror}",
            hint="name another folder, or none",
        ) from error


def read_table(path: Path, name: str) -> Table | None:
    """A kept table, or None where there is none or what lies there is not what was written."""
    try:
        head, _, data = path.read_bytes().partition(b"\n")
        about = json.loads(head)
        if about["schema"] != MAGIC or about["id"] != name:
            return None
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            return None
        planes = np.frombuffer(data, np.uint8).reshape(about["observables"], -1)
        return Table(int(about["detectors"]), planes, float(about["error"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
