from __future__ import annotations

import json
from pathlib import Path

import pytest

from chimera_pipelines.errors import UsageError
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.jwks import (
    KeyRing,
    gateway_of,
    head_holder,
    key_id,
    load_jwks,
    read_jwks,
    trusted_key,
)
from chimera_pipelines.timestamps import instant

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "digests.json").read_bytes())
KEY = trusted_key("ML-DSA-44", providers.public_key("ML-DSA-44", bytes(32)), "gateway://a/b")


@pytest.mark.parametrize("case", VECTORS["kid"], ids=lambda case: case["alg"])
def test_key_ids(case):
    public = providers.public_key(case["alg"], bytes.fromhex(case["seed"]))
    assert key_id(case["alg"], public) == case["kid"]


def test_a_jwks_is_read_back(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [KEY.as_json()]}))
    assert read_jwks(path) == KeyRing.of([KEY])


@pytest.mark.parametrize(
    "change",
    [
        {"kid": "ML-DSA-44:" + "A" * 43},
        {"kid": None},
        {"alg": "ML-DSA-65"},
        {"alg": "RS256"},
        {"pub": KEY.as_json()["pub"][:-4]},
        {"pub": KEY.as_json()["pub"] + "="},
        {"pub": 3},
        {"x-holder": "agent://a/b"},
        {"x-holder": "head://a/b"},
        {"x-holder": "gateway://a/*"},
        {"x-holder": None},
        {"x-not-before": "2026-01-01"},
        {"x-not-after": 3},
    ],
)
def test_one_unusable_key_makes_the_file_unusable(change):
    other = trusted_key("ML-DSA-44", providers.public_key("ML-DSA-44", b"1" * 32), "gateway://c/d")
    with pytest.raises(UsageError) as raised:
        load_jwks({"keys": [other.as_json(), {**KEY.as_json(), **change}]})
    assert raised.value.code == "CHIM220"
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("value", [None, [], {}, {"keys": {}}, {"keys": [1]}])
def test_what_is_no_jwks(value):
    with pytest.raises(UsageError, match="JWKS"):
        load_jwks(value)


def test_an_unreadable_file_is_a_usage_error(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UsageError) as raised:
            read_jwks(path)
        assert raised.value.code == "CHIM220"


def test_keys_of_other_kinds_are_passed_over():
    assert list(load_jwks({"keys": [{"kty": "RSA"}, KEY.as_json()]})) == [KEY]


def test_both_ends_of_a_keys_time_are_inclusive():
    jwk = {
        **KEY.as_json(),
        "x-not-before": "2026-01-01T00:00:00Z",
        "x-not-after": "2026-01-02T00:00:00Z",
    }
    (key,) = load_jwks({"keys": [jwk]})
    at = instant("2026-01-01T00:00:00Z"), instant("2026-01-02T00:00:00Z")
    assert [key.valid_at(t) for t in (at[0] - 1, at[0], at[1], at[1] + 1)] == [
        *(False, True, True, False),
    ]


def test_holders():
    assert head_holder("gateway://a/b", "HEAD_2") == "head://a/b/HEAD_2"
    assert gateway_of("head://a/b/HEAD_2") == gateway_of("gateway://a/b") == "gateway://a/b"
