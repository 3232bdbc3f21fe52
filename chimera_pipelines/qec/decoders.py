"""Decoders by name. A decoder is a `sinter.Decoder`, so sinter and the library take the same ones.

Each is compiled for one detector error model and then decodes shots in batches, packed eight
detectors to a byte, least significant bit first, in and out. A model that flips an observable
without a symptom is refused (CHIM792), and so is one whose errors a decoder would leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pymatching
import sinter
import stim

from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.projection import check_detectable

Packed = npt.NDArray[np.uint8]
_EDGE = 2


class PyMatchingDecoder(sinter.Decoder):  # type: ignore[misc]
    """Exact minimum-weight perfect matching, the reference.

    Args:
        correlations: match twice, the second time with edges reweighted by what the first match
            says of the other basis. Wants both bases, decomposed. Below 0.3 % it is worse than
            plain matching at distance 3, and better from distance 5.
    """

    def __init__(self, *, correlations: bool = False) -> None:
        self.correlations = correlations

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledMatching:
        """A matching graph for the model.

        Raises:
            DetectorModelError: CHIM792 for an undetectable error.
            DecodingError: CHIM793 when a piece of an error has more than two detectors.
        """
        check_detectable(dem)
        _check_graph(dem)
        found = pymatching.Matching.from_detector_error_model(
            dem, enable_correlations=self.correlations
        )
        return CompiledMatching(found, dem, correlations=self.correlations)


class CompiledMatching(sinter.CompiledDecoder):  # type: ignore[misc]
    """PyMatching for one model."""

    def __init__(
        self, matching: pymatching.Matching, model: stim.DetectorErrorModel, *, correlations: bool
    ) -> None:
        self._matching = matching
        self._correlations = correlations
        self._detectors = model.num_detectors
        self._observables = model.num_observables

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Packed) -> Packed:
        """Predicted observable flips, uint8[shots, ceil(observables / 8)].

        Raises:
            DecodingError: CHIM794 unless the data are uint8[shots, ceil(detectors / 8)].
        """
        shots = packed_shots(bit_packed_detection_event_data, self._detectors)
        if not self._observables or not len(shots):
            return np.zeros((len(shots), -(-self._observables // 8)), np.uint8)
        found: Packed = self._matching.decode_batch(
            shots,
            bit_packed_shots=True,
            bit_packed_predictions=True,
            enable_correlations=self._correlations,
        )
        return found


@dataclass(frozen=True, slots=True)
class Registered:
    """A decoder that can be asked for by name.

    Attributes:
        make: builds it from its options.
        scope: whether a memory experiment gives it the held basis alone, or both, decomposed
            into edges (`full`) or not (`whole`).
    """

    make: Callable[..., Any]
    scope: Literal["basis", "full", "whole"]


def _table(**options: Any) -> Any:
    from chimera_pipelines.qec.table import TableDecoder

    return TableDecoder(**options)


def _window(**options: Any) -> Any:
    from chimera_pipelines.qec.windows import WindowDecoder

    return WindowDecoder(**options)


def _predecoder(**options: Any) -> Any:
    from chimera_pipelines.qec.predecoder import PreDecoder

    return PreDecoder(**options)


DECODERS: Final[dict[str, Registered]] = {
    "pymatching": Registered(PyMatchingDecoder, "basis"),
    "pymatching_correlated": Registered(lambda: PyMatchingDecoder(correlations=True), "full"),
    "table": Registered(_table, "whole"),
    "window": Registered(_window, "basis"),
    "predecoder": Registered(_predecoder, "basis"),
}


def registered(name: str) -> Registered:
    """The entry of a decoder's name.

    Raises:
        DecodingError: CHIM793 for an unknown name.
    """
    found = DECODERS.get(name) if isinstance(name, str) else None
    if found is None:
        raise DecodingError(
            "CHIM793", f"unknown decoder {name!r}", hint=f"one of {', '.join(DECODERS)}"
        )
    return found


def decoder(name: str, **options: Any) -> Any:
    """The `sinter.Decoder` of this name with its options.

    Raises:
        DecodingError: CHIM793 for an unknown name or an option that the decoder does not take.
    """
    try:
        return registered(name).make(**options)
    except TypeError as error:
        raise DecodingError(
            "CHIM793", f"decoder {name!r}: {error}", hint="docs/qec.md lists its options"
        ) from error


def decoder_with(name: str, options: Mapping[str, Any] | None) -> Any:
    """`decoder` with options that a stranger named.

    Raises:
        DecodingError: CHIM793 as `decoder`, or when the options are no mapping of names.
    """
    given = {} if options is None else options
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise DecodingError(
            "CHIM793",
            f"decoder {name!r}: options {given!r:.40} are no names and values",
            hint="docs/qec.md lists its options",
        )
    return decoder(name, **given)


def packed_shots(data: object, detectors: int) -> Packed:
    """Shots as they are, when they have the shape of a model with so many detectors.

    Raises:
        DecodingError: CHIM794 unless they are uint8[shots, ceil(detectors / 8)].
    """
    width = -(-detectors // 8)
    if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.shape[1:] == (width,):
        return data
    shape = (
        f"{data.dtype}{list(data.shape)}" if isinstance(data, np.ndarray) else type(data).__name__
    )
    raise DecodingError(
        "CHIM794",
        f"shots of shape {shape}, not uint8[shots, {width}] for {detectors} detectors",
        hint="pack shots with numpy.packbits(..., axis=1, bitorder='little')",
    )


def _check_graph(model: stim.DetectorErrorModel) -> None:
    """Refuses what PyMatching cannot weigh or would leave out: three detectors and more.

    A piece without detectors would flip an observable in every guess or in none.
    """
    for one in model.flattened():
        if one.type != "error" or one.args_copy()[0] == 0:
            continue
        if one.args_copy()[0] == 1:
            raise DecodingError(
                "CHIM793",
                f"'{one}' is certain and has no finite weight",
                hint="leave it out of the circuit, or use 'table'",
            )
        for piece in one.target_groups():
            seen = sum(target.is_relative_detector_id() for target in piece)
            if seen > _EDGE or (piece and not seen and len(one.target_groups()) > 1):
                raise DecodingError(
                    "CHIM793",
                    f"'{one}' is no edge of a matching graph",
                    hint="project the model on one basis, or decompose its errors",
                )
