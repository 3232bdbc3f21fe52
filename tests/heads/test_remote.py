"""A head of another process does what the head of this one does; here over a socket pair."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.errors import CheckpointError, HeadUnavailableError, KernelError
from chimera_pipelines.heads import register_frames
from chimera_pipelines.heads.local import LocalHead, build_head
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.heads.remote import RemoteHead
from chimera_pipelines.heads.wire import Connection
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.record import circuits_from_json
from chimera_pipelines.quantum.write import encode_circuits
from tests.quantum.circuits import ghz

KEYS = (b"a" * 32, b"b" * 32)
ROOM = 1 << 16


@contextlib.contextmanager
def remote_of(head):
    ours, theirs = socket.socketpair()
    server = Connection(theirs, KEYS)

    def serve():
        with contextlib.suppress(EOFError, OSError):
            while True:
                server.send(*register_frames.serve(head, server.receive()))

    thread = threading.Thread(target=serve)
    thread.start()
    with RemoteHead("HEAD_1", Connection(ours, KEYS[::-1])) as client:
        yield client
    thread.join(10)
    server.close()


@pytest.fixture
def local() -> LocalHead:
    return build_head("HEAD_1", "cpu", memory_bytes=ROOM, incarnation=2)


@pytest.fixture
def remote(local):
    with remote_of(local) as head:
        yield head


def test_it_is_a_head(remote, local):
    head: Head = remote
    assert head.describe() == local.describe()
    assert head.describe().incarnation == 2
    head.expect_circuits()


def test_registers_go_through_the_phases_there(remote, local):
    circuits, is_list = circuits_from_json(encode_circuits(ghz(3))[0])
    embedded = remote.embed(circuits, is_list)
    register = remote.propagate(embedded, shots=100, seed=7)
    found = remote.measure(register, shots=100, seed=7)
    assert found == local.measure(register, shots=100, seed=7)
    assert set(found.results[0].counts) == {"000", "111"}
    data = remote.snapshot(register)
    assert data == local.snapshot(register)
    again = remote.restore(data)
    assert remote.measure(again, shots=100, seed=7) == found
    for handle in (embedded, register, again, again):
        remote.drop(handle)
    assert local.bank.used == 0


def test_features_and_observables_travel(remote):
    circuits, is_list = circuits_from_json(encode_circuits(QuantumCircuit(1))[0])
    rows = Embedding.from_options({"method": "angle"}, [[0.0], [3.141592653589793]])
    register = remote.propagate(
        remote.embed(circuits, is_list, rows), shots=None, seed=1, observable={"Z": 1.0}
    )
    found = remote.measure(register, shots=None, seed=1, observable={"Z": 1.0})
    assert [r.expectation for r in found.results] == pytest.approx([1.0, -1.0])


def test_a_register_beyond_the_bank_is_refused_with_both_numbers(remote):
    circuits, is_list = circuits_from_json(encode_circuits(ghz(14))[0])
    embedded = remote.embed(circuits, is_list, method="statevector")
    with pytest.raises(KernelError, match=r"\d+ bytes") as refused:
        remote.propagate(embedded, shots=None, seed=1)
    assert refused.value.code == "MAML413"
    assert refused.value.phase == "propagate"


def test_errors_keep_their_class(remote):
    with pytest.raises(CheckpointError) as refused:
        remote.restore(b"no snapshot")
    assert refused.value.code == "CHIM705"


def test_sessions_stay_where_they_are(remote):
    with pytest.raises(HeadUnavailableError) as refused:
        remote.open(None)
    assert refused.value.code == "CHIM706"


def test_a_head_that_is_gone_says_so():
    ours, theirs = socket.socketpair()
    theirs.close()
    head = RemoteHead("HEAD_1", Connection(ours, KEYS))
    with head, pytest.raises(HeadUnavailableError, match="HEAD_1") as gone:
        head.describe()
    assert gone.value.code == "CHIM714"


def test_no_agent_is_said_so(tmp_path):
    with pytest.raises(HeadUnavailableError, match="does not run"):
        RemoteHead.of(tmp_path / "heads", "HEAD_1")
