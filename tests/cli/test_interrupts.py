"""Ctrl-C during `chimera run`, sent to this process as SIGINT."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import pytest

from chimera_pipelines.cli import interrupts, live
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.phase import Phase
from chimera_pipelines.settings import settings

NOTICE = "stopping; Ctrl-C again to stop at once"


@pytest.fixture
def pressed(monkeypatch):
    """Ctrl-C when the kernel `first` begins to compute."""

    def watch(kernel, phase, seconds):
        if (kernel, phase, seconds) == ("first", Phase.PROPAGATE, None):
            os.kill(os.getpid(), signal.SIGINT)

    @contextmanager
    def watching(*_):
        yield watch

    monkeypatch.setattr(live, "watching", watching)


@pytest.fixture
def endless(chain):
    """The chain, whose first kernel computes for longer than any test."""
    chain.write_text(chain.read_text().replace("    print(", "    while True: pass\n    print("))
    return chain


def test_ctrl_c_ends_the_run_in_good_order(chimera, endless, pressed):
    called = chimera("run", endless, "--json", "--quiet")
    assert called.code == 130, called.err
    assert NOTICE in called.err.splitlines()
    shown = called.json
    assert (shown["schema"], shown["status"]) == ("chimera.run/1", "failed")
    first, second, third = shown["kernels"]
    assert [k["status"] for k in (first, second, third)] == ["failed", "skipped", "skipped"]
    assert first["error"]["code"] == "MAML903"
    assert first["error"]["message"] == "stopped: interrupted"
    assert "kernel=first status=failed" in endless.read_text()
    assert first["ticket"]["seq"] > 0
    ledger = Ledger(settings().ledger)
    assert [run.status for run in ledger.run_states(shown["run_id"])][-1] == "failed"
    ledger.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert chimera("verify", endless).code == 0


def test_ctrl_c_begins_no_further_partition(chimera, endless, pressed):
    endless.write_text(
        endless.read_text().replace("kernels:", "partitions: {static: [a, b]}\nkernels:")
    )
    called = chimera("run", endless, "--all-partitions", "--json", "--quiet")
    assert called.code == 130, called.err
    assert called.json["status"] == "failed"
    assert [one["partition"] for one in called.json["runs"]] == ["a"]


class Stopped:
    """A run that keeps what it was stopped for."""

    def __init__(self):
        self.reasons = []

    def stop(self, reason):
        self.reasons.append(reason)


def test_a_run_that_comes_after_ctrl_c_is_stopped_and_the_second_one_leaves(monkeypatch, capsys):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    run = Stopped()
    with interrupts.caught() as found:
        os.kill(os.getpid(), signal.SIGINT)
        assert found.requested
        found.watch_over(run)
        assert (run.reasons, left) == (["interrupted"], [])
        os.kill(os.getpid(), signal.SIGINT)
    assert left[0] == 130
    assert capsys.readouterr().err.startswith(NOTICE)


def test_the_handler_of_an_embedding_program_stays():
    def own(*_):
        pass

    before = signal.signal(signal.SIGINT, own)
    try:
        with interrupts.caught():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
