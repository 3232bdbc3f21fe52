"""Preloaded into the heads of a test: faults that no signal from outside can make.

Each is done once, when its mark is found in the folder CHIMERA_TEST_MARKS, and takes its mark away:
`corrupt_HEAD`     flips a byte of the next frame that the head sends of a work
`missign_HEAD`     the next signature is wrong
`lose_device_HEAD` the next propagation, or call of a block, raises CUDA's words for a lost device
`die_KEY`          the head is killed when step KEY has started
`die_after_KEY`    the head is killed when step KEY has ended, before it tells
`poison_KEY`       as `die_KEY`, and the mark stays
"""

import os
import signal
from pathlib import Path

from chimera_pipelines.heads import wire
from chimera_pipelines.heads.head_server import HeadServer
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.tickets.keys import StoredSigner

MARKS = Path(os.environ["CHIMERA_TEST_MARKS"])


def marked(name):
    """Whether the mark was there; it is taken away, by one process alone."""
    try:
        (MARKS / name).unlink()
    except FileNotFoundError:
        return False
    return True


def of_head(name):
    return marked(f"{name}_{os.environ.get('CHIMERA_HEAD')}")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


send = wire._send_all
emit = HeadServer._emit
sign = StoredSigner.sign
measure, propagate = phases.measure, phases.propagate


def send_or_corrupt(sock, parts):
    whole = b"".join(bytes(part) for part in parts)
    if b'"work"' in whole and of_head("corrupt"):
        at = len(whole) // 2
        whole = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
    send(sock, [whole])


def emit_or_die(self, job, frame):
    key = frame.get("key")
    if frame.get("is") == "end" and marked(f"die_after_{key}"):
        die()
    emit(self, job, frame)
    if frame.get("is") == "start" and (marked(f"die_{key}") or (MARKS / f"poison_{key}").exists()):
        die()


def sign_or_not(self, message):
    signature = sign(self, message)
    if os.environ.get("CHIMERA_HEAD") and of_head("missign"):
        return bytes([signature[0] ^ 1]) + signature[1:]
    return signature


def propagate_or_lose(run, before):
    if of_head("lose_device"):
        run.services.here.head._engine = Lost()
    return propagate(run, before)


class Lost:
    """An engine whose device has gone."""

    def propagate(self, *_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


wire._send_all = send_or_corrupt
HeadServer._emit = emit_or_die
StoredSigner.sign = sign_or_not
phases.propagate = propagate_or_lose
