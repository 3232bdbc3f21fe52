from __future__ import annotations

import pytest

from chimera_pipelines.maml.text import MAX_BODY, MAX_FRONT, read_bytes


def said(data: bytes):
    return [(d.code, d.span.line, d.span.column) for d in read_bytes(data).diagnostics]


def test_plain_text_is_read_as_it_is():
    text = read_bytes("a\n🐪 ⚛️\n".encode())
    assert text.readable
    assert not text.diagnostics
    assert text.text == text.body == "a\n🐪 ⚛️\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xef\xbb\xbfa", [("MAML102", 1, 1)]),
        (b"a\nb\r\nc\r\n", [("MAML102", 2, 1)]),
        (b"\xef\xbb\xbfa\nb\r\n", [("MAML102", 1, 1), ("MAML102", 2, 1)]),
        (b"a\n\xf0\x9f\x90\xaa\xff\xfe", [("MAML101", 2, 2)]),
        (b"ok\r\n\xc3(", [("MAML102", 1, 1), ("MAML101", 2, 1)]),
        (b"\xed\xa0\x80", [("MAML101", 1, 1)]),
        (b"a\r\n\r\rb\r", [("MAML102", 1, 1), ("MAML103", 2, 1)]),
        ("x\u202e\u202e\n\u00adz\n".encode(), [("MAML103", 1, 2), ("MAML103", 2, 1)]),
        ("a\ufeffb".encode(), [("MAML103", 1, 2)]),
        (b"tab\tis fine", []),
        ("nel\u0085".encode(), [("MAML103", 1, 4)]),
    ],
)
def test_characters(data, expected):
    assert said(data) == expected


def test_hidden_characters_are_read_on_as_replacement():
    assert read_bytes("a\u200bb".encode()).body == "a\ufffdb"


def test_below_history_hidden_characters_are_the_entries_business():
    text = read_bytes("a\n## History\n\u200b\n".encode())
    assert not text.diagnostics
    assert text.body == "a\n"


@pytest.mark.parametrize("history", [b"", b"## History\n" + b"- x\n" * 190_000])
def test_size_is_that_of_what_stands_above_history(history):
    assert said(b"a" * (MAX_BODY - 1) + b"\n" + history) == []
    assert said(b"a" * MAX_BODY + b"\n" + history) == [("MAML104", 1, 1)]


def test_history_of_endless_lines_is_refused():
    assert said(b"a\n## History\n" + b"- x\n" * 200_001) == [("MAML104", 1, 1)]


def test_size_of_front_matter():
    inner = MAX_FRONT - 8
    assert said(b"---\n" + b"a" * (inner - 1) + b"\n---\n") == []
    assert said(b"---\n" + b"a" * inner + b"\n---\n") == [("MAML104", 1, 1)]


def test_crlf_counts_as_one_byte():
    assert said(b"\r\n" * (MAX_BODY - 8)) == [("MAML102", 1, 1)]


def test_nothing_else_is_said_of_what_is_too_large():
    text = read_bytes(b"\xff\r\n" * MAX_BODY)
    assert [d.code for d in text.diagnostics] == ["MAML104"]
    assert not text.readable
