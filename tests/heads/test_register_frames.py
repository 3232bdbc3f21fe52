from __future__ import annotations

import json

import pytest

from chimera_pipelines.heads.frames import Message
from chimera_pipelines.heads.local import build_head
from chimera_pipelines.heads.register_frames import embedding_json, embedding_of, info_of, serve
from chimera_pipelines.quantum.embedding import Embedding


@pytest.fixture
def head():
    return build_head("HEAD_1", "cpu", memory_bytes=1 << 20, incarnation=3)


def ask(head, op, *buffers, **more):
    frame = {"do": "register", "id": 5, "op": op, **more}
    return serve(head, Message(frame, tuple(memoryview(item) for item in buffers)))


def test_an_embedding_round_trips_through_text():
    embedding = Embedding("angle", ((0.5, 1.0), (2.0, 3.5)), is_list=True, qubits=2, scale=0.5)
    assert embedding_of(json.loads(json.dumps(embedding_json(embedding)))) == embedding


def test_a_description_round_trips(head):
    answer, buffers = ask(head, "describe")
    assert buffers == ()
    assert answer["id"] == 5
    assert info_of(answer["value"]) == head.describe()


def test_an_error_of_the_head_is_the_answer(head):
    handle = {"head": "HEAD_1", "process": "x", "id": 1, "stage": "embedded", "nbytes": 1}
    answer, _ = ask(head, "snapshot", handle=handle)
    assert answer["error"]["code"] == "CHIM703"
    answer, _ = ask(head, "restore", b"nonsense")
    assert answer["error"]["code"] == "CHIM705"
    answer, _ = ask(head, "restore")
    assert answer["error"]["kind"] == "IndexError"


def test_an_unknown_operation_is_no_frame_of_ours(head):
    with pytest.raises(LookupError):
        ask(head, "explode")
