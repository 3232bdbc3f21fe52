"""The issue's "Bad input": each is a located diagnostic, or a failed kernel with a failed ticket.

All bad blocks stand in one document, which runs once by `chimera run` and once in Dagster; the
process, the ledger and other documents go on.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from chimera_pipelines.defs.launch import run_in_dagster
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.settings import settings
from tests.e2e import bad_blocks
from tests.e2e.bad_blocks import BLOCKS, Bad

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bad_input")]

IDENTITY = "0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b79"


@pytest.fixture(scope="module")
def path(home: Path) -> Path:
    found = home / "documents" / "bad.maml.md"
    found.write_text(bad_blocks.document(IDENTITY))
    return found


@pytest.fixture(scope="module")
def ran(path, chimera):
    called = chimera("run", path, "--json")
    assert called.code == 1, called.err
    return called


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as found:
        yield found


@pytest.fixture(scope="module")
def in_dagster(ran, path, instance) -> dict[str, Any]:
    return run_in_dagster(path, instance=instance)


def _kernel(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(kernel for kernel in report["kernels"] if kernel["name"] == name)


@pytest.mark.parametrize("bad", BLOCKS, ids=lambda bad: bad.name)
def test_a_bad_block_is_a_failed_kernel_with_a_failed_ticket(ran, path, bad: Bad):
    kernel = _kernel(ran.json, bad.name)
    assert kernel["status"] == "failed"
    error = kernel["error"]
    assert error["code"] == bad.error, error
    assert error["message"].startswith(bad.message), error
    assert error["where"]["file"] == str(path)
    assert error["where"]["line"] in bad_blocks.lines(path.read_text(), bad), error
    assert error["hint"] == bad.hint
    assert f"run={ran.json['run_id']} kernel={bad.name} status=failed" in path.read_text()
    assert len(error["message"]) < 10_000


def test_other_kernels_go_on(ran, in_dagster):
    assert _kernel(ran.json, "sound")["output"] == {"x": 1}
    assert _kernel(in_dagster, "sound")["status"] in {"ok", "reused"}


@pytest.mark.parametrize("bad", BLOCKS, ids=lambda bad: bad.name)
def test_dagster_shows_the_same_code_line_and_hint(ran, in_dagster, instance, path, bad: Bad):
    error = _kernel(in_dagster, bad.name)["error"]
    if "timeout" not in bad.message:  # which call the time runs out in is no matter
        assert error == _kernel(ran.json, bad.name)["error"]
    assert error["where"]["line"] in bad_blocks.lines(path.read_text(), bad)
    failed = [
        event.step_failure_data.user_failure_data
        for event in instance.get_records_for_run(
            in_dagster["dagster_run_id"], of_type=dg.DagsterEventType.STEP_FAILURE
        ).records
        for event in [event.event_log_entry.dagster_event]
        if event.step_key.startswith(f"bad__{bad.name}.")
    ]
    (data,) = failed
    shown = data.description
    assert f"{path}:{error['where']['line']}:" in shown
    assert error["code"] in shown
    assert error["hint"] is None or error["hint"] in shown
    assert data.metadata["line"].value == error["where"]["line"]


def test_afterwards_everything_verifies(ran, in_dagster, chimera, path):
    called = chimera("verify", path, "--json")
    assert called.code == 0, called.out
    (file,) = called.json["files"]
    assert (file["grants"], file["tickets"]) == (2, 2 * len(BLOCKS) + 2)
    with closing(Ledger(settings().ledger)) as ledger:
        assert ledger.verify_chain() > 2 * len(BLOCKS)


def test_another_document_still_runs(ran, in_dagster, chimera, home):
    other = home / "documents" / "other.maml.md"
    other.write_text(bad_blocks.PLAIN)
    called = chimera("run", other, "--json")
    assert called.code == 0, called.err
    assert called.json["outputs"] == {"k": {"x": 1}}


def test_no_process_is_left(ran, in_dagster):
    assert _workers() == []


def _workers() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if b"chimera_pipelines.sandbox.worker" in line and parent == str(os.getpid()):
                found.append(entry.name)
    return found


TEXT = bad_blocks.PLAIN
RETURN = "    return {'x': 1}"
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
DEPENDENCIES = "## Dependencies\n```yaml\n@@\n```\n\n## Code_Blocks"


def _front(line: str) -> str:
    return TEXT.replace("type: workflow", f"type: workflow\n{line}")


def _depends(text: str) -> str:
    return TEXT.replace("## Code_Blocks", DEPENDENCIES.replace("@@", text))


def _code(line: str) -> str:
    return TEXT.replace(RETURN, line)


def _cycle(count: int) -> str:
    rows = (f"  k{n}: {{block: k, needs: [k{(n + 1) % count}]}}\n" for n in range(count))
    return _depends("kernels:\n" + "".join(rows).rstrip("\n"))


TEXTS = {
    "empty": (b"", 3, "MAML201", 1),
    "binary": (bytes(range(256)) * 1000, 3, "MAML101", 2),
    "zeros": (bytes(100_000), 3, "MAML103", 1),
    "utf-16": (TEXT.encode("utf-16"), 3, "MAML101", 1),
    "overlong": (TEXT.encode().replace(b"Bad input", b"\xc0\xaf"), 3, "MAML101", 11),
    "surrogate": (TEXT.encode().replace(b"Bad input", b"\xed\xa0\x80"), 3, "MAML101", 11),
    "one long line": (b"x" * 2_000_000, 3, "MAML104", 1),
    "never closed": (b"---\n", 3, "MAML202", 1),
    "aliases": (_depends(LAUGHS + "kernels: {k: }"), 4, "MAML402", 15),
    "aliases in front": (_front("x-a: &a [1]\nx-b: [*a, *a]"), 3, "MAML205", 6),
    "deep front": (_front(f"x-d: {'[' * 20_000}{']' * 20_000}"), 3, "MAML203", 6),
    "deep yaml": (_depends(f"kernels: {'{a: ' * 20_000}1{'}' * 20_000}"), 4, "MAML402", 15),
    "huge integer": (_front(f"x-n: {'9' * 60_000}"), 3, "MAML203", 6),
    "huge float": (_depends("kernels: {k: {timeout: 1e999999999}}"), 4, "MAML402", 15),
    "deep json": (
        TEXT + f"\n## Input_Schema\n```json\n{'[' * 99_999}{']' * 99_999}\n```\n",
        3,
        "MAML501",
        21,
    ),
    "cycle": (_cycle(10_000), 4, "MAML405", 16),
    "deep python": (_code(f"    return {'(' * 5_000}1{')' * 5_000}"), 3, "MAML314", 16),
    "long python": (_code(f"    return {{'x': {'+'.join(['1'] * 60_000)}}}"), 3, "MAML314", 15),
    "huge literal": (_code(f"    return {{'x': {'9' * 400_000}}}"), 3, "MAML314", 16),
    "bidi": (TEXT.replace("Bad", "Bad\u202e"), 3, "MAML103", 11),
    "zero width": (TEXT.replace("def run", "def r\u200bun"), 3, "MAML103", 15),
    "tag characters": (TEXT.replace("Bad", "Bad\U000e0041"), 3, "MAML103", 11),
    "line separator": (TEXT.replace("Bad", "Bad\u2028## History\u2028"), 3, "MAML103", 11),
    "vertical tab": (TEXT.replace("Bad", "Bad\x0b## Code_Blocks\x0b"), 3, "MAML103", 11),
    "full width": (_code("    return {'x': \uff45val('1')}"), 3, "MAML317", 16),
    "homoglyph kernel": (_depends("kernels: {\u043a: {block: k}}"), 4, "MAML403", 15),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_text_is_a_located_diagnostic_that_run_repeats(chimera, home, name):
    text, code, diagnostic, line = TEXTS[name]
    path = home / "text.maml.md"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    called = chimera("check", path, "--json")
    assert called.code == code, called.out[:1000]
    (file,) = called.json["files"]
    found = {(one["code"], one["line"]) for one in file["diagnostics"]}
    assert (diagnostic, line) in found, sorted(found)[:10]
    refused = chimera("run", path, "--json")
    assert refused.code == code
    assert refused.json["error"]["code"].startswith("MAML")
    assert refused.json["error"]["where"]["file"] == str(path)
    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())


def test_a_file_of_100_mb_is_not_read(chimera, tmp_path):
    """It has no blocks on disk: reading it whole would take its size in memory."""
    path = tmp_path / "big.maml.md"
    with path.open("wb") as file:
        file.write(TEXT.encode())
        file.truncate(1 << 40)
    called = chimera("check", path, "--json")
    assert called.code == 3
    ((one,),) = [file["diagnostics"] for file in called.json["files"]]
    assert (one["code"], one["line"]) == ("MAML104", 1)
    assert chimera("run", path).code == 3


@pytest.mark.parametrize("kind", ["folder", "missing", "loop", "device", "pipe", "memory", "mode"])
def test_what_is_no_readable_file_is_usage(chimera, tmp_path, kind):
    path = tmp_path / "odd.maml.md"
    if kind == "mode" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    make = {
        "folder": path.mkdir,
        "missing": lambda: None,
        "loop": lambda: path.symlink_to(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "pipe": lambda: os.mkfifo(path),
        "memory": lambda: path.symlink_to("/proc/self/mem"),
        "mode": lambda: (path.write_text(TEXT), path.chmod(0)),
    }
    make[kind]()
    for verb in ("check", "run", "plan", "verify"):
        called = chimera(verb, path)
        assert called.code == 2, (verb, called.err)
        assert "CHIM2" in called.err
