from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.dsse import envelope, pae, to_be_signed
from chimera_pipelines.tickets.jwks import TrustedKey, read_jwks, trusted_key
from chimera_pipelines.tickets.statement import payload

EXAMPLES = Path(__file__).parents[1] / "vectors" / "examples" / "signed"
ID = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"


def stock_key(key: TrustedKey) -> SSlibKey:
    """The key as stock securesystemslib takes it."""
    public = load_der_public_key(providers.spki(key.algorithm, key.public))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    scheme = key.algorithm.lower() + "/1"
    return SSlibKey(key.key_id, "ml-dsa", scheme, {"public": pem})


def test_pae():
    assert pae(b"{}") == b"DSSEv1 28 application/vnd.in-toto+json 2 {}"


def test_the_example_envelope_is_what_we_export():
    entry = parse_history((EXAMPLES / "h2_vqe.maml.md").read_bytes())[2]
    body = payload(entry.action, entry.timestamp, entry.fields, ID)
    made = envelope(body, entry.fields["key"], entry.signature)
    assert made == json.loads((EXAMPLES / "ticket_2.dsse.json").read_bytes())


def test_stock_securesystemslib_verifies_every_entry_of_the_example():
    ring = read_jwks(EXAMPLES / "keys.jwks.json")
    for entry in parse_history((EXAMPLES / "h2_vqe.maml.md").read_bytes())[1:]:
        body = payload(entry.action, entry.timestamp, entry.fields, ID)
        made = envelope(body, entry.fields["key"], entry.signature)
        key = stock_key(ring.get(entry.fields["key"])[0])
        accepted = Envelope.from_dict(json.loads(json.dumps(made))).verify([key], 1)
        assert list(accepted) == [entry.fields["key"]]


@pytest.mark.parametrize("algorithm", providers.ALGORITHMS)
def test_stock_securesystemslib_verifies_what_we_sign(algorithm):
    seed = bytes(range(32))
    key = trusted_key(algorithm, providers.public_key(algorithm, seed), "gateway://a/b")
    sign = providers.CryptographyProvider("test").signing(algorithm, seed)
    made = envelope(b'{"x":1}', key.key_id, sign(to_be_signed(b'{"x":1}')))
    stock = stock_key(key)
    text = json.dumps(made)
    assert Envelope.from_dict(json.loads(text)).verify([stock], 1)
    with pytest.raises(VerificationError):
        Envelope.from_dict({**json.loads(text), "payload": "eyJ4IjoyfQ=="}).verify([stock], 1)
