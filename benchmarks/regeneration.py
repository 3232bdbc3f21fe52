"""How long a run waits for a head that was killed: kill -9 to the resumed step, stage by stage.

    python -m benchmarks.regeneration [--mebibytes 32 1024] [--suites GCM SIV] [--tickets 10 1000]
    python -m benchmarks.regeneration --gpu [--mebibytes 8192] [--folder /dev/shm]

Without `--gpu`: `chimera run` of a circuit whose register has that size, on warm heads. The head
kills itself in phase 4, after the register was saved, and no other head may take the kernel, so
that its next process brings the register back from the ring, verifies its last 100 tickets, and
goes on. `kill_to_step_s` is taken by the clock of the machine from just before the signal to the
start of the phase in the new process; the stages are those of `chimera heads history`.

With `--gpu`: a head with a register on CUDA (`--device cpu` to try it without), and no run:
seconds from the signal until the register is on the device again, in the new process.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - so that no disk is measured
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # started as a file
    sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", action="store_true", help="a register on a device; see above")
    parser.add_argument("--device", default="cuda", help="with --gpu: where the register lies")
    parser.add_argument("--mebibytes", type=int, nargs="+", help="default: 32 1024; --gpu: 8192")
    parser.add_argument("--suites", nargs="+", choices=["GCM", "SIV"], default=["GCM", "SIV"])
    parser.add_argument("--tickets", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--folder", type=Path, default=MEMORY, help="where stores lie")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.gpu:
        from benchmarks import regeneration_device

        regeneration_device.main(
            options.mebibytes or [8192],
            options.suites,
            rounds=options.rounds,
            device=options.device,
            folder=options.folder,
        )
        return
    from benchmarks import regeneration_runs

    regeneration_runs.main(
        options.mebibytes or [32, 1024],
        options.suites,
        options.tickets,
        rounds=options.rounds,
        folder=options.folder,
    )


if __name__ == "__main__":
    main()
