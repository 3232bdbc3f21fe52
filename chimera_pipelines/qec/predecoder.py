"""A neural pre-decoder in front of any decoder: it takes out the errors it is sure of.

An edge with a probability above the threshold is taken for an error: its detectors are put out and
its observables flipped, and the other decoder sees what is left. At 0.9 fewer defects are left and
the logical error rate stays; at 0.5 it pays (docs/qec.md). On a CPU the network costs more than it
saves; it is meant for a GPU in front of a CPU's matching.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import sinter
import stim
import torch
from torch import Tensor

from chimera_pipelines.qec.decoders import Packed, packed_shots
from chimera_pipelines.qec.decoders import decoder as decoder_named
from chimera_pipelines.qec.predecoder_grid import EdgeGrid, PredecoderError
from chimera_pipelines.qec.predecoder_network import GridInput, PredecoderWeights

_PIECE: Final = 2048


class PreDecoder(sinter.Decoder):  # type: ignore[misc]
    """The network, then another decoder.

    Args:
        weights: trained weights, or their file.
        inner: the other decoder, by name or as `sinter.Decoder`.
        threshold: probability above which an edge is taken for an error, 0.5 to 1.
        device: where the network runs, "cpu" or "cuda".

    Raises:
        PredecoderError: CHIM799 for weights that cannot be read, or another threshold.
        DecodingError: CHIM793 for an unknown decoder.
    """

    def __init__(
        self,
        *,
        weights: PredecoderWeights | Path | str,
        inner: Any = "pymatching",
        threshold: float = 0.9,
        device: str = "cpu",
    ) -> None:
        if not 1 / 2 <= threshold <= 1:
            raise PredecoderError(
                "CHIM799", f"threshold {threshold!r}", hint="a probability from 0.5 to 1"
            )
        if not isinstance(weights, PredecoderWeights):
            weights = PredecoderWeights.load(Path(weights))
        self.weights = weights
        self.inner = decoder_named(inner) if isinstance(inner, str) else inner
        self.threshold = threshold
        self.device = device

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledPreDecoder:
        """Both for the model, which is of one basis and has coordinates.

        Raises:
            PredecoderError: CHIM799 for a model that the network does not know.
            DetectorModelError: CHIM792; DecodingError: CHIM793, as the other decoder.
        """
        return CompiledPreDecoder(self, dem)


class CompiledPreDecoder(sinter.CompiledDecoder):  # type: ignore[misc]
    """The network and the other decoder for one model.

    Attributes:
        defects_in: defects that it was given so far.
        defects_left: those that the other decoder was given.
    """

    def __init__(self, settings: PreDecoder, model: stim.DetectorErrorModel) -> None:
        """See `PreDecoder.compile_decoder_for_dem`."""
        grid, device = EdgeGrid.of(model), settings.device
        self._inner = settings.inner.compile_decoder_for_dem(dem=model)
        self._view = GridInput(grid, settings.weights.kinds, device)
        self._network = settings.weights.network(device)
        # A logit is compared, not a probability: the same for every threshold but 1, which none is.
        share = settings.threshold
        self._logit = float(np.log(share / (1 - share))) if share < 1 else float("inf")
        self._ends = torch.from_numpy(grid.ends).to(device)
        self._flips = torch.from_numpy(grid.flips.astype(np.float32)).to(device)
        self._detectors, self._observables = model.num_detectors, model.num_observables
        self._device = device
        self.defects_in = self.defects_left = 0

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Packed) -> Packed:
        """Predicted observable flips, uint8[shots, ceil(observables / 8)].

        Raises:
            DecodingError: CHIM794 unless the data are uint8[shots, ceil(detectors / 8)].
        """
        shots = packed_shots(bit_packed_detection_event_data, self._detectors)
        out = np.zeros((len(shots), -(-self._observables // 8)), np.uint8)
        for start in range(0, len(shots), _PIECE):
            piece = shots[start : start + _PIECE]
            bits = np.unpackbits(piece, axis=1, count=self._detectors, bitorder="little")
            left, flips = self.take_out(torch.from_numpy(bits).to(self._device))
            rest = left.cpu().numpy()
            self.defects_in += int(bits.sum(dtype=np.int64))
            self.defects_left += int(rest.sum(dtype=np.int64))
            guess = self._inner.decode_shots_bit_packed(
                bit_packed_detection_event_data=np.packbits(rest, axis=1, bitorder="little")
            )
            known = np.packbits(flips.cpu().numpy(), axis=1, bitorder="little")
            out[start : start + _PIECE] = guess ^ known
        return out

    def take_out(self, bits: Tensor) -> tuple[Tensor, Tensor]:
        """The defects that are left, and the observables flipped, uint8[shots, …] each.

        Args:
            bits: uint8[shots, detectors], on the network's device.
        """
        with torch.inference_mode():
            logits = self._view.of_edges(self._network(self._view(bits)))
            sure = logits > self._logit
            toggled = torch.zeros(
                len(bits), self._detectors + 1, dtype=torch.int32, device=bits.device
            )
            for end in (0, 1):  # the last column is the boundary
                toggled.index_add_(1, self._ends[:, end], sure.to(torch.int32))
            left = bits ^ (toggled[:, : self._detectors] & 1).to(torch.uint8)
            flips = (sure.to(self._flips.dtype) @ self._flips).to(torch.int32) & 1
            return left, flips.to(torch.uint8)
