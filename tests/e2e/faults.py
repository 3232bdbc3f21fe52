"""Preloaded into the heads of a test: faults that no signal from outside can make.

Each is done once, when its mark is found in the folder TEST_MARKS, and takes its mark away:
`corrupt_HEAD`     flips a byte of the next frame that the head sends of a work
`missign_HEAD`     the next ticket that the head signs has a wrong signature
`lose_device_HEAD` the next propagation of a circuit raises CUDA's words for a lost device
`die_KEY`          the head is killed when step KEY has started
`die_after_KEY`    the head is killed when step KEY has ended, before it tells
`hold_KEY`         the head sleeps when step KEY has started, until someone ends it
`poison_KEY`       as `die_KEY`, and the mark stays
`full_STORE`       no new share file finds room in that store, as long as the mark is there
`die_passN_KERNEL` the head is killed at the end of pass N of a kernel's loop
`eat_KEY`          the head takes more memory than there is when step KEY has started

The file TEST_TOLD gets a line for each step that a head has told the end of: `RUN KEY`; the file
`passes` beside it one for each pass of a loop that came to its end: `KERNEL N`.
"""

import errno
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

from chimera_pipelines.heads import wire
from chimera_pipelines.heads.head_server import HeadServer
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.lifecycle.carried import Carried
from chimera_pipelines.lifecycle.journal_entries import Draft

MARKS = Path(os.environ["TEST_MARKS"])
TOLD = Path(os.environ["TEST_TOLD"])
EATEN = 8 << 30


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
sign = Draft._sign
propagate = LocalHead.propagate
ended = Carried.ended
allocate = os.posix_fallocate


unheard = threading.Event()  # who gets a corrupted frame reads nothing more


def send_or_corrupt(sock, parts):
    whole = b"".join(bytes(part) for part in parts)
    if b'"key"' in whole and of_head("corrupt"):  # the start or the end of a step
        unheard.set()
        at = len(whole) // 2
        whole = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
    send(sock, [whole])


def emit_or_die(self, job, frame):
    key = frame.get("key")
    if frame.get("is") == "end" and marked(f"die_after_{key}"):
        die()
    emit(self, job, frame)
    if frame.get("is") == "end" and "error" not in frame and not unheard.is_set():
        tell(f"{job.work.id.partition(':')[0]} {key}\n")
    if frame.get("is") == "start" and marked(f"hold_{key}"):
        time.sleep(60)
    if frame.get("is") == "start" and marked(f"eat_{key}"):
        b"x" * EATEN
    if frame.get("is") == "start" and (marked(f"die_{key}") or (MARKS / f"poison_{key}").exists()):
        die()


def tell(line, file=TOLD):
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(out, line.encode())
    os.close(out)


def sign_or_not(self, action, fields, signer, now):
    if action == "TICKET" and of_head("missign"):
        right = signer
        signer = replace(right, _sign=lambda message: signed_wrongly(right.sign(message)))
    return sign(self, action, fields, signer, now)


def signed_wrongly(signature):
    return bytes([signature[0] ^ 1]) + signature[1:]


def propagate_or_lose(self, handle, **options):
    if of_head("lose_device"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    return propagate(self, handle, **options)


def allocate_or_be_full(descriptor, offset, size):
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    if any((MARKS / f"full_{part}").exists() for part in path.parts):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    allocate(descriptor, offset, size)


os.posix_fallocate = allocate_or_be_full


def ended_or_die(self, invocation, output, *more):
    tell(f"{invocation.kernel} {self.iteration}\n", TOLD.with_name("passes"))
    if marked(f"die_pass{self.iteration}_{invocation.kernel}"):
        die()
    ended(self, invocation, output, *more)


wire._send_all = send_or_corrupt
HeadServer._emit = emit_or_die
Draft._sign = sign_or_not
LocalHead.propagate = propagate_or_lose
Carried.ended = ended_or_die
