"""Children of an agent, as far as one can see without an agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chimera_pipelines.heads.offspring import call, detach
from tests.heads.agents import ROOT

PARENT = """
import os, sys
from chimera_pipelines.heads.offspring import fork
def raises(): raise RuntimeError("as it must")
def leaves(): raise SystemExit(WHAT)
def seven(): return 7
def open_or_not():
    try: os.fstat(GIVEN)
    except OSError: return 0
    return 1
GIVEN = os.open("/dev/null", os.O_RDONLY)
WHAT = eval(sys.argv[2])
child = fork(globals()[sys.argv[1]], closing=[GIVEN, 999], name="child", dies=False)
_, status = os.waitpid(child.pid, 0)
print(os.waitstatus_to_exitcode(status))
"""


def exit_code(task, value="None"):
    done = subprocess.run(
        [sys.executable, "-c", PARENT, task, value],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return int(done.stdout.split()[-1]), done.stderr


def test_what_a_task_gives_is_the_exit_code():
    assert exit_code("seven") == (7, "")
    assert exit_code("leaves", "5") == (5, "")
    assert exit_code("leaves", "None") == (0, "")
    assert exit_code("leaves", "'why'")[0] == 1


def test_an_error_ends_the_child_and_not_in_the_parents_frames():
    code, told = exit_code("raises")
    assert (code, told.count("RuntimeError: as it must")) == (70, 1)


def test_descriptors_that_it_may_not_keep_are_closed():
    assert exit_code("open_or_not") == (0, "")


def test_an_entry_gives_a_code_or_none():
    assert call("builtins:int", {}) == 0
    assert call("builtins:dict", {"a": 1}) == 0
    with pytest.raises(AttributeError):
        call("builtins:nothing_of_the_kind", {})


def test_one_that_detaches_leaves_folder_output_and_interrupts_of_the_agent(tmp_path):
    log = tmp_path / "log"
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            detach(str(log), str(tmp_path), {"GIVEN": "x"})
            own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            text = f"{os.getsid(0) == os.getpid()} {Path.cwd()} {os.environ['GIVEN']} {own}"
            os.write(1, text.encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert log.read_text() == f"True {tmp_path} x True"
    assert log.stat().st_mode & 0o077 == 0
