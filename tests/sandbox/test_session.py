from __future__ import annotations

import platform
import threading

import numpy as np
import pytest

from chimera_pipelines.errors import SandboxUnavailableError
from chimera_pipelines.sandbox import values
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import (
    Attachment,
    Crashed,
    Limit,
    LimitExceeded,
    NotJSON,
    Raised,
    Returned,
)
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier

from .conftest import SHORT, run_once


def test_one_session_serves_many_calls(any_tier: Tier, limits: Limits) -> None:
    source = (
        "count = 0\n"
        "def run(x, y=2):\n"
        "    global count\n"
        "    count += 1\n"
        "    return {'n': count, 's': x + y}\n"
    )
    with Session(any_tier, limits) as session:
        assert session.load("a", source) == Returned(None)
        assert session.call("a", "run", {"x": 1}) == Returned({"n": 1, "s": 3})
        assert session.call("a", "run", {"x": 1.5, "y": 1}) == Returned({"n": 2, "s": 2.5})


def test_arrays_and_bytes_cross_both_ways(any_tier: Tier, limits: Limits) -> None:
    source = (
        "import numpy as np\n"
        "def run(a, raw):\n"
        "    return {'sum': a.sum(), 'big': np.ones(70000) * a[0], 'raw': raw[::-1], 'small': a}\n"
    )
    _, attachments = values.encode([np.arange(70_000.0) + 3, b"abc"])
    with Session(any_tier, limits, preload=("numpy",)) as session:
        session.load("a", source)
        outcome = session.call(
            "a",
            "run",
            {"a": {"$attachment": 0}, "raw": {"$attachment": 1}},
            attachments=attachments,
        )
    assert isinstance(outcome, Returned)
    assert isinstance(outcome.value, dict)
    assert outcome.value["sum"] == float(np.sum(np.arange(70_000.0) + 3))
    back = values.decode(outcome.value, outcome.attachments)
    assert isinstance(back, dict)
    assert (back["big"] == 3.0).all()
    assert back["raw"] == b"cba"


def test_prints_are_kept_apart_from_the_protocol(any_tier: Tier, limits: Limits) -> None:
    source = (
        "import os, sys\n"
        "def run():\n"
        "    print('é', '\\ud800')\n"
        "    os.write(1, b'CHF1raw')\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    return {'read': sys.stdin.read()}\n"
    )
    with Session(any_tier, limits) as session:
        session.load("a", source)
        outcome = session.call("a", "run", {})
        assert outcome == Returned(
            {"read": ""}, (), stdout="CHF1rawé \\ud800\n", stderr="to stderr\n"
        )
        assert session.call("a", "run", {}).stdout == outcome.stdout


def test_errors_are_placed_in_the_block(any_tier: Tier, limits: Limits) -> None:
    source = (
        "import json\n\n"
        "def inner(text):\n    é = 1; return json.loads(text)\n\n"
        "def run():\n    return inner('[')\n"
    )
    with Session(any_tier, limits) as session:
        session.load("b", source, filename="x.maml.md", first_line=40)
        outcome = session.call("b", "run", {})
    assert isinstance(outcome, Raised)
    assert outcome.kind == "JSONDecodeError"
    assert (outcome.block, outcome.line, outcome.column) == ("b", 4, 19)
    assert [(f.function, f.line) for f in outcome.frames] == [("run", 7), ("inner", 4)]
    assert outcome.frames[1].source == "    é = 1; return json.loads(text)"


@pytest.mark.parametrize(
    ("source", "kind", "line", "column"),
    [
        ("def run():\n    return )\n", "SyntaxError", 2, 12),
        ("x = 1\nreturn x\n", "SyntaxError", 2, 1),
        ("x = 1\ny = x / 0\n", "ZeroDivisionError", 2, 5),
        ("import sys\nsys.exit(3)\n", "SystemExit", 2, 1),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt", 1, 1),
        ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E\n", "E", 3, 1),
    ],
)
def test_loading_can_fail(
    cheap_tier: Tier, limits: Limits, source: str, kind: str, line: int, column: int
) -> None:
    with Session(cheap_tier, limits) as session:
        outcome = session.load("b", source, first_line=7)
        assert isinstance(outcome, Raised), outcome
        assert (outcome.kind, outcome.line, outcome.column) == (kind, line, column)
        assert session.load("c", "def run(): return {}") == Returned(None)


def test_names_that_are_not_there(cheap_tier: Tier, limits: Limits) -> None:
    with Session(cheap_tier, limits) as session:
        session.load("a", "def run(): return {}")
        assert isinstance(session.call("a", "walk", {}), Raised)
        assert isinstance(session.call("b", "run", {}), Raised)
        with pytest.raises(ValueError, match="not of this package"):
            session.invoke("os:system", {"command": "true"})


@pytest.mark.parametrize(
    ("result", "path"),
    [("float('nan')", "$.x"), ("{1}", "$.x"), ("'a' * (16 << 20)", "$"), ("object()", "$.x")],
)
def test_results_without_json_form(
    cheap_tier: Tier, limits: Limits, result: str, path: str
) -> None:
    outcome = run_once(cheap_tier, f"def run(): return {{'x': {result}}}", limits=limits)
    assert isinstance(outcome, NotJSON), outcome
    assert outcome.path == path


def test_crashes_are_named(any_tier: Tier) -> None:
    assert run_once(any_tier, "import os\ndef run(): os._exit(0)") == Crashed(None, 0)
    fault = "import ctypes\ndef run():\n    ctypes.string_at(8)\n"
    outcome = run_once(any_tier, fault)
    assert isinstance(outcome, Crashed)
    assert (outcome.signal, outcome.exit_code) == ("SIGSEGV", None)
    assert (outcome.block, outcome.line) == ("k", 3)
    aborted = run_once(any_tier, "import os\ndef run(): os.abort()")
    assert isinstance(aborted, Crashed)
    assert aborted.signal == "SIGABRT"


def test_a_session_that_ended_stays_ended(cheap_tier: Tier, limits: Limits) -> None:
    with Session(cheap_tier, limits) as session:
        session.load("a", "import os\ndef run(): os._exit(3)")
        assert session.call("a", "run", {}) == Crashed(None, 3)
        assert session.call("a", "run", {}) == Crashed(None, 3)
        assert session.load("b", "") == Crashed(None, 3)


def test_output_is_summed_over_calls(cheap_tier: Tier, limits: Limits) -> None:
    with Session(cheap_tier, limits) as session:
        session.load("a", "def run(): print('x' * 40000); return {}")
        assert isinstance(session.call("a", "run", {}), Returned)
        outcome = session.call("a", "run", {})
        assert isinstance(outcome, LimitExceeded)
        assert outcome.limit is Limit.OUTPUT


def test_memory_of_libraries_is_limited_and_the_session_goes_on(
    cheap_tier: Tier, limits: Limits
) -> None:
    source = (
        "import numpy as np\n"
        "def run():\n    keep = []\n    while True: keep.append(np.ones(1 << 22))\n"
        "def small(): return {'x': np.ones(1 << 22).sum()}\n"
    )
    with Session(cheap_tier, limits, preload=("numpy",)) as session:
        session.load("a", source)
        outcome = session.call("a", "run", {})
        assert outcome == LimitExceeded(Limit.MEMORY, limits.memory_bytes, "bytes")
        assert session.call("a", "small", {}) == Returned({"x": float(1 << 22)})


FORGE = """
import json, os, struct, time
def frame(head, size=0):
    text = json.dumps(head).encode()
    return struct.pack(">4sIQ", b"CHF1", len(text), size) + text
def run():
    data = {data}
    for fd in range(3, 32):
        try:
            os.write(fd, data)
        except OSError:
            pass
    time.sleep(20)
"""
BAD_PLACE = """{'id': 2, 'attachments': [], 'outcome': 'raised', 'kind': 'E', 'message': 'm',
                'frames': [['b', 'f', -1, 2, 's']]}"""
VALID = '{"outcome": "returned", "value": 1, "attachments": [], "id": %d}'


@pytest.mark.parametrize(
    "data",
    [
        "b'x' * 100",
        f"frame({VALID % 7})",
        f"frame({VALID % 2}) + b'more'",
        "frame([])",
        "frame({'id': 2, 'attachments': []})",
        "frame({'id': 2, 'attachments': [], 'outcome': 'raised', 'kind': 1})",
        f"frame({BAD_PLACE})",
        "struct.pack('>4sIQ', b'CHF1', 300000, 0) + b'[' * 300000",
    ],
)
def test_forged_answers_are_crashes(cheap_tier: Tier, data: str) -> None:
    outcome = run_once(cheap_tier, FORGE.replace("{data}", data))
    assert outcome == Crashed("malformed answer", None)


def test_a_forged_answer_of_the_right_form_is_only_data(cheap_tier: Tier) -> None:
    assert run_once(cheap_tier, FORGE.replace("{data}", f"frame({VALID % 2})")) == Returned(1)


def test_an_answer_that_announces_too_much_is_a_limit(cheap_tier: Tier) -> None:
    outcome = run_once(cheap_tier, FORGE.replace("{data}", "frame({}, 1 << 60)"))
    assert isinstance(outcome, LimitExceeded)
    assert outcome.limit is Limit.FRAME


def test_code_of_this_package_runs_inside(any_tier: Tier, limits: Limits) -> None:
    target = "chimera_pipelines.sandbox.values:encode"
    with Session(any_tier, limits) as session:
        assert session.invoke(target, {"value": {"a": 1}}) == Returned({"a": 1})
        session.load("a", "def run(): return (1, 2)")
        encoded = session.call("a", "run", {}, encode=target)
        assert encoded == Returned([1, 2])
        raised = session.invoke(
            "chimera_pipelines.sandbox.values:decode",
            {
                "value": [{"$attachment": 0}],
                "attachments": [],
            },
        )
        assert isinstance(raised, Raised)
        assert (raised.kind, raised.block) == ("ValueError", None)


def test_results_do_not_depend_on_hash_seeds_or_threads(cheap_tier: Tier) -> None:
    source = "def run(): return {'x': list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})}"
    assert run_once(cheap_tier, source) == run_once(cheap_tier, source)


UNWRITTEN = """
import numpy as np
def run():
    held = [np.full(500, 7.0) for _ in range(20)]
    held.clear()
    return {"most": max(float(abs(np.empty(500)).max()) for _ in range(20))}
"""


def test_memory_that_nobody_wrote_is_zero(tier: Tier) -> None:
    """PyTorch's least squares read a pivot array before it was set, and gave two results."""
    assert run_once(tier, UNWRITTEN) == Returned({"most": 0})


def test_a_module_that_cannot_be_imported_is_said(cheap_tier: Tier, limits: Limits) -> None:
    with (
        pytest.raises(SandboxUnavailableError, match="no_such_module"),
        Session(cheap_tier, limits, preload=("no_such_module",)) as session,
    ):
        session.await_ready()


def test_requests_larger_than_a_pipe_and_never_read_meet_the_deadline(cheap_tier: Tier) -> None:
    with Session(cheap_tier, SHORT) as session:
        session.load("a", "def run(raw): return {'n': len(raw)}")
        big = [Attachment("application/octet-stream", bytes(8 << 20))]
        outcome = session.call("a", "run", {"raw": {"$attachment": 0}}, attachments=big)
        assert outcome == Returned({"n": 8 << 20})


def test_abort_from_another_thread_ends_the_call(cheap_tier: Tier, limits: Limits) -> None:
    with Session(cheap_tier, limits) as session:
        session.load("a", "import time\ndef run(): print('on', flush=True); time.sleep(60)")
        timer = threading.Timer(0.2, session.abort)
        timer.start()
        outcome = session.call("a", "run", {}, timeout_s=50)
        timer.join()
    assert isinstance(outcome, Crashed)
    assert outcome.signal == "SIGKILL"


@pytest.mark.skipif(platform.system() != "Linux", reason="sandboxes are Linux's")
def test_layers_are_told(tier: Tier, limits: Limits) -> None:
    with Session(tier, limits) as session:
        session.await_ready()
        assert "seccomp" in session.layers
        assert "cgroup" in session.layers
