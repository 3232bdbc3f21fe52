"""Syndrome classifier: a multi-layer perceptron from detector bits to flips of logical observables.

A learning head in the plain sense: minibatches, AdamW, mixed precision by autocast on CUDA. First
weights and shuffles come from the seed alone, a checkpoint holds weights, optimiser and scaler
after each epoch, and a run that is resumed ends with the weights of one that was not interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from chimera_pipelines.digest import JSONValue, sha256
from chimera_pipelines.learning.bad_data import DATA, refused
from chimera_pipelines.learning.checkpoint import Keeping
from chimera_pipelines.learning.devices import autocast, device_of


@dataclass(frozen=True, slots=True)
class Training:
    """How a classifier is trained.

    Attributes:
        hidden: width of the hidden layers.
        depth: how many there are.
        epochs: passes over the data, in all.
        batch: rows a step.
        rate: of AdamW.
        seed: of weights and shuffles.
        precision: "float32"; "float16" and "bfloat16" by autocast on CUDA.
    """

    hidden: int = 128
    depth: int = 2
    epochs: int = 20
    batch: int = 256
    rate: float = 2e-3
    seed: int = 0
    precision: str = "float32"


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A trained network and its loss after each epoch."""

    network: nn.Module
    losses: tuple[float, ...]
    device: torch.device
    precision: str

    @torch.no_grad()
    def chances(self, detectors: Tensor) -> Tensor:
        """Chance that each observable flipped, float32 (rows, observables) on the CPU."""
        with autocast(self.device, self.precision):
            logits: Tensor = self.network(detectors.to(self.device))
        return logits.float().sigmoid().cpu()

    def flips(self, detectors: Tensor) -> Tensor:
        """Predicted flips, bool (rows, observables)."""
        return self.chances(detectors) > 0.5  # noqa: PLR2004 - the likelier of two


def network(inputs: int, outputs: int, training: Training) -> nn.Sequential:
    """Linear layers with GELU between them, weights from the seed."""
    generator = torch.Generator().manual_seed(training.seed)
    layers: list[nn.Module] = []
    for size in [training.hidden] * training.depth:
        layers += [_linear(inputs, size, generator), nn.GELU()]
        inputs = size
    return nn.Sequential(*layers, _linear(inputs, outputs, generator))


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    with torch.no_grad():
        for part in (layer.weight, layer.bias):
            part.copy_(torch.rand(part.shape, generator=generator) * 2 * bound - bound)
    return layer


class Trainer:
    """Training of one network on one set of syndromes.

    Args:
        detectors: float32 (rows, detectors) of 0 and 1.
        observables: float32 (rows, observables) of 0 and 1.
        training: how.
        device: "cpu", "cuda" or "auto".

    Raises:
        KernelError: MAML505, other numbers of rows.
        HeadUnavailableError: MAML905, half precision without CUDA.
    """

    def __init__(
        self, detectors: Tensor, observables: Tensor, training: Training, *, device: str = "auto"
    ) -> None:
        if len(detectors) != len(observables):
            message = f"{len(detectors)} rows of detectors, {len(observables)} of observables"
            raise refused(DATA, message)
        self.device = device_of(device)
        self.training = training
        self.losses: list[float] = []
        self._inputs, self._targets = detectors.to(self.device), observables.to(self.device)
        made = network(detectors.shape[1], observables.shape[1], training)
        self.network = made.to(self.device)
        self._optimiser = torch.optim.AdamW(self.network.parameters(), lr=training.rate)
        self._cast = autocast(self.device, training.precision)
        scaled = training.precision == "float16"
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)

    def problem(self) -> dict[str, JSONValue]:
        """What a checkpoint is of: data and options, but for the number of epochs."""
        options: dict[str, JSONValue] = asdict(self.training)
        del options["epochs"]
        data: list[JSONValue] = [
            sha256(part.cpu().numpy().tobytes()) for part in (self._inputs, self._targets)
        ]
        return {"kind": "syndrome", "data": data, **options}

    def epoch(self) -> float:
        """One pass over the data; gives its mean loss."""
        count = len(self._inputs)
        seed = _epoch_seed(self.training.seed, len(self.losses))
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(count, generator=generator).to(self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for first in range(0, count, self.training.batch):
            rows = order[first : first + self.training.batch]
            total += self.step(self._inputs[rows], self._targets[rows]).double() * len(rows)
        self.losses.append(float(total) / count)
        return self.losses[-1]

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One step of the optimiser; gives the loss before it."""
        self._optimiser.zero_grad(set_to_none=True)
        with self._cast:
            logits = self.network(inputs)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return loss.detach()

    def tensors(self) -> dict[str, Tensor]:
        """All that the next epoch depends on."""
        kept = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            for name, value in state.items():
                kept[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
        scaler = self._scaler.state_dict()
        numbers = [float(scaler[name]) for name in ("scale", "_growth_tracker") if name in scaler]
        kept["scaler"] = torch.tensor(numbers, dtype=torch.float64)
        kept["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        return kept

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        weights = {
            name.removeprefix("network."): value
            for name, value in tensors.items()
            if name.startswith("network.")
        }
        self.network.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, index, part = name.split(".")
                state.setdefault(int(index), {})[part] = value
        whole = self._optimiser.state_dict()
        self._optimiser.load_state_dict({**whole, "state": state})
        if tensors["scaler"].numel():
            scale, tracker = tensors["scaler"].tolist()
            held = self._scaler.state_dict()
            self._scaler.load_state_dict({**held, "scale": scale, "_growth_tracker": int(tracker)})
        self.losses = tensors["losses"].tolist()


def _epoch_seed(seed: int, epoch: int) -> int:
    """Seed of the shuffle of one epoch, 63 bits."""
    data = hashlib.sha256(f"{seed} epoch {epoch}".encode()).digest()
    return int.from_bytes(data[:8], "big") >> 1


def train(
    detectors: Tensor,
    observables: Tensor,
    training: Training | None = None,
    *,
    device: str = "auto",
    keeping: Keeping | None = None,
) -> Classifier:
    """A classifier of syndromes.

    Args:
        detectors: float32 (rows, detectors) of 0 and 1.
        observables: float32 (rows, observables) of 0 and 1.
        training: how.
        device: "cpu", "cuda" or "auto".
        keeping: store of the state, kept after each epoch and gone on from if there is one.

    Raises:
        KernelError: MAML505; HeadUnavailableError: MAML905.
        LearningCheckpointError: CHIM780, CHIM781.
    """
    training = training or Training()
    trainer = Trainer(detectors, observables, training, device=device)
    store = None if keeping is None else keeping(trainer.problem())
    kept = None if store is None else store.load()
    if kept is not None:
        trainer.restore(kept)
    while len(trainer.losses) < training.epochs:
        trainer.epoch()
        if store is not None:
            store.save(trainer.tensors())
    losses = tuple(trainer.losses)
    return Classifier(trainer.network, losses, trainer.device, training.precision)
