"""The pre-decoder's network: for each detector and kind of edge the probability of an error there.

A few three-dimensional convolutions over defects and over which edges exist. Trained on a model's
own errors, whose probabilities given the syndrome it approximates. Equal seeds give equal weights
on one machine and device with one number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import stim
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from chimera_pipelines.qec.predecoder_grid import EdgeGrid, Kind, PredecoderError

SCHEMA: Final = "chimera.qec-predecoder/1"
MAX_WIDTH: Final = 512
MAX_DEPTH: Final = 32


@dataclass(frozen=True, slots=True)
class PredecoderWeights:
    """A trained network.

    Attributes:
        kinds: kinds of edges that it knows, in the order of its channels.
        width: channels of its inner layers.
        depth: inner layers.
        state: its parameters, on the CPU.
        losses: mean loss of each tenth of the training.
    """

    kinds: tuple[Kind, ...]
    width: int
    depth: int
    state: dict[str, Tensor]
    losses: tuple[float, ...] = ()

    def save(self, path: Path) -> None:
        """Writes a safetensors file.

        Raises:
            PredecoderError: CHIM799 when it cannot be written.
        """
        about = {
            "schema": SCHEMA,
            "kinds": json.dumps(self.kinds),
            "width": str(self.width),
            "depth": str(self.depth),
            "losses": json.dumps(self.losses),
        }
        try:
            save_file(self.state, path, metadata=about)
        except (OSError, SafetensorError) as error:
            raise _unfit(path, str(error)) from error

    @classmethod
    def load(cls, path: Path) -> PredecoderWeights:
        """Reads what `save` wrote.

        Raises:
            PredecoderError: CHIM799 for anything else.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                if about.get("schema") != SCHEMA:
                    raise _unfit(path, f"schema {about.get('schema')!r}")
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            kinds = tuple(_read_kind(one) for one in json.loads(about["kinds"]))
            width, depth = int(about["width"]), int(about["depth"])
            losses = tuple(float(one) for one in json.loads(about["losses"]))
            if not 0 < width <= MAX_WIDTH or not 0 < depth <= MAX_DEPTH:
                raise _unfit(path, f"{depth} layers of {width} channels")
            found = cls(kinds, width, depth, state, losses)
            found.network("cpu")
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise _unfit(path, str(error)) from error
        return found

    def network(self, device: str) -> nn.Module:
        """The network with these weights, ready to be asked."""
        made = network(len(self.kinds), self.width, self.depth)
        made.load_state_dict(self.state)
        return made.to(device).eval()


class GridInput:
    """What the network sees of shots, and where its answers for edges stand.

    Args:
        grid: the graph.
        kinds: the network's channels; every kind of the graph must be among them.
        device: where the tensors live.

    Raises:
        PredecoderError: CHIM799 for a kind that the network does not know.
    """

    def __init__(self, grid: EdgeGrid, kinds: Sequence[Kind], device: str) -> None:
        unknown = [kind for kind in grid.kinds if kind not in kinds]
        if unknown:
            raise PredecoderError(
                "CHIM799",
                f"the network does not know edges of {unknown[0]} (time, y, x, number)",
                hint="train weights on this model, or on a larger code under the same noise",
            )
        channel = np.array([list(kinds).index(kind) for kind in grid.kinds], np.int64)
        volume = int(np.prod(grid.shape))
        places = channel[grid.kind_of] * volume + grid.anchors
        exist = torch.zeros(len(kinds) * volume)
        exist[torch.from_numpy(places)] = 1
        self._shape = grid.shape
        self._exist = exist.reshape(1, len(kinds), *grid.shape).to(device)
        self._sites = torch.from_numpy(grid.sites).to(device)
        self._places = torch.from_numpy(places).to(device)

    def __call__(self, bits: Tensor) -> Tensor:
        """float32[shots, 1 + kinds, time, y, x] of bits uint8[shots, detectors]."""
        shots = len(bits)
        seen = torch.zeros(shots, int(np.prod(self._shape)), device=bits.device)
        seen[:, self._sites] = bits.to(seen.dtype)
        defects = seen.reshape(shots, 1, *self._shape)
        return torch.cat([defects, self._exist.expand(shots, -1, -1, -1, -1)], dim=1)

    def of_edges(self, logits: Tensor) -> Tensor:
        """float32[shots, edges] of the network's answers."""
        return logits.flatten(1).index_select(1, self._places)


def network(kinds: int, width: int, depth: int) -> nn.Module:
    """Convolutions of 3 x 3 x 3, and one of a single site that gives the logits."""
    layers: list[nn.Module] = []
    channels = 1 + kinds
    for _ in range(depth):
        layers += [nn.Conv3d(channels, width, 3, padding=1), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Conv3d(channels, kinds, 1))


def train(
    model: stim.DetectorErrorModel,
    *,
    steps: int = 600,
    batch: int = 256,
    width: int = 16,
    depth: int = 3,
    rate: float = 1e-2,
    seed: int = 0,
    device: str = "cpu",
) -> PredecoderWeights:
    """Weights for the errors of a model of one basis; a higher error rate teaches faster.

    Raises:
        PredecoderError: CHIM799, DetectorModelError: CHIM792, as `EdgeGrid.of`; CHIM799 for sizes
            that are none.
    """
    if not (steps > 0 and batch > 0 and 0 < width <= MAX_WIDTH and 0 < depth <= MAX_DEPTH):
        raise PredecoderError(
            "CHIM799",
            f"{steps} steps of {batch} shots for {depth} layers of {width} channels",
            hint=f"at least one of each, {MAX_DEPTH} layers and {MAX_WIDTH} channels at most",
        )
    grid = EdgeGrid.of(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = network(len(grid.kinds), width, depth)
    _start_at_rates(net, grid)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        losses = _descend(net.to(device), grid, (steps, batch, rate), seed, device)
    state = {name: one.detach().cpu().contiguous() for name, one in net.state_dict().items()}
    return PredecoderWeights(grid.kinds, width, depth, state, losses)


def _start_at_rates(net: nn.Module, grid: EdgeGrid) -> None:
    """Sets the last layer's bias to how often each kind of edge errs: it need not be learned."""
    chances = np.array([one.args_copy()[0] for one in grid.model if one.type == "error"])
    counts = np.bincount(grid.kind_of, minlength=len(grid.kinds))
    mean = np.bincount(grid.kind_of, weights=chances, minlength=len(grid.kinds)) / counts
    mean = mean.clip(1e-9, 1 - 1e-9)
    last: Any = list(net.children())[-1]
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(np.log(mean / (1 - mean))))
        last.weight.mul_(0.1)


def _descend(
    net: nn.Module, grid: EdgeGrid, size: tuple[int, int, float], seed: int, device: str
) -> tuple[float, ...]:
    steps, batch, rate = size
    view = GridInput(grid, grid.kinds, device)
    sampler = grid.model.compile_sampler(seed=seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    loss_of, losses = nn.BCEWithLogitsLoss(), list[float]()
    for _ in range(steps):
        events, _, errors = sampler.sample(batch, return_errors=True)
        logits = view.of_edges(net(view(_tensor(events, device))))
        loss: Any = loss_of(logits, _tensor(errors, device).to(logits.dtype))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plan.step()
        losses.append(float(loss.detach()))
    return tuple(float(np.mean(part)) for part in np.array_split(losses, min(10, steps)))


def _tensor(bits: npt.NDArray[np.bool_], device: str) -> Tensor:
    return torch.from_numpy(bits.astype(np.uint8)).to(device)


def _read_kind(value: Any) -> Kind:
    time, y, x, number = (int(part) for part in value)
    return time, y, x, number


def _unfit(path: Path, why: str) -> PredecoderError:
    return PredecoderError(
        "CHIM799", f"weights '{path}': {why}", hint="a file of PredecoderWeights.save"
    )
