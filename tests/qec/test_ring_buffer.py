"""The ring against a list: any interleaving, two threads, two processes, damage, and the host."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zlib
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.qec.ring_buffer import SyndromeRingBuffer
from chimera_pipelines.qec.ring_buffer_memory import PAGE, SLOT_HEAD, RingError

STEPS = st.lists(st.one_of(st.binary(max_size=12), st.none(), st.just("flush")), max_size=80)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(1, 5), st.integers(0, 4))
def test_any_interleaving_is_a_bounded_queue(steps: list[object], slots: int, host: int) -> None:
    """Pushes (bytes), pops (None) and flushes against a deque: order, bounds and counters."""
    ring = SyndromeRingBuffer.create(slots, 12, host_slots=host)
    model: deque[bytes] = deque()
    spilled, given_, taken = deque[bytes](), 0, 0
    for step in steps:
        if step is None:
            want = model.popleft() if model else None
            assert ring.try_pop() == want
            taken += want is not None
            continue
        while spilled and len(model) < slots:
            model.append(spilled.popleft())
        if step == "flush":
            assert ring.flush() == (not spilled)
        elif len(model) < slots:
            assert ring.try_push(step)  # type: ignore[arg-type]
            model.append(step)  # type: ignore[arg-type]
            given_ += 1
        else:
            fits = len(spilled) < host
            assert ring.try_push(step) == fits  # type: ignore[arg-type]
            if fits:
                spilled.append(step)  # type: ignore[arg-type]
                given_ += 1
        counters = ring.counters()
        assert counters.pushed == given_
        assert counters.popped == taken
        assert (counters.in_ring, counters.in_host) == (len(model), len(spilled))
        assert counters.deepest <= host
        assert counters.spilled >= counters.in_host
    rest = []
    while ring.counters().in_ring or ring.counters().in_host:
        ring.flush()
        rest.append(ring.try_pop())
    assert rest == [*model, *spilled]
    ring.close()


def messages(count: int) -> list[bytes]:
    return [bytes([n % 251]) * (n % 33) for n in range(count)]


@pytest.mark.parametrize("host", [0, 7])
def test_two_threads_lose_nothing(host: int) -> None:
    ring = SyndromeRingBuffer.create(3, 32, host_slots=host)
    sent, got = messages(5000), list[bytes]()

    def consume() -> None:
        while (data := ring.pop(timeout_s=30)) is not None:
            got.append(data)

    thread = threading.Thread(target=consume)
    thread.start()
    for data in sent:
        ring.push(data, timeout_s=30)
    while not ring.end():
        pass
    thread.join(30)
    assert got == sent
    assert ring.counters().in_host == 0


def test_a_forked_consumer_gets_everything_in_order() -> None:
    ring = SyndromeRingBuffer.create(8, 32)
    back = SyndromeRingBuffer.create(1, 8)
    sent = messages(20_000)
    child = os.fork()
    if child == 0:
        try:
            check, count = 0, 0
            while (data := ring.pop(timeout_s=60)) is not None:
                check, count = zlib.crc32(data, check), count + 1
            back.push(check.to_bytes(4, "little") + count.to_bytes(4, "little"))
        finally:
            os._exit(0)
    check = 0
    for data in sent:
        ring.push(data, timeout_s=60)
        check = zlib.crc32(data, check)
    assert ring.end()
    told = back.pop(timeout_s=60)
    os.waitpid(child, 0)
    assert told == check.to_bytes(4, "little") + len(sent).to_bytes(4, "little")


READER = """
import sys
from pathlib import Path
from chimera_pipelines.qec.ring_buffer import SyndromeRingBuffer
ring = SyndromeRingBuffer.open(Path(sys.argv[1]))
total = 0
while (data := ring.pop(timeout_s=60)) is not None:
    total += sum(data)
ring.close()
print(total)
"""


def test_a_process_that_is_no_child_opens_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    ring = SyndromeRingBuffer.create(4, 32, path=path)
    assert path.stat().st_mode & 0o777 == 0o600
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE, text=True
    ) as reader:
        sent = messages(2000)
        for data in sent:
            ring.push(data, timeout_s=60)
        assert ring.end()
        out, _ = reader.communicate(timeout=60)
    assert int(out) == sum(map(sum, sent))
    assert ring.counters().popped == len(sent)


def test_a_full_ring_holds_back_and_says_so() -> None:
    ring = SyndromeRingBuffer.create(2, 4)
    assert ring.try_push(b"a")
    assert ring.try_push(b"b")
    assert not ring.try_push(b"c")
    with pytest.raises(RingError, match="no slot of 2") as caught:
        ring.push(b"c", timeout_s=0.01)
    assert caught.value.code == "CHIM798"
    assert ring.counters().waits == 1
    assert [ring.try_pop(), ring.try_pop(), ring.try_pop()] == [b"a", b"b", None]


def test_what_spills_is_counted_and_comes_in_order() -> None:
    ring = SyndromeRingBuffer.create(1, 4, host_slots=2)
    assert [ring.try_push(bytes([n])) for n in range(4)] == [True, True, True, False]
    counters = ring.counters()
    assert (counters.in_ring, counters.in_host, counters.spilled, counters.deepest) == (1, 2, 2, 2)
    assert not ring.end()
    assert ring.try_pop() == b"\0"
    assert not ring.flush()
    assert ring.try_pop() == b"\1"
    assert ring.end()
    assert ring.pop() == b"\2"
    assert ring.pop() is None


def test_a_consumer_that_has_left_and_a_producer_that_is_gone() -> None:
    ring = SyndromeRingBuffer.create(1, 4)
    with pytest.raises(RingError, match="no message") as caught:
        ring.pop(timeout_s=0.01)
    assert caught.value.code == "CHIM798"
    ring.leave()
    with pytest.raises(RingError, match="has left"):
        ring.try_push(b"a")


@pytest.mark.parametrize(
    ("slots", "size", "host"), [(0, 8, 0), (1, 0, 0), (1, 8, -1), (1 << 40, 8, 0)]
)
def test_sizes_that_are_none(slots: int, size: int, host: int) -> None:
    with pytest.raises(RingError) as caught:
        SyndromeRingBuffer.create(slots, size, host_slots=host)
    assert caught.value.code == "CHIM797"


def test_a_message_longer_than_a_slot_is_refused_whole() -> None:
    ring = SyndromeRingBuffer.create(2, 8)
    with pytest.raises(RingError, match="9 bytes"):
        ring.try_push(bytes(9))
    assert ring.try_pop() is None


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    ring = SyndromeRingBuffer.create(2, 8, path=path)
    ring.push(b"syndrome")
    data = bytearray(path.read_bytes())
    data[PAGE + SLOT_HEAD] ^= 1
    path.write_bytes(data)
    with pytest.raises(RingError, match="checksum") as caught:
        ring.try_pop()
    assert caught.value.code == "CHIM797"


def test_a_second_consumer_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    ring = SyndromeRingBuffer.create(1, 8, path=path)
    ring.push(b"one")
    data = path.read_bytes()
    assert ring.try_pop() == b"one"
    ring.push(b"two")
    late = bytearray(path.read_bytes())
    late[24 * 8 : 25 * 8] = data[24 * 8 : 25 * 8]  # the counter of messages read, set back
    path.write_bytes(late)
    with pytest.raises(RingError, match="overwritten"):
        ring.try_pop()


def test_files_that_are_no_ring(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    with pytest.raises(RingError, match="no ring"):
        SyndromeRingBuffer.open(path)
    path.write_bytes(b"x" * 8192)
    with pytest.raises(RingError, match="no ring"):
        SyndromeRingBuffer.open(path)
    path.unlink()
    SyndromeRingBuffer.create(2, 8, path=path).close()
    with pytest.raises(RingError, match="cannot be made"):
        SyndromeRingBuffer.create(2, 8, path=path)
    data = path.read_bytes()
    path.write_bytes(data[:-8])
    with pytest.raises(RingError, match="do not fill"):
        SyndromeRingBuffer.open(path)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(RingError):
        SyndromeRingBuffer.open(tmp_path / "link")
