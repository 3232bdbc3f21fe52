"""What is left when a session, its thread or its parent ends: nothing; and sessions of nobody."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import Returned
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _gone(pid: int) -> bool:
    for _ in range(500):
        if not _alive(pid):
            return True
        time.sleep(0.02)
    return False


def _descriptors() -> list[int]:
    return [fd for fd in range(256) if _is_open(fd)]


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_closing_leaves_no_process_no_descriptor_no_group(tier: Tier, limits: Limits) -> None:
    Session(tier, limits).close()  # whatever is made once is made
    before = _descriptors()
    session = Session(tier, limits)
    session.load("a", "def run(): return {}")
    pid = session._process.pid
    folders = list(session._cgroup._folders)
    session.close()
    session.close()
    assert not _alive(pid)
    assert _descriptors() == before
    assert not any(folder.exists() for folder in folders)


ORPHAN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier
import threading
session = Session(Tier(sys.argv[1]), Limits())
session.load("a", "import time\\ndef run(): time.sleep(100)")
threading.Thread(target=session.call, args=("a", "run", {}), daemon=True).start()
print(session._process.pid, flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(tier: Tier, how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, tier.value],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    parent.send_signal(how)
    parent.wait(timeout=30)
    parent.stdout.close()
    assert _gone(pid)


def test_sessions_survive_the_thread_that_opened_them(tier: Tier, limits: Limits) -> None:
    """PR_SET_PDEATHSIG looks at the thread that started a process, not at the process."""
    opened: list[Session] = []

    def work() -> None:
        opened.append(Session(tier, limits))
        opened[0].load("a", "def run(): return {'x': 1}")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with opened[0] as session:
        assert session.call("a", "run", {}) == Returned({"x": 1})


NOBODY = """
import sys
from chimera_pipelines.sandbox.tiers import Tier, probe
for report in probe():
    assert report.works or report.tier is Tier.BUBBLEWRAP, report
    print(report.tier, report.works, "uid of its own" in report.detail)
"""


def test_without_root(tmp_path: Path) -> None:
    """As a user: the interpreter may lie in root's home, so that is shown in a mount of its own."""
    if os.geteuid() != 0 or not shutil.which("bwrap") or not shutil.which("setpriv"):
        pytest.skip("needs root, bubblewrap and setpriv to become another user")
    home = pwd.getpwuid(0).pw_dir
    if not Path(sys.base_prefix).is_relative_to(home):
        mounts = ["--dev-bind", "/", "/"]
    else:
        mounts = ["--dev-bind", "/", "/", "--perms", "0755", "--tmpfs", home]
        mounts += ["--perms", "0755", "--dir", str(Path(sys.base_prefix).parent.parent)]
        mounts += ["--perms", "0755", "--dir", str(Path(sys.base_prefix).parent)]
        mounts += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    if Path(sys.prefix).is_relative_to(home) or tmp_path.is_relative_to(home):
        pytest.skip("the virtual environment lies in root's home")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
    done = subprocess.run(
        [shutil.which("bwrap") or "bwrap", *mounts, "--", *user, sys.executable, "-c", NOBODY],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd="/",
    )
    if "ermission denied" in done.stderr and "python" in done.stderr:
        pytest.skip(f"another user cannot reach the interpreter: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "landlock True False" in done.stdout
