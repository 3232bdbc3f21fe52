"""Raw shots and a detector error model, from files or in memory, decoded into rows.

What the experiment was need not be known: the model says what the decoder has to, and a row names
the noise as its user does, or by the content id of the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stim

from chimera_pipelines.errors import Where
from chimera_pipelines.qec.decoders import Packed, decoder_with, packed_shots
from chimera_pipelines.qec.shots_files import Form, ShotsError, read_model, read_shots
from chimera_pipelines.qec.statistics import wilson


@dataclass(frozen=True, slots=True)
class ShotsRow:
    """Decoded shots counted.

    Attributes:
        noise: as the user names it, else the content id of the detector error model.
        decoder: name of the decoder.
        detectors: bits of a syndrome.
        observables: logical observables.
        shots: experiments.
        errors: those in which a predicted observable is wrong.
        logical: their share.
        low: lower end of its 95 per cent Wilson interval.
        high: upper end.
    """

    noise: str
    decoder: str
    detectors: int
    observables: int
    shots: int
    errors: int
    logical: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """The row as a document publishes it."""
        return asdict(self)


def decode_shots(
    model: stim.DetectorErrorModel,
    events: Packed,
    flips: Packed,
    *,
    using: str = "pymatching",
    options: Mapping[str, Any] | None = None,
    noise: str | None = None,
) -> ShotsRow:
    """Shots in memory, decoded and compared with what the observables did.

    Args:
        model: what the decoder is compiled for.
        events: uint8[shots, ceil(detectors / 8)].
        flips: uint8[shots, ceil(observables / 8)].
        using: name of the decoder.
        options: its options.
        noise: name of the noise, for the row.

    Raises:
        ShotsError: CHIM796 for as many shots on one side as on the other not, or none.
        DecodingError: CHIM793, CHIM794; DetectorModelError: CHIM792.
    """
    compiled = decoder_with(using, options).compile_decoder_for_dem(dem=model)
    return _counted(model, compiled, [(events, flips)], using, noise)


def decode_files(
    model: Path,
    events: Path,
    flips: Path | None = None,
    *,
    form: Form | None = None,
    using: str = "pymatching",
    options: Mapping[str, Any] | None = None,
    noise: str | None = None,
) -> ShotsRow:
    """Shots of files, decoded against the model of a file.

    Args:
        model: `.dem` file.
        events: detection events.
        flips: observable flips; None: they follow the detectors in each shot of `events`.
        form: of both files of shots; None: by their suffixes.
        using: name of the decoder.
        options: its options.
        noise: name of the noise, for the row.

    Raises:
        ShotsError: CHIM796 with the place, also when the two files hold different numbers of shots.
        DecodingError: CHIM793.
    """
    read = read_model(model)
    detectors, observables = read.num_detectors, read.num_observables
    compiled = decoder_with(using, options).compile_decoder_for_dem(dem=read)
    if flips is None:
        both = read_shots(events, detectors + observables, form=form)
        pairs = (_parted(piece, detectors, observables) for piece in both)
        return _counted(read, compiled, pairs, using, noise)
    one, other = read_shots(events, detectors, form=form), read_shots(flips, observables, form=form)
    return _counted(read, compiled, _aligned(one, other, flips), using, noise)


def model_id(model: stim.DetectorErrorModel) -> str:
    """Content id of a model's text: names noise that nobody has named."""
    return "dem sha256:" + hashlib.sha256(str(model).encode()).hexdigest()


def _counted(
    model: stim.DetectorErrorModel,
    compiled: Any,
    pairs: Any,
    using: str,
    noise: str | None,
) -> ShotsRow:
    if noise is not None and not isinstance(noise, str):
        raise ShotsError("CHIM796", f"noise {noise!r:.40} is no name", hint="text, or None")
    errors = shots = 0
    width = -(-model.num_observables // 8)
    for events, flips in pairs:
        seen = packed_shots(events, model.num_detectors)
        if flips.shape != (len(seen), width) or flips.dtype != np.uint8:
            raise ShotsError(
                "CHIM796",
                f"observables of {flips.dtype}{list(flips.shape)} for {len(seen)} shots of"
                f" {model.num_observables}",
                hint="one row of packed bits for each shot",
            )
        guess = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=seen)
        errors += int(np.count_nonzero((guess != flips).any(axis=1)))
        shots += len(seen)
    if not shots:
        raise ShotsError("CHIM796", "no shots", hint="give at least one")
    found = wilson(errors, shots)
    return ShotsRow(
        noise=noise or model_id(model),
        decoder=using,
        detectors=model.num_detectors,
        observables=model.num_observables,
        shots=shots,
        errors=errors,
        logical=found.rate,
        low=found.low,
        high=found.high,
    )


def _aligned(
    one: Iterator[Packed], other: Iterator[Packed], path: Path
) -> Iterator[tuple[Packed, Packed]]:
    """Pieces of two files cut to the same shots."""
    left, right = next(one, None), next(other, None)
    while left is not None and right is not None:
        size = min(len(left), len(right))
        yield left[:size], right[:size]
        left = left[size:] if size < len(left) else next(one, None)
        right = right[size:] if size < len(right) else next(other, None)
    if left is not None or right is not None:
        few, many = ("more", "fewer") if left is None else ("fewer", "more")
        raise ShotsError(
            "CHIM796",
            f"{few} shots of observables than of detectors",
            where=Where(str(path)),
            hint=f"the file of detectors has {many}: give files of one experiment",
        )


def _parted(both: Packed, detectors: int, observables: int) -> tuple[Packed, Packed]:
    bits = np.unpackbits(both, axis=1, count=detectors + observables, bitorder="little")
    events, flips = bits[:, :detectors], bits[:, detectors:]
    return (
        np.packbits(events, axis=1, bitorder="little"),
        np.packbits(flips, axis=1, bitorder="little"),
    )
