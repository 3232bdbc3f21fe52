from __future__ import annotations

import pytest

from chimera_pipelines.maml.sections import read_body
from tests.maml.documents import codes


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a <!-- b --> c <!---->", [(1, 3), (1, 16)]),
        ("``a ` <!-- x --> `` <!-- y -->", [(1, 21)]),
        ("` <!-- not code -->", [(1, 3)]),
        ("\\`<!-- a -->\\`", [(1, 3)]),
        ("\\<!-- a -->", []),
        ("a <!-- never closed", []),
        ("<div><!-- a --> <!-- b --></div>", [(1, 6), (1, 17)]),
        ("> a\n> <!-- b\n> c -->", [(2, 3)]),
        ("a <!-- b\n\nc -->", []),
        ("# Title <!-- a -->", [(1, 9)]),
    ],
)
def test_where_comments_begin(text, places):
    found = codes(read_body(text + "\n", 1).diagnostics)
    assert found == [("MAML105", line, column) for line, column in places]
