"""Debian's Prometheus scrapes a real `chimera metrics` while a document runs."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines import __version__
from chimera_pipelines.phase import PHASES
from chimera_pipelines.scheduling.uptime import PrometheusHealth

ROOT = Path(__file__).resolve().parents[2]
BELL = ROOT / "data/documents/bell.maml.md"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
CHIMERA = [sys.executable, "-c", "from chimera_pipelines.cli.main import run; run()"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PROMETHEUS is None or PROMTOOL is None, reason="no prometheus: apt-get install prometheus"
    ),
]


def wait(what: str, ask: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = ask()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {what} in {seconds} s")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def end(process: "subprocess.Popen[Any]") -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("CHIMERA_", "DAGSTER"))}
    return {**plain, "CHIMERA_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}


@pytest.fixture
def served(tmp_path: Path, environment: dict[str, str]) -> Iterator[str]:
    """The URL of a running `chimera metrics`; it must end well."""
    with (tmp_path / "metrics.log").open("wb") as log:
        process = subprocess.Popen(
            [*CHIMERA, "metrics", "--port", "0", "--json"],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["schema"] == "chimera.metrics/1"
        yield said["url"]
    finally:
        code = end(process)
    assert code == 0, (tmp_path / "metrics.log").read_text()


@pytest.fixture
def prometheus(tmp_path: Path, served: str) -> Iterator[str]:
    """The URL of a Prometheus that scrapes `served` each half second."""
    config = tmp_path / "prometheus.yml"
    target = urllib.parse.urlsplit(served).netloc
    config.write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        f"scrape_configs: [{{job_name: chimera, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(PROMETHEUS),
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )

    try:
        wait("Prometheus", lambda: fetch(f"http://{address}/-/ready")[0] == 200)
        yield f"http://{address}"
    finally:
        end(process)


@pytest.fixture
def ask(prometheus: str) -> Callable[[str], dict[str, float]]:
    """Ask Prometheus; values by labels."""

    def query(text: str) -> dict[str, float]:
        status, body = fetch(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': text})}")
        assert status == 200, body
        return {
            ",".join(
                f"{k}={v}"
                for k, v in sorted(one["metric"].items())
                if k not in {"__name__", "instance", "job"}
            ): float(one["value"][1])
            for one in json.loads(body)["data"]["result"]
        }

    return query


def test_a_run_is_seen_by_prometheus(
    tmp_path: Path,
    environment: dict[str, str],
    served: str,
    prometheus: str,
    ask: Callable[[str], dict[str, float]],
) -> None:
    status, body = fetch(served)
    assert (status, body[:8]) == (503, "CHIM241 ")
    assert not (tmp_path / "home").exists()
    wait("failed scrape", lambda: ask("up") == {"": 0.0})
    document = Path(shutil.copy(BELL, tmp_path))
    subprocess.run(
        [*CHIMERA, "run", document, "--quiet"],
        env=environment,
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wait("counted run", lambda: ask("sum(chimera_blocks_total)") == {"": 2.0})
    assert ask("chimera_blocks_total > 0") == {
        "kind=ai,outcome=ok": 1,
        "kind=quantum,outcome=ok": 1,
    }
    assert ask("up") == {"": 1.0}
    assert ask("chimera_phase_duration_seconds_count") == {
        f"kind={kind},outcome=ok,phase={phase}": 1.0
        for kind in ("ai", "quantum")
        for phase in PHASES
    }
    assert ask("sum(chimera_phase_duration_seconds_sum)")[""] > 0
    assert ask('chimera_checkpoint_bytes_total{operation="store"} > 0')
    assert ask("chimera_ledger_entries_total")[""] > 3
    assert ask("chimera_head_up") == {f"head=HEAD_{n}": 0.0 for n in range(1, 5)}
    assert set(ask("chimera_head_reputation_ratio > 0.5")) == set(ask("chimera_head_up"))
    assert ask("chimera_build_info") == {f"version={__version__}": 1.0}
    assert sum(ask('chimera_head_outcomes_total{outcome="ok"}').values()) == 2
    health = PrometheusHealth(prometheus).read(time.time_ns())
    assert sorted(health) == [f"HEAD_{n}" for n in range(1, 5)]
    assert {(one.uptime, one.error_rate) for one in health.values()} == {(0.0, 0.0)}
    subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=fetch(served)[1], text=True, check=True
    )


def test_warm_heads_are_seen_while_they_are_up(
    tmp_path: Path,
    environment: dict[str, str],
    served: str,
    ask: Callable[[str], dict[str, float]],
) -> None:
    def chimera(*arguments: str) -> None:
        subprocess.run(
            [*CHIMERA, *arguments, "--quiet"],
            env=environment,
            cwd=tmp_path,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    shutil.copy(BELL, tmp_path)
    all_heads = [f"head=HEAD_{n}" for n in range(1, 5)]
    chimera("heads", "up")
    try:
        chimera("run", BELL.name)
        wait("heads", lambda: ask("chimera_head_up") == dict.fromkeys(all_heads, 1.0))
        assert set(ask("chimera_head_busy")) == set(all_heads)
        assert ask("chimera_head_queue_length") == {"kind=ai": 0.0, "kind=quantum": 0.0}
        once = {"kind=ai": 1.0, "kind=quantum": 1.0}
        wait("lease", lambda: ask("chimera_head_lease_wait_seconds_count") == once)
    finally:
        chimera("heads", "down")
    wait("their end", lambda: ask("chimera_head_up") == dict.fromkeys(all_heads, 0.0))
