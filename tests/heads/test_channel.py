from __future__ import annotations

from threading import Thread

import pytest

from chimera_pipelines.heads.channel import Channel


def test_messages_keep_their_bounds_and_order() -> None:
    ours, theirs = Channel.pair()
    ours.send({"n": 1, "text": "x" * 100_000})
    ours.send({"n": 2})
    assert [theirs.receive(), theirs.receive()] == [{"n": 1, "text": "x" * 100_000}, {"n": 2}]
    theirs.send({"n": 3})
    assert ours.receive() == {"n": 3}


def test_threads_send_whole_messages() -> None:
    ours, theirs = Channel.pair()
    theirs.settimeout(30)
    threads = [Thread(target=ours.send, args=({"n": n},)) for n in range(8)]
    for thread in threads:
        thread.start()
    found = [theirs.receive() for _ in threads]
    for thread in threads:
        thread.join(30)
    assert sorted(message["n"] for message in found if message) == list(range(8))


def test_the_end_of_the_other_side_is_none_and_sending_to_it_an_error() -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    assert ours.receive() is None
    with pytest.raises(OSError):  # noqa: PT011 - any that says that nobody is there
        ours.send({})


def test_nothing_yet_is_not_the_end() -> None:
    ours, _theirs = Channel.pair()
    ours.settimeout(0)
    with pytest.raises(BlockingIOError):
        ours.receive()
