"""ML-DSA (FIPS 204): who signs and who verifies.

Private keys are 32-byte FIPS 204 seeds, the one form that both providers can load. Signatures are
made by liboqs where its library is present, else by pyca/cryptography. All are verified by
pyca/cryptography, also our own before they are appended (lifecycle/journal_entries.py): liboqs is
faster, but by its own words not for production, so the other stays the second opinion
(evidence/security.md §1).

A bare `import oqs` without its library clones and builds it from the network and then ends the
process. `_import_liboqs` is the only place that imports it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import os
from collections.abc import Callable, Mapping
from ctypes import CFUNCTYPE, POINTER, c_size_t, c_uint8, memmove
from ctypes.util import find_library
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chimera_pipelines.errors import SettingsError

ALGORITHMS: tuple[str, ...] = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
DEFAULT_ALGORITHM = "ML-DSA-65"
SEED_BYTES = 32

_PRIVATE: Mapping[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
_PUBLIC: Mapping[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}
# One key of tests/vectors/digests.json: a provider that expands it otherwise is not used.
_KNOWN_SEED = bytes.fromhex("fc30aa224c61ecf568ca7bff7fe873258eda479580c884639e2c48d525526f6d")
_KNOWN_PUBLIC = "c05885c4482e61bf1393f42e9ea60746eb3dc9cf44b77a25e1e0fb33eb112b7c"

Sign = Callable[[bytes], bytes]


class Provider(Protocol):
    """An implementation of ML-DSA that can sign with a seed."""

    @property
    def name(self) -> str:
        """`liboqs` or `cryptography`."""

    @property
    def detail(self) -> str:
        """Version, and why this one was taken."""

    def signing(self, algorithm: str, seed: bytes) -> Sign:
        """A function that signs bytes, hedged and with an empty context."""


class Signer(Protocol):
    """A key of one holder that can sign."""

    @property
    def key_id(self) -> str:
        """The `key` value of its entries."""

    @property
    def holder(self) -> str:
        """`gateway://…` or `head://…/HEAD_n`."""

    def sign(self, message: bytes) -> bytes:
        """The ML-DSA signature of a message."""


@dataclass(frozen=True, slots=True)
class CryptographyProvider:
    """pyca/cryptography, which is always there."""

    detail: str
    name: str = "cryptography"

    def signing(self, algorithm: str, seed: bytes) -> Sign:
        """A function that signs bytes, hedged and with an empty context."""
        sign: Sign = _PRIVATE[algorithm].from_seed_bytes(seed).sign
        return sign


class LiboqsProvider:
    """liboqs through liboqs-python, for keys about which pyca/cryptography agrees."""

    name = "liboqs"

    def __init__(self, oqs: Any, detail: str) -> None:
        self._oqs = oqs
        self.detail = detail
        # The random generator of liboqs is global to the process: while a seed is expanded through
        # it nothing may sign.
        self._lock = Lock()

    def expand(self, algorithm: str, seed: bytes) -> tuple[bytes, bytes]:
        """Public key and expanded secret key of a seed, by the random-generator hook of liboqs."""
        native = self._oqs.native()

        def fill(target: Any, count: int) -> None:
            # FIPS 204 key generation asks once, for the seed; anything else ends in a wrong key,
            # which the comparison in `signing` finds.
            memmove(target, seed.ljust(count, b"\0"), count)

        hook = CFUNCTYPE(None, POINTER(c_uint8), c_size_t)(fill)
        with self._lock:
            native.OQS_randombytes_custom_algorithm(hook)
            try:
                with self._oqs.Signature(algorithm) as key:
                    return bytes(key.generate_keypair()), bytes(key.export_secret_key())
            finally:
                native.OQS_randombytes_switch_algorithm(b"system")

    def signing(self, algorithm: str, seed: bytes) -> Sign:
        """A function that signs bytes, hedged and with an empty context.

        Raises:
            SettingsError: CHIM224, the two providers do not agree on the key or a first signature.
        """
        public, secret = self.expand(algorithm, seed)
        if public != public_key(algorithm, seed):
            raise _disagreement("public keys")

        def sign(message: bytes) -> bytes:
            with self._lock, self._oqs.Signature(algorithm, secret) as key:
                return bytes(key.sign(message))

        if not verify(algorithm, public, b"first", sign(b"first")):
            raise _disagreement("signatures")
        return sign


def _disagreement(what: str) -> SettingsError:
    return SettingsError(
        "CHIM224",
        f"liboqs and cryptography disagree about {what}",
        hint="set CHIMERA_SIGNATURE_PROVIDER=cryptography and report it",
    )


def public_key(algorithm: str, seed: bytes) -> bytes:
    """The raw public key of a seed."""
    raw: bytes = _PRIVATE[algorithm].from_seed_bytes(seed).public_key().public_bytes_raw()
    return raw


def spki(algorithm: str, public: bytes) -> bytes:
    """DER SubjectPublicKeyInfo of a raw public key.

    Raises:
        ValueError: not a public key of that algorithm.
    """
    der: bytes = _loaded(algorithm, public).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return der


def verify(algorithm: str, public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an ML-DSA signature (empty context) is good, by pyca/cryptography."""
    try:
        _loaded(algorithm, public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=256)
def _loaded(algorithm: str, public: bytes) -> Any:
    return _PUBLIC[algorithm].from_public_bytes(public)


@lru_cache(maxsize=3)
def choose(requested: str = "auto") -> Provider:
    """The provider that signs.

    Args:
        requested: `auto` (liboqs where its library works, else cryptography) or one of both.

    Raises:
        SettingsError: CHIM224, liboqs was asked for and does not work here.
    """
    if requested == "cryptography":
        return CryptographyProvider(f"{_version()}, asked for by settings")
    found = _liboqs()
    if not isinstance(found, str):
        return found
    if requested == "liboqs":
        raise SettingsError(
            "CHIM224",
            f"signature provider 'liboqs' does not work here: {found}",
            hint="install liboqs and liboqs-python, or set CHIMERA_SIGNATURE_PROVIDER=cryptography",
        )
    return CryptographyProvider(f"{_version()}; {found}")


def _version() -> str:
    import cryptography

    return f"cryptography {cryptography.__version__}"


def _liboqs() -> LiboqsProvider | str:
    """The liboqs provider after its known answers, or why there is none."""
    library = _liboqs_library()
    if library is None:
        return "liboqs shared library not found"
    oqs = _import_liboqs()
    if isinstance(oqs, str):
        return oqs
    if DEFAULT_ALGORITHM not in oqs.get_enabled_sig_mechanisms():
        return f"{library} has no {DEFAULT_ALGORITHM}"
    provider = LiboqsProvider(oqs, f"liboqs {oqs.oqs_version()} from {library}")
    public, _ = provider.expand(DEFAULT_ALGORITHM, _KNOWN_SEED)
    if hashlib.sha256(public).hexdigest() != _KNOWN_PUBLIC:
        return f"{library} fails its known-answer test"
    return provider


def _liboqs_library() -> str | None:
    """Path or name of the shared library; None without it or without liboqs-python."""
    if importlib.util.find_spec("oqs") is None:
        return None
    root = Path(os.environ.get("OQS_INSTALL_PATH") or Path.home() / "_oqs")
    candidates = [root / folder / "liboqs.so" for folder in ("lib", "lib64")]
    return next((str(path) for path in candidates if path.exists()), None) or find_library("oqs")


def _import_liboqs() -> Any:
    """The module `oqs`, or why it cannot be imported; never touches the network or ends us."""
    before = os.environ.get("PYOQS_VERSION")
    # From 0.16 on this turns the installer into a ValueError before any network access.
    os.environ["PYOQS_VERSION"] = "disabled"
    logging.getLogger("oqs.oqs").setLevel(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import oqs
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it does, it must not end us
        return f"import of oqs fails: {type(error).__name__}: {error}"
    finally:
        if before is None:
            del os.environ["PYOQS_VERSION"]
        else:
            os.environ["PYOQS_VERSION"] = before
    return oqs
