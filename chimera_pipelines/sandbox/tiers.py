"""The tiers, and which of them work on this machine.

Each tier is tried for what it is for: a worker is started in it and attempts to read a secret
file, to write one, to open a socket and to fork. A tier works when each attempt is refused for the
reason that the tier gives. `choose` tries the strongest first and no more than it needs; `expect`
has that done in the background, since most of it is another process that starts.
"""

from __future__ import annotations

import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from chimera_pipelines.errors import SandboxUnavailableError

if TYPE_CHECKING:
    from chimera_pipelines.digest import JSONValue


class Tier(StrEnum):
    """How a session is held, strongest first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class TierReport:
    """What came of trying a tier.

    Attributes:
        detail: the layers in force, or why it does not work.
        hint: how to improve it, None where there is nothing to do.
    """

    tier: Tier
    works: bool
    detail: str
    hint: str | None


_HINTS = {
    Tier.BUBBLEWRAP: "install the package 'bubblewrap' and allow user namespaces, or run as root",
    Tier.LANDLOCK: "needs Linux 5.13 or newer with Landlock among its security modules",
    Tier.PROCESS: "none",
}


def probe() -> tuple[TierReport, ...]:
    """A report for each tier, strongest first; each is really tried, once per process."""
    return tuple(_try(tier) for tier in Tier)


def choose(requested: str = "auto", *, trusted: bool = False) -> Tier:
    """The tier to use.

    Args:
        requested: a tier, or `auto` for the strongest that works.
        trusted: whether the document is one of this package's own examples, which may run in the
            process tier where nothing stronger works.

    Raises:
        SandboxUnavailableError: MAML906, nothing that is allowed works.
    """
    if requested == "auto":
        allowed = [Tier.BUBBLEWRAP, Tier.LANDLOCK, *([Tier.PROCESS] if trusted else [])]
    else:
        allowed = [Tier(requested)]
    failed: list[TierReport] = []
    for tier in allowed:
        report = _try(tier)
        if report.works:
            return tier
        failed.append(report)
    reasons = "; ".join(f"{report.tier}: {report.detail}" for report in failed)
    raise SandboxUnavailableError(
        "MAML906", f"no sandbox that is allowed here works: {reasons}", hint=failed[0].hint
    )


def expect(requested: str = "auto") -> threading.Thread:
    """Have the tiers that `choose` will need tried in the background; gives the thread."""
    # Imported here, so that the thread imports nothing while the caller does.
    import chimera_pipelines.sandbox.session  # noqa: F401

    def attempt() -> None:
        with suppress(SandboxUnavailableError):  # whoever needs one is told
            choose(requested)

    thread = threading.Thread(target=attempt, name="chimera-tiers")
    thread.start()
    return thread


_one_at_a_time = threading.Lock()


def _try(tier: Tier) -> TierReport:
    with _one_at_a_time:
        return _tried(tier)


@lru_cache(maxsize=len(Tier))
def _tried(tier: Tier) -> TierReport:
    from chimera_pipelines.sandbox.limits import Limits
    from chimera_pipelines.sandbox.outcomes import Returned
    from chimera_pipelines.sandbox.session import Session

    limits = Limits(wall_s=10, cpu_s=10, memory_bytes=256 * 1024**2, start_s=30)
    target = "chimera_pipelines.sandbox.selftest:attempt"
    with tempfile.TemporaryDirectory(prefix="chimera-probe-") as folder:
        secret = Path(folder, "secret")
        secret.write_text("secret")
        Path(folder).chmod(0o755)
        try:
            with Session(tier, limits) as session:
                outcome = session.invoke(target, {"secret": str(secret)}, timeout_s=10)
                layers = session.layers
        except SandboxUnavailableError as error:
            return TierReport(tier, works=False, detail=error.message, hint=_HINTS[tier])
    if not isinstance(outcome, Returned) or not isinstance(outcome.value, dict):
        return TierReport(tier, works=False, detail=f"self-test: {outcome}", hint=_HINTS[tier])
    return _judge(tier, outcome.value, layers)


def _judge(tier: Tier, attempts: dict[str, JSONValue], layers: str) -> TierReport:
    expected = {"read": {"ENOENT", "EACCES"}, "socket": {"EPERM"}, "fork": {"EAGAIN"}}
    expected["write"] = {"ENOENT", "EACCES", "EROFS"}
    through = sorted(name for name, reasons in expected.items() if attempts[name] not in reasons)
    if tier is not Tier.PROCESS:
        if through:
            detail = f"self-test got through: {', '.join(through)} ({layers})"
            return TierReport(tier, works=False, detail=detail, hint=_HINTS[tier])
        return TierReport(tier, works=True, detail=layers, hint=None)
    hint = "use it only for documents that you wrote yourself"
    detail = f"{layers}; not held: {', '.join(through) or 'nothing that was tried'}"
    return TierReport(tier, works=True, detail=detail, hint=hint)
