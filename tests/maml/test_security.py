from __future__ import annotations

import pytest

from chimera_pipelines.maml.reader import read_text
from tests.maml.documents import CODE, codes, document

FLAG = "quantum_security_flag: true"
GRAPH = "## Dependencies\n```yaml\nkernels:\n  k: {%s}\n```\n"


def said(*lines, options=None):
    body = "## Intent\nx\n" + (GRAPH % options if options is not None else "") + CODE
    found = read_text(document(*lines, body=body)).diagnostics
    return [c for c in codes(found) if c[0] != "MAML503"]


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ([FLAG], None, [("MAML705", 9, 24)]),
        ([FLAG, "encryption: aes-256"], None, []),
        ([FLAG, "encryption: none"], None, [("MAML705", 9, 24)]),
        (["quantum_security_flag: false"], None, []),
        ([FLAG], "encryption: aes-512", []),
        ([FLAG, "encryption: aes-256"], "encryption: none", [("MAML705", 17, 19)]),
        ([FLAG], "", [("MAML705", 9, 24)]),
        ([FLAG], "encryption: aes-9", [("MAML403", 16, 19)]),
    ],
)
def test_quantum_flag_needs_encryption_of_every_kernel(lines, options, expected):
    assert said(*lines, options=options) == expected


def test_key_material_is_no_strength():
    found = read_text(document("encryption: aes-2048")).diagnostics
    assert [(d.code, d.severity, d.span.column) for d in found if d.code == "MAML706"] == [
        ("MAML706", "info", 13)
    ]


def test_an_encryption_that_was_not_read_says_nothing():
    assert said(FLAG, "encryption: *a") == [("MAML205", 10, 13)]
