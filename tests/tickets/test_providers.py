from __future__ import annotations

import sys
import types

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.tickets import providers

SEED = bytes(range(32))


@pytest.fixture(autouse=True)
def fresh():
    providers.choose.cache_clear()
    yield
    providers.choose.cache_clear()


class FakeNative:
    """The random-generator hook of liboqs."""

    def __init__(self) -> None:
        self.hook = None
        self.switched: list[bytes] = []

    def OQS_randombytes_custom_algorithm(self, hook):  # noqa: N802  the C name
        self.hook = hook

    def OQS_randombytes_switch_algorithm(self, name):  # noqa: N802  the C name
        self.hook = None
        self.switched.append(name)


def fake_oqs(*, wrong_key: bool = False, wrong_signature: bool = False) -> types.ModuleType:
    """A stand-in for liboqs-python that signs with pyca."""
    native = FakeNative()

    class Signature:
        def __init__(self, algorithm, secret=None):
            self.kind = getattr(mldsa, f"MLDSA{algorithm[-2:]}PrivateKey")
            self.secret = secret

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def generate_keypair(self):
            from ctypes import POINTER, c_uint8, cast

            buffer = (c_uint8 * 32)()
            native.hook(cast(buffer, POINTER(c_uint8)), 32)
            self.secret = bytes(buffer) if not wrong_key else bytes(32)
            return self.kind.from_seed_bytes(self.secret).public_key().public_bytes_raw()

        def export_secret_key(self):
            return self.secret

        def sign(self, message):
            message = b"other" if wrong_signature else message
            return self.kind.from_seed_bytes(self.secret).sign(message)

    module = types.ModuleType("oqs")
    module.native = lambda: native
    module.Signature = Signature
    module.get_enabled_sig_mechanisms = lambda: ["ML-DSA-65"]
    module.oqs_version = lambda: "0.16.0"
    module.fake = native
    return module


@pytest.mark.parametrize("algorithm", providers.ALGORITHMS)
def test_signatures_verify_and_are_hedged(algorithm):
    sign = providers.CryptographyProvider("test").signing(algorithm, SEED)
    public = providers.public_key(algorithm, SEED)
    first, second = sign(b"message"), sign(b"message")
    assert first != second
    assert providers.verify(algorithm, public, b"message", first)
    assert not providers.verify(algorithm, public, b"massage", first)
    assert not providers.verify(algorithm, public, b"message", first[:-1])


@pytest.mark.parametrize("algorithm", providers.ALGORITHMS)
def test_liboqs_gives_the_same_key_and_leaves_the_generator_alone(algorithm):
    oqs = fake_oqs()
    provider = providers.LiboqsProvider(oqs, "fake")
    signature = provider.signing(algorithm, SEED)(b"message")
    public = providers.public_key(algorithm, SEED)
    assert providers.verify(algorithm, public, b"message", signature)
    assert oqs.fake.switched == [b"system"]
    assert oqs.fake.hook is None


@pytest.mark.parametrize("wrong", ["wrong_key", "wrong_signature"])
def test_providers_that_disagree_are_an_error(wrong):
    provider = providers.LiboqsProvider(fake_oqs(**{wrong: True}), "fake")
    with pytest.raises(SettingsError, match="disagree") as raised:
        provider.signing("ML-DSA-65", SEED)
    assert raised.value.code == "CHIM224"


def test_auto_takes_liboqs_where_it_works(monkeypatch):
    monkeypatch.setattr(providers, "_liboqs_library", lambda: "/lib/liboqs.so")
    monkeypatch.setitem(sys.modules, "oqs", fake_oqs())
    chosen = providers.choose("auto")
    assert chosen.name == "liboqs"
    assert "0.16.0" in chosen.detail
    assert providers.choose("cryptography").name == "cryptography"


def test_a_liboqs_that_expands_a_known_seed_otherwise_is_not_used(monkeypatch):
    monkeypatch.setattr(providers, "_liboqs_library", lambda: "/lib/liboqs.so")
    monkeypatch.setitem(sys.modules, "oqs", fake_oqs(wrong_key=True))
    chosen = providers.choose("auto")
    assert chosen.name == "cryptography"
    assert "known-answer" in chosen.detail


def test_liboqs_asked_for_and_absent_is_an_error(monkeypatch):
    monkeypatch.setattr(providers, "_liboqs_library", lambda: None)
    assert "not found" in providers.choose("auto").detail
    with pytest.raises(SettingsError) as raised:
        providers.choose("liboqs")
    assert raised.value.code == "CHIM224"


@pytest.mark.parametrize("ending", ["raise SystemExit(1)", "raise ValueError('no library')"])
def test_an_import_that_wants_to_end_the_process_does_not(monkeypatch, tmp_path, capsys, ending):
    (tmp_path / "oqs.py").write_text(
        "import os\nprint('loud')\nassert os.environ['PYOQS_VERSION'] == 'disabled'\n" + ending
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "oqs", raising=False)
    monkeypatch.delenv("PYOQS_VERSION", raising=False)
    monkeypatch.setattr(providers, "_liboqs_library", lambda: "/lib/liboqs.so")
    assert "import of oqs fails" in providers.choose("auto").detail
    assert capsys.readouterr().out == ""
    assert "PYOQS_VERSION" not in __import__("os").environ
