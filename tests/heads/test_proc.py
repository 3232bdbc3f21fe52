from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from chimera_pipelines.heads import proc


def test_a_name_with_blanks_and_brackets():
    fields = " ".join(["S", *(["0"] * 10), "3", "4", *(["0"] * 6), "77", "0"])
    assert proc.parse(f"12 (a) b (c)) {fields}") == proc.ProcessLook("S", 7, 77)


def test_what_is_no_such_text_is_an_error():
    for text in ("", "12 (a) S 1"):
        with pytest.raises((ValueError, IndexError)):
            proc.parse(text)


def test_this_process_is_there():
    found = proc.look(os.getpid())
    assert found is not None
    assert found.state == "R"
    assert proc.alive(os.getpid(), found.created)
    assert not proc.alive(os.getpid(), found.created + 1)


def test_an_ended_process_is_not_alive():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = proc.look(child.pid)
        assert found is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not proc.alive(child.pid, found.created)  # a zombie
    assert proc.look(child.pid) is None


def test_only_the_process_that_was_meant_is_ended():
    with subprocess.Popen(["sleep", "60"]) as child:  # noqa: S607
        found = proc.look(child.pid)
        assert found is not None
        proc.end(child.pid, found.created - 1)
        assert child.poll() is None
        proc.end(child.pid, found.created)
        assert child.wait(10) == -signal.SIGKILL
    proc.end(child.pid, found.created)
