"""The GPU as a head sees it: whether one can be used, its memory, and the time on it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.quantum.loading import load_qiskit


def cuda_memory() -> int:
    """Bytes of the first CUDA device.

    Raises:
        HeadUnavailableError: MAML905 when CUDA or a simulator for it cannot be used here. Aer's
            own list of devices says GPU on machines without one, so CUDA is asked too.
    """
    import torch

    if not torch.cuda.is_available():
        raise HeadUnavailableError(
            "MAML905",
            "'gpu' is asked for, but torch sees no CUDA device",
            hint="set CHIMERA_DEVICE=cpu, or install a driver and a CUDA build of torch",
        )
    if "GPU" not in _aer_devices():
        raise HeadUnavailableError(
            "MAML905",
            "'gpu' is asked for, but the installed simulator has no GPU support",
            hint="install the extra 'gpu' (qiskit-aer-gpu) instead of 'cpu'",
        )
    return int(torch.cuda.mem_get_info()[1])


def _aer_devices() -> tuple[str, ...]:
    try:
        load_qiskit()
        from qiskit_aer import AerSimulator
    except ImportError:
        return ()
    return tuple(AerSimulator().available_devices())


class CudaTimer:
    """Time between entry and exit by CUDA events; `nanoseconds` stays None without a GPU."""

    def __init__(self, *, enabled: bool) -> None:
        self.nanoseconds: int | None = None
        self._events: tuple[Any, Any] | None = None
        if enabled:
            import torch

            self._events = (
                torch.cuda.Event(enable_timing=True),  # type: ignore[no-untyped-call]
                torch.cuda.Event(enable_timing=True),  # type: ignore[no-untyped-call]
            )

    def __enter__(self) -> None:
        if self._events is not None:
            self._events[0].record()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._events is not None:
            start, end = self._events
            end.record()
            end.synchronize()
            self.nanoseconds = round(start.elapsed_time(end) * 1e6)
