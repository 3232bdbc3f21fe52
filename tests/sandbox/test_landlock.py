"""In a process of its own: what Landlock takes away is not given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chimera_pipelines.sandbox import landlock

SCRIPT = """
import os, sys
from chimera_pipelines.sandbox import landlock, privileges
privileges.forbid_new_privileges()
print(landlock.restrict([sys.argv[1], sys.argv[1] + "/missing"], [sys.argv[2]]))
for path, mode in ((sys.argv[1] + "/file", "r"), (sys.argv[1] + "/file", "a"),
                   (sys.argv[2] + "/new", "w"), (sys.argv[3], "r"), ("/dev/null", "w")):
    try:
        open(path, mode).close()
        print("open")
    except PermissionError:
        print("refused")
"""


@pytest.mark.skipif(not landlock.abi(), reason="the kernel has no Landlock")
def test_only_what_is_named_can_be_read_or_written(tmp_path: Path) -> None:
    readable, writable, other = tmp_path / "r", tmp_path / "w", tmp_path / "other"
    readable.mkdir()
    writable.mkdir()
    for file in (readable / "file", other):
        file.write_text("x")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(readable), str(writable), str(other)],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [str(landlock.abi()), "open", "refused", "open", "refused", "open"]
    assert done.stdout.split() == expected
