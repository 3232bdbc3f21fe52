"""From a click on Launch to a finished run: a document's job through a real web server and daemon.

    python -m benchmarks.executor_launch [--json] [--runs 5] [--only warm in_process]

`chimera dev` on a project with one document of one trivial kernel: five phases, and the ledger's
step. Its job is launched over GraphQL, as the UI does it, and asked for its status until it has
ended. Between the two lie the run queue (looked at twice a second), the run worker, and the steps:

    warm          four warm heads; the run worker is forked from their agent, too
    in_process    no heads (`CHIMERA_HEADS=in_process`): a run worker that imports everything

`queue_s`, `worker_s` and `steps_s` are Dagster's own times of the median run: launched to dequeued,
dequeued to started, started to ended. The first run, which fills caches, is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.documents import trivial

ROOT = Path(__file__).resolve().parent.parent
VARIANTS: Mapping[str, str] = {"warm": "processes", "in_process": "in_process"}
START_S, RUN_S = 180.0, 120.0
POLL_S = 0.02
REPOSITORIES = """{repositoriesOrError {... on RepositoryConnection {nodes {
    name location {name} jobs {name}}}}}"""
LAUNCH = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
STATUS = "query($i: ID!) {runOrError(runId: $i) {... on Run {status}}}"
TIMES = """query($i: ID!) {runOrError(runId: $i) {... on Run {stats {
    ... on RunStatsSnapshot {launchTime startTime endTime}}}}}"""
EVENTS = """query($i: ID!) {runOrError(runId: $i) {... on Run {eventConnection {events {
    ... on ErrorEvent {error {message}}}}}}}"""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class Server:
    """A web server under way, asked over GraphQL."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._process = process

    def ask(self, query: str, **variables: Any) -> Any:
        """The `data` of an answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own server, over HTTP
            self._url, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            found = json.load(answer)
        if found.get("errors"):
            raise RuntimeError(found["errors"][0]["message"])
        return found["data"]

    def until(self, what: str, seconds: float, look: Callable[[], Any]) -> Any:
        """What `look` finds once it finds something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if found := look():
                    return found
            except (OSError, RuntimeError):
                time.sleep(0.5)  # it is still starting
            time.sleep(POLL_S)
        raise RuntimeError(f"no {what} within {seconds:g} s")


@contextmanager
def dev(home: Path, heads: str) -> Iterator[Server]:
    """`chimera dev` on a project of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "CHIMERA_HOME": str(home),
        "DAGSTER_HOME": str(home),
        "CHIMERA_HEADS": heads,
        "PYTHONPATH": str(ROOT),
    }
    with (home / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("chimera"), "dev", "--port", str(port)],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Server(port, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def launched(server: Server, selector: Mapping[str, str]) -> dict[str, float]:
    """Launch the job once, and see it end."""
    config = {"resources": {"chimera": {"config": {"force": True}}}}
    clicked, began = time.time(), time.perf_counter()
    asked = server.ask(LAUNCH, p={"selector": selector, "runConfigData": config, "mode": "default"})
    run = asked["launchRun"]["run"]["runId"]

    def ended() -> str | None:
        status = str(server.ask(STATUS, i=run)["runOrError"]["status"])
        return status if status in ENDED else None

    status = server.until("end of the run", RUN_S, ended)
    seconds = time.perf_counter() - began
    if status != "SUCCESS":
        events = server.ask(EVENTS, i=run)["runOrError"]["eventConnection"]["events"]
        raise RuntimeError([one for one in events if "error" in one])
    found = server.ask(TIMES, i=run)["runOrError"]["stats"]
    return {
        "seconds": seconds,
        "queue_s": found["launchTime"] - clicked,
        "worker_s": found["startTime"] - found["launchTime"],
        "steps_s": found["endTime"] - found["startTime"],
    }


def measure(variant: str, runs: int) -> Mapping[str, object]:
    """One variant, in a project of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copy(ROOT / "dagster.yaml", home)
        (home / "documents").mkdir()
        (home / "documents" / "one.maml.md").write_text(trivial(1))
        with dev(home, VARIANTS[variant]) as server:

            def found() -> Any:
                nodes = server.ask(REPOSITORIES)["repositoriesOrError"]["nodes"]
                return [(n, j["name"]) for n in nodes for j in n["jobs"] if "maml" in j["name"]]

            ((node, job), *_) = server.until("code location", START_S, found)
            selector = {
                "repositoryName": node["name"],
                "repositoryLocationName": node["location"]["name"],
                "jobName": job,
            }
            taken = [launched(server, selector) for _ in range(runs + 1)][1:]
    middle = sorted(taken, key=lambda one: one["seconds"])[len(taken) // 2]
    seconds = [one["seconds"] for one in taken]
    return {
        "heads": variant,
        "runs": runs,
        "fastest_s": min(seconds),
        "median_s": statistics.median(seconds),
        "slowest_s": max(seconds),
        **{name: middle[name] for name in ("queue_s", "worker_s", "steps_s")},
        "load": report.load(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="the JSON object alone, no table")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=tuple(VARIANTS))
    options = parser.parse_args()
    rows = []
    for variant in options.only:
        report.progress(variant)
        rows.append(measure(variant, options.runs))
    report.publish("executor_launch", rows, packages=("dagster",), quiet=options.json)


if __name__ == "__main__":
    main()
