"""Hostile documents get nothing, in either tier that holds strangers.

The secret and the sockets are open to every user, so that the sandbox and not a file's mode must
stop the attack. The reason of each refusal is the tier's own: a missing file would be no evidence.
"""

import errno
import json
import os
import re
import socket
import uuid
from pathlib import Path

import pytest

from chimera_pipelines.sandbox import paths
from chimera_pipelines.sandbox.tiers import Tier, probe
from tests.e2e import hostile_blocks

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hostile")]

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = {Tier.BUBBLEWRAP: errno.ENOENT, Tier.LANDLOCK: errno.EACCES}
IDENTITIES = {
    Tier.BUBBLEWRAP: "0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b81",
    Tier.LANDLOCK: "0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b82",
}


class Ran:
    """One run of all attacks in one tier."""

    def __init__(self, tier, called, words, heard):
        self.tier = tier
        self.words = words
        self.heard = heard
        self.everything = called.out + called.err
        self.kernels = {kernel["name"]: kernel for kernel in called.json["kernels"]}

    def leak(self, name):
        assert self.kernels[name]["status"] == "ok", self.kernels[name]["error"]
        return self.kernels[name]["output"]["leak"]

    def error(self, name):
        error = self.kernels[name]["error"]
        return error["code"], error["message"]


@pytest.fixture(scope="module")
def listeners(home):
    name, path = f"probe-{uuid.uuid4().hex}", home / "socket"
    found = []
    for address in (f"\0{name}", str(path)):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(address)
        sock.listen()
        sock.setblocking(False)
        found.append(sock)
    path.chmod(0o777)
    yield name, path, found
    for sock in found:
        sock.close()


@pytest.fixture(scope="module", params=list(HIDDEN), ids=str)
def ran(request, home, chimera, listeners) -> Ran:
    tier = request.param
    report = next(one for one in probe() if one.tier is tier)
    if not report.works:
        pytest.skip(f"{tier} does not work here: {report.detail}")
    for folder in (home, *home.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    assert chimera("keys", "init").code == 0
    name, socket_path, heard = listeners
    secret, marker = f"secret-{uuid.uuid4().hex}", f"marker-{uuid.uuid4().hex}"
    (home / "secret.txt").write_text(secret)
    (home / "secret.txt").chmod(0o666)
    keys = sorted((home / "keys" / "private").iterdir())
    path = home / "documents" / f"hostile_{tier}.maml.md"
    text = hostile_blocks.document(IDENTITIES[tier], marker)
    for word, value in {
        "SECRET": home / "secret.txt",
        "KEY": keys[0],
        "DOCUMENT": path,
        "HOME": home,
        "PROJECT": ROOT,
        "PARENT": os.getpid(),
        "TOKEN": name,
        "SOCKET": socket_path,
    }.items():
        text = text.replace(f"@{word}@", str(value))
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIMERA_SANDBOX", str(tier))
        patch.setenv("CHIMERA_TEST_SECRET", secret)
        called = chimera("run", path, "--json", "--force")
    assert called.code == 1, called.err
    assert chimera("verify", path).code == 0
    seeds = [json.loads(key.read_text())["seed"] for key in keys]
    return Ran(tier, called, [secret, marker, *seeds], heard)


def test_no_secret_gets_out(ran):
    assert {kernel["status"] for kernel in ran.kernels.values()} == {"ok", "failed"}
    assert [word for word in ran.words if word in ran.everything] == []


@pytest.mark.parametrize("name", ["by_io", "by_ctypes", "by_loader", "by_folders"])
def test_files_are_not_there(ran, name):
    assert set(ran.leak(name)) == {HIDDEN[ran.tier]}


def test_numpy_reads_no_file_either(ran):
    # memmap opens for writing, which the landlock tier refuses before it looks at the path
    assert set(ran.leak("by_numpy")) <= {HIDDEN[ran.tier], errno.EROFS, "not found"}


def test_detours_lead_nowhere(ran):
    assert all(isinstance(reason, int) for reason in ran.leak("by_detours"))


def test_no_folder_of_the_project_but_the_package_can_be_read():
    """Also where CHIMERA_HOME lies under the project whose package is mounted."""
    for inside in (ROOT, ROOT / "data", ROOT / "data" / "keys", ROOT / "tests", ROOT / ".git"):
        assert not [p for p in paths.readable() if inside.is_relative_to(p)]


def test_a_link_to_a_key_is_no_key(ran):
    made = ran.leak("links")
    assert all(isinstance(reason, int) for reason in made), made


def test_other_processes_are_closed(ran):
    assert ran.leak("memory_of_others") == []


def test_code_pages_cannot_be_written(ran):
    code, message = ran.error("own_memory")
    assert code == "MAML901"
    assert re.match(r"(PermissionError|OSError): \[Errno (13|30)\]", message)


def test_frames_and_objects_hold_nothing(ran):
    seen, held, environment = ran.leak("frames")
    assert held == "[]"
    assert "CHIMERA_" not in environment
    assert not [word for word in ran.words if word in str(seen)]


def test_no_socket_is_made(ran):
    assert ran.leak("unix_sockets") == [errno.EPERM] * 4
    for sock in ran.heard:
        with pytest.raises(BlockingIOError):
            sock.accept()


@pytest.mark.parametrize("name", ["shared_memory", "attachments"])
def test_memory_is_limited_however_it_is_asked_for(ran, name):
    assert ran.error(name) == ("MAML902", "memory limit of 1 GiB")


def test_a_forged_answer_is_data_that_is_checked(ran):
    assert ran.error("forged_answer")[0] in {"MAML903", "MAML904"}
