from __future__ import annotations

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.engines.choice import (
    check_request,
    readable,
    state_bytes,
    too_large,
)
from chimera_pipelines.quantum.engines.protocol import Request
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import cone, ghz, teleport


def _form(circuit):
    return analyse(write_record(circuit))


def test_bytes_of_states():
    form = _form(ghz(10))
    assert state_bytes(form, Request(1, 0)) == 16 * 2**10
    assert state_bytes(form, Request(1, 0, precision="single"), power=2) == 8 * 2**20


def test_38_qubits_need_2_or_4_tebibytes():
    form = _form(ghz(38))
    for precision, size in (("single", "2 TiB"), ("double", "4 TiB")):
        request = Request(1, 0, precision=precision, room=1 << 33)
        error = too_large(form, request, state_bytes(form, request))
        assert error.code == "MAML413"
        assert size in error.message
        assert "8 GiB" in error.message


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (1 << 30, "1 GiB"),
        (1 << 42, "4 TiB"),
        (1 << 59, "512 PiB"),
        (1 << 131, "2^131 bytes"),
    ],
)
def test_bytes_for_people(number, text):
    assert readable(number) == text


@pytest.mark.parametrize(
    ("circuit", "request_"),
    [
        (ghz(1), Request(10, 0, (Observable.from_json({"Z": 1.0}, 1),))),
        (cone(), Request(10, 0)),
        (teleport(), Request(None, 0)),
    ],
)
def test_what_a_circuit_cannot_answer(circuit, request_):
    with pytest.raises(KernelError) as caught:
        check_request(_form(circuit), request_)
    assert caught.value.code == "MAML319"
    assert caught.value.hint
