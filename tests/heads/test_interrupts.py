from __future__ import annotations

import pytest

from chimera_pipelines.heads.interrupts import Interrupts


def test_an_idle_head_is_not_interrupted():
    interrupts = Interrupts()
    interrupts.handle()
    with interrupts.allowed():
        pass  # the one before was for a work that is over


def test_work_is_interrupted():
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts.allowed():
        interrupts.handle()
    interrupts.handle()


def test_a_frame_is_sent_to_its_end_first():
    interrupts = Interrupts()
    sent = []

    def work():
        with interrupts.allowed(), interrupts.shielded():
            interrupts.handle()
            with interrupts.shielded():
                sent.append("inner")
            sent.append("whole")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert sent == ["inner", "whole"]


def test_outside_of_work_a_shield_raises_nothing():
    interrupts = Interrupts()
    with interrupts.shielded():
        interrupts.handle()
    interrupts.forbid()
    with interrupts.shielded():
        interrupts.handle()
