from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.heads.register_bank import PropagatedRegister, RegisterBank
from chimera_pipelines.quantum.engines.protocol import Evolved
from chimera_pipelines.quantum.operations import Register
from chimera_pipelines.quantum.record import CircuitRecord

RECORD = CircuitRecord(1, (Register("q", (0,)),), 0, (), ())


def _register(amplitudes: int) -> PropagatedRegister:
    return PropagatedRegister((Evolved(RECORD, {}, np.zeros(amplitudes, dtype=complex)),), False)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=30))
def test_every_byte_is_accounted_for(steps):
    bank = RegisterBank(1000)
    live: dict[int, int] = {}
    for amplitudes, drop in steps:
        size = 16 * amplitudes
        if size <= bank.free:
            live[bank.create(_register(amplitudes))] = size
        else:
            with pytest.raises(KernelError):
                bank.create(_register(amplitudes))
        if drop and live:
            number = next(iter(live))
            bank.drop(number)
            bank.drop(number)
            del live[number]
        assert bank.used == sum(live.values())
        assert bank.free == 1000 - bank.used
        assert len(bank) == len(live)


def test_a_refusal_names_bytes_needed_and_free():
    bank = RegisterBank(100)
    bank.create(_register(2))
    with pytest.raises(KernelError, match="needs 160 bytes; 68 of 100 are free") as caught:
        bank.create(_register(10))
    assert caught.value.code == "MAML413"


def test_a_register_that_is_not_there_is_703():
    with pytest.raises(KernelError) as caught:
        RegisterBank(1).get(5)
    assert caught.value.code == "CHIM703"


def test_a_spare_makes_way_and_a_claimed_one_does_not():
    bank = RegisterBank(capacity_bytes=3 * _register(4).nbytes)
    assert bank.keep_spare("a", _register(4))
    assert bank.keep_spare("b", _register(4))
    assert not bank.keep_spare("b", _register(4)), "one copy of a content is enough"
    kept = bank.claim("a")
    assert bank.create(_register(4)) != kept
    assert not bank.keep_spare("c", _register(4)), "a spare pushes nothing out"
    bank.create(_register(4))
    assert bank.claim("b") is None
    assert bank.get(kept) is not None
    with pytest.raises(KernelError):
        bank.create(_register(4))


def test_spares_that_hold_half_of_the_bank_are_given_up_for_a_propagation():
    size = _register(4).nbytes
    bank = RegisterBank(capacity_bytes=4 * size)
    bank.keep_spare("a", _register(4))
    assert bank.make_room() == 3 * size
    bank.keep_spare("b", _register(4))
    assert bank.make_room() == 4 * size
    assert bank.claim("a") is None
