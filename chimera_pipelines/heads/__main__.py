"""`python -m chimera_pipelines.heads DIRECTORY …`: the agent's process. Doors start it."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.agent import Agent, AgentOptions, report
from chimera_pipelines.heads.error_frames import error_json


def main(arguments: Sequence[str]) -> int:
    """Be an agent; the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s")
    logging.getLogger("chimera_pipelines").setLevel(logging.INFO)
    options = AgentOptions(
        given.directory,
        tuple(given.preload),
        dict(pair.split("=", 1) for pair in given.performer),
        given.device,
        given.memory,
        given.settings,
        tuple(given.start),
        given.owner,
    )
    try:
        agent = Agent(options)
    except ChimeraError as error:
        logging.getLogger(__name__).exception("the agent does not start")
        report(given.report, {"is": "error", "error": error_json(error)})
        return int(error.exit_code)
    report(given.report, {"is": "ready"})
    agent.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chimera_pipelines.heads")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--preload", action="append", default=[], metavar="MODULE")
    parser.add_argument("--performer", action="append", default=[], metavar="NAME=MODULE:CLASS")
    parser.add_argument("--start", action="append", default=[], metavar="HEAD")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--memory", type=int, metavar="BYTES")
    parser.add_argument("--settings", default="", metavar="DIGEST")
    parser.add_argument("--owner", type=int, metavar="PID")
    parser.add_argument("--report", type=int, metavar="DESCRIPTOR")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
