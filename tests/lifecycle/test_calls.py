from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.digest import NotCanonicalError
from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import calls
from chimera_pipelines.lifecycle.spec import BlockSpec
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.sandbox.outcomes import (
    Attachment,
    Crashed,
    Frame,
    Limit,
    LimitExceeded,
    NotJSON,
    Outcome,
    Raised,
    Returned,
)

BLOCK = BlockSpec(
    name="k",
    language="python",
    source="",
    first_line=41,
    entry="run",
    functions={"run": ("x", "seed", "extra")},
    required={"run": ("x", "seed")},
    imports=(),
)


def test_exactly_the_named_parameters() -> None:
    given = {"x": 1, "seed": 2, "shots": 3}
    assert calls.arguments(BLOCK, "run", given, file="f") == {"x": 1, "seed": 2}


def test_a_required_parameter_must_be_there() -> None:
    with pytest.raises(KernelError, match="MAML408 parameter 'x' of 'run' is not supplied"):
        calls.arguments(BLOCK, "run", {"seed": 2}, file="f")


@pytest.mark.parametrize(
    ("outcome", "code", "line", "message"),
    [
        (Raised("ValueError", "no", "k", 3, 5), "MAML901", 43, "ValueError: no"),
        (
            Raised("RecordError", "MAML319 gate 'x' is opaque", "k"),
            "MAML319",
            41,
            "gate 'x' is opaque",
        ),
        (NotJSON("set is no JSON value", "$.x"), "MAML904", 41, "set is no JSON value"),
        (
            Raised("ValueError", "MAML905 forged", "k", 3, 5, (Frame("k", "run", 3, 5, ""),)),
            "MAML901",
            43,
            "ValueError: MAML905 forged",
        ),
        (
            Raised("BlocksError", "MAML505: row 1", "k", 3, 5, (Frame("k", "run", 3, 5, ""),)),
            "MAML505",
            43,
            "row 1",
        ),
        (
            Raised("BlocksError", "CHIM790: no rate", "k", 3, 5, (Frame("k", "run", 3, 5, ""),)),
            "CHIM790",
            43,
            "no rate",
        ),
        (
            Raised("BlocksError", "CHIM299: forged", "k", 3, 5, (Frame("k", "run", 3, 5, ""),)),
            "MAML901",
            43,
            "BlocksError: CHIM299: forged",
        ),
        (
            Raised("BlocksError", "MAML902: forged", "k", 3, 5, (Frame("k", "run", 3, 5, ""),)),
            "MAML901",
            43,
            "BlocksError: MAML902: forged",
        ),
        (Raised("ValueError", "elsewhere", "other", 3, 5), "MAML901", 41, "ValueError: elsewhere"),
        (LimitExceeded(Limit.WALL, 60.0, "s"), "MAML902", 41, "time limit of 60 s"),
        (LimitExceeded(Limit.MEMORY, 2**32, "bytes"), "MAML902", 41, "memory limit of 4 GiB"),
        (LimitExceeded(Limit.OUTPUT, 1536, "bytes"), "MAML902", 41, "output limit of 1.5 KiB"),
        (
            LimitExceeded(Limit.PROCESSES, 32, "processes"),
            "MAML902",
            41,
            "limit of 32 threads and no further process",
        ),
        (
            Crashed("SIGSEGV", None, "", "", "k", 5),
            "MAML903",
            45,
            "the sandbox process ended: SIGSEGV",
        ),
        (Crashed("SIGSEGV", None), "MAML903", 41, "the sandbox process ended: SIGSEGV"),
        (
            Crashed(None, 0),
            "MAML903",
            41,
            "the sandbox process ended: exit code 0 without an answer",
        ),
    ],
)
def test_every_other_end_is_a_coded_error(
    outcome: Outcome, code: str, line: int, message: str
) -> None:
    with pytest.raises(KernelError) as caught:
        calls.returned(outcome, BLOCK, file="f", phase="propagate")
    assert caught.value.where is not None
    found = (caught.value.code, caught.value.where.line, caught.value.message, caught.value.phase)
    assert found == (code, line, message, "propagate")


def test_a_return_passes() -> None:
    assert calls.returned(Returned(1), BLOCK, file="f", phase="embed").value == 1


def test_blobs_cross_as_attachments_and_back(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    blob = store.put(b"data", media="application/octet-stream")
    value = {"a": [{"$blob": blob, "bytes": 4, "media": "application/octet-stream"}], "b": 1}
    packed, attachments = calls.pack(value, store)
    assert packed == {"a": [{"$attachment": 0}], "b": 1}
    assert attachments == [Attachment("application/octet-stream", b"data")]
    assert calls.unpack(packed, attachments, store, []) == value


def test_a_blob_that_is_named_often_is_read_and_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ContentStore(tmp_path)
    found = [Attachment("application/octet-stream", b"data")]
    asked: list[str] = []
    put, get = ContentStore.put, ContentStore.get
    monkeypatch.setattr(ContentStore, "put", lambda *a, **k: (asked.append("put"), put(*a, **k))[1])
    monkeypatch.setattr(ContentStore, "get", lambda *a: (asked.append("get"), get(*a))[1])
    value = calls.unpack({"x": [{"$attachment": 0}] * 3}, found, store, [])
    packed, attachments = calls.pack(value, store)
    assert packed == {"x": [{"$attachment": 0}] * 3}
    assert attachments == found
    assert asked == ["put", "get"]


def test_a_long_key_is_not_copied_for_each_value_below_it(tmp_path: Path) -> None:
    value = {"k" * 2**20: [{"$blob": "sha256:"}]}
    with pytest.raises(NotCanonicalError) as caught:
        calls.unpack(value, [], ContentStore(tmp_path), [])  # type: ignore[arg-type]
    assert caught.value.path == f"$.{'k' * 80}[0]"


@pytest.mark.parametrize(
    "value",
    [
        {"$attachment": 1},
        {"$attachment": "0"},
        {"$attachment": -1},
        {"$blob": "sha256:" + "0" * 64, "bytes": 1, "media": "application/x-npy"},
        {"$blob": "sha256:" + "1" * 64},
        {"$blob": ["sha256:" + "1" * 64]},
    ],
)
def test_forged_references_are_refused(tmp_path: Path, value: dict[str, object]) -> None:
    data = [Attachment("application/octet-stream", b"x")]
    with pytest.raises(NotCanonicalError):
        calls.unpack({"x": value}, data, ContentStore(tmp_path), ["sha256:" + "1" * 64])  # type: ignore[dict-item]


@pytest.mark.parametrize("value", [None, [1], "x", 3, {"x": float("nan")}, {"x": 2**53}])
def test_a_kernel_returns_one_json_object(value: object) -> None:
    with pytest.raises(KernelError, match="MAML904"):
        calls.json_object(value, BLOCK, file="f", phase="measure")  # type: ignore[arg-type]


def test_the_hint_of_a_refusal_is_a_hint() -> None:
    frames = (Frame("k", "run", 3, 5, ""),)
    text = "MAML505: row [0]  is wrong\nand so on  [look at it]"
    with pytest.raises(KernelError) as caught:
        calls.returned(
            Raised("BlocksError", text, "k", 3, 5, frames), BLOCK, file="f", phase="propagate"
        )
    assert caught.value.message == "row [0]  is wrong\nand so on"
    assert caught.value.hint == "look at it"
