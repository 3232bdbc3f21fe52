"""Kernels that only heads could run that will not come: how their error names what they waited for.

The same for `chimera run` and for Dagster's executor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.fleet_events import Death


def hopeless(
    kernel: str, heads: Sequence[str], lost: Mapping[str, Death]
) -> HeadUnavailableError | None:
    """Why no head will ever run a kernel; None while one may.

    Args:
        kernel: its name.
        heads: that may run it.
        lost: heads that were given up, and how (`Death.final`).

    Returns:
        CHIM714 when nobody answers for one of them, so that it may even live; else CHIM762.
    """
    if not heads or any(head not in lost for head in heads):
        return None
    said = "; ".join(f"{head}: {lost[head].reason}" for head in heads)
    if any(lost[head].code == "CHIM714" for head in heads):
        return HeadUnavailableError(
            "CHIM714",
            f"kernel '{kernel}' waits for heads that do not answer: {said}",
            hint="see 'chimera heads status'; 'chimera heads down' ends an agent that hangs",
        )
    return HeadUnavailableError(
        "CHIM762",
        f"no head that may run kernel '{kernel}' stays up: {said}",
        hint="see agent.log in the folder of the heads, and 'chimera heads status'",
    )
