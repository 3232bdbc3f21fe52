from __future__ import annotations

import pytest

from chimera_pipelines.maml.secrets import secret_diagnostics

SECRETS = [
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "-----BEGIN " + "PRIVATE KEY-----",
    "AKIA" + "ABCDEFGHIJ234567",
    "ghp_" + "a1" * 18,
    "sk-" + "proj-" + "a" * 30,
    "xoxb-" + "1",
    "eyJhbGciOi" + ".eyJzdWIi" + ".c2ln",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_each_form_is_found_where_it_begins(secret):
    (found,) = secret_diagnostics(f"a\nkey: {secret}\n")
    assert (found.code, found.span.line, found.span.column) == ("MAML707", 2, 6)
    assert secret not in found.message


@pytest.mark.parametrize(
    "text",
    ["-----BEGIN " + "PUBLIC KEY-----", "AKIA" + "SHORT", "ghx_" + "a" * 36, "ask-" + "a" * 40,
     "sk-" + "a" * 31, "xoxz-1", "eyJhbGci.abc.def", "ghp_" + "a" * 35],
)  # fmt: skip
def test_what_looks_like_one_is_not(text):
    assert not secret_diagnostics(text)


def test_all_of_a_line_are_found():
    assert len(secret_diagnostics(" ".join(SECRETS))) == len(SECRETS)
