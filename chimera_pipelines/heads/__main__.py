"""`python -m chimera_pipelines.heads DIRECTORY …`: the agent's process. Doors start it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.agent import Agent, AgentOptions
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.recipe import SETTINGS_DIGEST
from chimera_pipelines.heads.tls import Tls, TlsFiles
from chimera_pipelines.settings import settings


def main(arguments: Sequence[str]) -> int:
    """Be an agent; the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s")
    logging.getLogger("chimera_pipelines").setLevel(logging.INFO)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))  # secret and keys stay out of core files
    options = AgentOptions(
        given.directory,
        tuple(given.preload),
        dict(pair.split("=", 1) for pair in given.performer),
        given.device,
        given.memory,
        os.environ.pop(SETTINGS_DIGEST, ""),
        tuple(given.start),
        given.owner,
        keeps_folder=given.keep_folder,
    )
    try:
        agent = Agent(_beyond(options, given))
    except ChimeraError as error:
        logging.getLogger(__name__).exception("the agent does not start")
        _report(given.report, {"is": "error", "error": error_json(error)})
        return int(error.exit_code)
    _report(given.report, {"is": "ready"})
    agent.run()
    return 0


def _report(descriptor: int | None, frame: Mapping[str, Any]) -> None:
    """Tell who started us how it went, once."""
    if descriptor is not None:
        with suppress(BrokenPipeError):
            os.write(descriptor, json.dumps(frame).encode())
        os.close(descriptor)


def _beyond(options: AgentOptions, given: argparse.Namespace) -> AgentOptions:
    """What goes beyond one machine: heads on TCP, a secret that others know, a cluster.

    Raises:
        SettingsError: CHIM750, there are no certificates for it.
    """
    if given.listen or given.cluster:
        gateway = settings().gateway
        tls = Tls.of_head(TlsFiles.wanted(settings()), gateway)
        options = replace(options, listen=given.listen, tls=tls, inherits=given.inherits)
    if given.secret is not None:
        options = replace(options, secret=bytes.fromhex(given.secret.read_text()))
    if given.cluster:
        from chimera_pipelines.heads.remote_keeper import Cluster

        cluster = Cluster(given.cluster, given.gpus, options.preload, options.settings)
        options = replace(options, keepers=cluster.keepers)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chimera_pipelines.heads")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--preload", action="append", default=[], metavar="MODULE")
    parser.add_argument("--performer", action="append", default=[], metavar="NAME=MODULE:CLASS")
    parser.add_argument("--start", action="append", default=[], metavar="HEAD")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--memory", type=int, metavar="BYTES")
    parser.add_argument("--owner", type=int, metavar="PID")
    parser.add_argument("--keep-folder", action="store_true")
    parser.add_argument("--report", type=int, metavar="DESCRIPTOR")
    parser.add_argument("--listen", metavar="tcp:HOST")
    parser.add_argument("--secret", type=Path, metavar="FILE")
    parser.add_argument("--inherits", type=float, metavar="SECONDS")
    parser.add_argument("--cluster", metavar="ADDRESS")
    parser.add_argument("--gpus", type=float, default=0.0, metavar="N")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
