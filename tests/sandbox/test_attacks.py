"""The attacks of spikes/sandbox, and more, against each tier that holds strangers.

What counts is why an attack fails: an attempt that fails for another reason than the tier's own
(no /proc to look in, a missing file) would be no evidence.
"""

from __future__ import annotations

import os
import platform
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import chimera_pipelines
from chimera_pipelines.sandbox.outcomes import (
    Crashed,
    Limit,
    LimitExceeded,
    Outcome,
    Raised,
    Returned,
)
from chimera_pipelines.sandbox.tiers import Tier

from . import attacks
from .conftest import SHORT, run_once

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the attacks name system calls of x86_64 by number"
)

HIDDEN = {Tier.BUBBLEWRAP: "ENOENT", Tier.LANDLOCK: "EACCES", Tier.PROCESS: "through"}


@dataclass(frozen=True)
class Target:
    work: Path
    port: int
    token: str
    listener: socket.socket
    datagrams: socket.socket
    abstract: socket.socket

    def fill(self, source: str) -> str:
        values = {
            "@WORK@": str(self.work),
            "@PORT@": str(self.port),
            "@TOKEN@": self.token,
            "@PARENT@": str(os.getpid()),
            "@PACKAGE@": str(Path(chimera_pipelines.__file__).parent),
        }
        for name, value in values.items():
            source = source.replace(name, value)
        return attacks.PRELUDE + source

    def heard(self) -> list[str]:
        found = []
        for name, sock in (("tcp", self.listener), ("abstract", self.abstract)):
            try:
                sock.accept()
                found.append(name)
            except BlockingIOError:
                pass
        try:
            self.datagrams.recv(16)
            found.append("udp")
        except BlockingIOError:
            pass
        return found


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A secret that any user may read, so that the sandbox and not the mode must stop it."""
    work = tmp_path_factory.mktemp("work")
    for folder in (work, *work.parents[:3]):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    work.chmod(0o777)
    (work / "head.key").write_text("TOPSECRET")
    (work / "head.key").chmod(0o666)
    token = "probe-" + uuid.uuid4().hex
    listener, abstract = socket.socket(), socket.socket(socket.AF_UNIX)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", port))
    abstract.bind("\0" + token)
    for sock in (listener, abstract):
        sock.listen()
    for sock in (listener, abstract, datagrams):
        sock.setblocking(False)
    os.environ["CHIMERA_TEST_SECRET"] = token
    yield Target(work, port, token, listener, datagrams, abstract)
    del os.environ["CHIMERA_TEST_SECRET"]
    for sock in (listener, abstract, datagrams):
        sock.close()


def _value(outcome: Outcome) -> object:
    assert isinstance(outcome, Returned), outcome
    return outcome.value


def test_attacks_would_succeed_outside(target: Target) -> None:
    """The secret and the listeners are within reach of a process that nothing holds."""
    space: dict[str, object] = {}
    for source, expected in (
        (attacks.READ_SECRET, "through"),
        (attacks.CONNECT, "through"),
        (attacks.SEND_DATAGRAM, "through"),
        (attacks.CONNECT_ABSTRACT, "through"),
    ):
        exec(target.fill(source), space)  # noqa: S102 - our own text
        assert space["run"]() == expected  # type: ignore[operator]
    assert target.heard() == ["tcp", "abstract", "udp"]


def test_files_are_out_of_reach(tier: Tier, target: Target) -> None:
    for source in (attacks.READ_SHADOW, attacks.READ_SECRET):
        assert _value(run_once(tier, target.fill(source))) == HIDDEN[tier]


def test_secrets_of_environments_are_out_of_reach(tier: Tier, target: Target) -> None:
    source = target.fill(attacks.FIND_SECRET_IN_ENVIRONMENTS).replace("70000", "5000")
    source = source.replace('["self"]', f'["self", "{os.getpid()}", str(os.getppid())]')
    assert _value(run_once(tier, source)) == []


@pytest.mark.parametrize(
    "source", [attacks.CONNECT, attacks.SEND_DATAGRAM, attacks.CONNECT_ABSTRACT]
)
def test_network_is_out_of_reach(any_tier: Tier, target: Target, source: str) -> None:
    assert _value(run_once(any_tier, target.fill(source))) == "EPERM"
    assert target.heard() == []


def test_no_family_of_sockets(any_tier: Tier, target: Target) -> None:
    assert set(_value(run_once(any_tier, target.fill(attacks.SOCKET_FAMILIES)))) == {"EPERM"}  # type: ignore[call-overload]


def test_nothing_outside_can_be_written(any_tier: Tier, target: Target) -> None:
    before = sorted(target.work.iterdir())
    reasons = _value(run_once(any_tier, target.fill(attacks.WRITE_OUTSIDE)))
    allowed = {"ENOENT", "EROFS", "EACCES"} if any_tier is Tier.BUBBLEWRAP else {"EROFS"}
    assert set(reasons) <= allowed  # type: ignore[call-overload]
    changes = _value(run_once(any_tier, target.fill(attacks.CHANGE_OUTSIDE)))
    assert set(changes) <= {"ENOENT", "EPERM", "EROFS", "EACCES"}  # type: ignore[call-overload]
    assert sorted(target.work.iterdir()) == before
    assert (target.work / "head.key").read_text() == "TOPSECRET"
    assert (target.work / "head.key").stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        (attacks.FORK_BOMB, Limit.PROCESSES),
        (attacks.THREAD_BOMB, Limit.PROCESSES),
        (attacks.ALLOCATE, Limit.MEMORY),
        (attacks.ALLOCATE_IN_CHILDREN, Limit.PROCESSES),
        (attacks.START_PROGRAM, Limit.PROCESSES),
        (attacks.DAEMON, Limit.PROCESSES),
        (attacks.FLOOD, Limit.OUTPUT),
        (attacks.FLOOD_ERRORS, Limit.OUTPUT),
    ],
    ids=["fork", "threads", "allocate", "children", "program", "daemon", "flood", "flood errors"],
)
def test_limits_hold(any_tier: Tier, target: Target, source: str, limit: Limit) -> None:
    outcome = run_once(any_tier, target.fill(source))
    assert isinstance(outcome, LimitExceeded), outcome
    assert outcome.limit is limit
    assert len(outcome.stdout) + len(outcome.stderr) <= SHORT.output_bytes


def test_disk_cannot_be_filled(tier: Tier, target: Target) -> None:
    found = _value(run_once(tier, target.fill(attacks.FILL_DISK)))
    assert isinstance(found, dict)
    if tier is Tier.BUBBLEWRAP:
        assert found["why"] == ["ENOSPC", "ENOSPC", "ENOENT"]
        assert 0 < int(str(found["bytes"])) <= 2 * SHORT.tmp_bytes
    else:
        assert found == {"bytes": 0, "why": ["EROFS"] * 3}


@pytest.mark.parametrize("source", [attacks.SPIN, attacks.SPIN_STUBBORNLY])
def test_processor_time_ends(tier: Tier, target: Target, source: str) -> None:
    outcome = run_once(tier, target.fill(source), timeout_s=60)
    assert isinstance(outcome, LimitExceeded), outcome
    assert (outcome.limit, outcome.allowed, outcome.unit) == (Limit.CPU, 1, "s")


def test_sleep_ends(any_tier: Tier, target: Target) -> None:
    outcome = run_once(any_tier, target.fill(attacks.SLEEP), timeout_s=0.3)
    assert outcome == LimitExceeded(Limit.WALL, 0.3, "s")


@pytest.mark.parametrize("pid", ["1", "os.getppid()", "@PARENT@"])
def test_tracing_kills_the_tracer(tier: Tier, target: Target, pid: str) -> None:
    source = target.fill(attacks.TRACE.replace("{pid}", pid))
    outcome = run_once(tier, source)
    assert isinstance(outcome, Crashed), outcome
    assert outcome.signal == "SIGSYS (refused system call)"


def test_no_signal_to_others(any_tier: Tier, target: Target) -> None:
    assert _value(run_once(any_tier, target.fill(attacks.SIGNAL))) == ["EPERM"] * 5


def test_no_signal_is_sent_by_a_pipe(any_tier: Tier, target: Target) -> None:
    assert _value(run_once(any_tier, target.fill(attacks.SIGNAL_BY_PIPE))) == "EPERM"


@pytest.mark.parametrize("name", attacks.FATAL_CALLS)
def test_attack_surface_of_the_kernel(tier: Tier, target: Target, name: str) -> None:
    number, arguments = attacks.FATAL_CALLS[name]
    source = attacks.CALL.replace("{number}", str(number)).replace("{arguments}", arguments)
    outcome = run_once(tier, target.fill(source))
    assert isinstance(outcome, Crashed), outcome
    assert outcome.signal == "SIGSYS (refused system call)"


def test_no_namespaces(any_tier: Tier, target: Target) -> None:
    reasons = _value(run_once(any_tier, target.fill(attacks.CLONE_NAMESPACE)))
    assert reasons == ["EAGAIN", "EPERM", "EAGAIN", "ENOSYS"]


def test_devices_are_out_of_reach(tier: Tier, target: Target) -> None:
    *opened, made = _value(run_once(tier, target.fill(attacks.DEVICES)))  # type: ignore[misc]
    assert set(opened) <= {"ENOENT", "EACCES"}
    assert made == "EPERM"


def test_root_cannot_be_gained(any_tier: Tier, target: Target) -> None:
    reasons = _value(run_once(any_tier, target.fill(attacks.GAIN_ROOT)))
    assert reasons == ["EPERM", "EPERM", "EPERM", "ENOSYS"]


def test_descriptors_are_the_protocols(any_tier: Tier, target: Target) -> None:
    kinds = _value(run_once(any_tier, target.fill(attacks.DESCRIPTORS)))
    assert kinds == ["null", "pipe", "pipe", "pipe", "pipe"]


def test_cgroups_cannot_be_made(tier: Tier, target: Target) -> None:
    reasons = _value(run_once(tier, target.fill(attacks.CGROUP)))
    assert set(reasons) <= {"ENOENT", "EROFS", "EACCES"}  # type: ignore[call-overload]


def test_limits_cannot_be_undone(any_tier: Tier, target: Target) -> None:
    reasons = _value(run_once(any_tier, target.fill(attacks.UNDO_LIMITS)))
    assert set(reasons) <= {"PermissionError", "ValueError", "EPERM", "ESRCH"}  # type: ignore[call-overload]


def test_death_with_the_parent_cannot_be_undone(any_tier: Tier, target: Target) -> None:
    assert _value(run_once(any_tier, target.fill(attacks.OUTLIVE))) == ["EINVAL", "EINVAL"]


def test_no_input_is_injected_into_a_terminal(any_tier: Tier, target: Target) -> None:
    assert _value(run_once(any_tier, target.fill(attacks.INJECT_INPUT))) == "ENOTTY"


def test_no_process_is_left(target: Target) -> None:
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if b"chimera_pipelines.sandbox.worker" in line and parent == str(os.getpid()):
                left.append(line)
    assert left == []


def test_what_the_process_tier_does_not_hold_is_known(target: Target) -> None:
    """Documented: reading is not held there; the tier is for documents one trusts."""
    outcome = run_once(Tier.PROCESS, target.fill(attacks.READ_SECRET))
    assert not isinstance(outcome, Raised)
    assert _value(outcome) == "through"
