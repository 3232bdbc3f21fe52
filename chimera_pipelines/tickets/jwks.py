"""Public keys as JWKS (MAML.md §8): the one thing that says whom to trust.

`kid` is recomputed from every key: a file in which one is wrong is refused whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import UsageError, Where
from chimera_pipelines.tickets import providers
from chimera_pipelines.timestamps import instant

_SEGMENTS = r"[A-Za-z0-9._~%@:+-]+(?:/[A-Za-z0-9._~%@:+-]+)*"
_HOLDER = re.compile(rf"gateway://{_SEGMENTS}|head://{_SEGMENTS}/HEAD_[1-4]")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and whom it speaks for; both ends of its time are inclusive."""

    key_id: str
    algorithm: str
    public: bytes
    holder: str
    not_before: str | None = None
    not_after: str | None = None

    @property
    def gateway(self) -> str:
        """The gateway that the holder is, or that the head belongs to."""
        return gateway_of(self.holder)

    def valid_at(self, time_ns: int) -> bool:
        """Whether an instant lies within the key's time."""
        start = instant(self.not_before) if self.not_before else None
        end = instant(self.not_after) if self.not_after else None
        return (start is None or start <= time_ns) and (end is None or time_ns <= end)

    def as_json(self) -> dict[str, str]:
        """The JWK."""
        times = {"x-not-before": self.not_before, "x-not-after": self.not_after}
        return {
            "kty": "AKP",
            "alg": self.algorithm,
            "use": "sig",
            "kid": self.key_id,
            "pub": base64url(self.public),
            "x-holder": self.holder,
            **{name: value for name, value in times.items() if value},
        }


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The trusted keys by their ids; one key may stand for several holders."""

    keys: Mapping[str, tuple[TrustedKey, ...]]

    @classmethod
    def of(cls, keys: Iterable[TrustedKey]) -> KeyRing:
        """A ring of these keys."""
        found: dict[str, tuple[TrustedKey, ...]] = {}
        for key in keys:
            found[key.key_id] = (*found.get(key.key_id, ()), key)
        return cls(found)

    def get(self, key_id: str) -> tuple[TrustedKey, ...]:
        """The keys with that id."""
        return self.keys.get(key_id, ())

    def __iter__(self) -> Any:
        return (key for same in self.keys.values() for key in same)


def gateway_of(holder: str) -> str:
    """`gateway://x` of `head://x/HEAD_n`; a gateway is its own."""
    if holder.startswith("head://"):
        return "gateway://" + holder.removeprefix("head://").rpartition("/")[0]
    return holder


def head_holder(gateway: str, head: str) -> str:
    """`head://x/HEAD_n` of `gateway://x`."""
    return f"head://{gateway.removeprefix('gateway://')}/{head}"


def base64url(data: bytes) -> str:
    """Unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def key_id(algorithm: str, public: bytes) -> str:
    """The `kid` of a raw public key.

    Raises:
        ValueError: not a public key of that algorithm.
    """
    thumbprint = hashlib.sha256(providers.spki(algorithm, public)).digest()
    return f"{algorithm}:{base64url(thumbprint)}"


def trusted_key(algorithm: str, public: bytes, holder: str) -> TrustedKey:
    """A key with its recomputed id and no limits of time."""
    return TrustedKey(key_id(algorithm, public), algorithm, public, holder)


def read_jwks(path: Path) -> KeyRing:
    """The keys of a JWKS file.

    Raises:
        UsageError: CHIM220, it cannot be read or one of its keys is unusable.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            "CHIM220", f"cannot read keys: {error}", where=Where(str(path)), hint=_HINT
        ) from None
    return load_jwks(value, file=str(path))


_HINT = "write the file with 'chimera keys export'"


def load_jwks(value: object, *, file: str | None = None) -> KeyRing:
    """The keys of a JWKS; key types other than AKP are not ours and are passed over (RFC 7517 §5).

    Raises:
        UsageError: CHIM220, one of its keys is unusable.
    """
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise UsageError(
            "CHIM220", "not a JWKS: expected an object with a list 'keys'", where=Where(file)
        )
    try:
        return KeyRing.of(_loaded(key) for key in keys if key.get("kty") == "AKP")
    except ValueError as error:
        raise UsageError(
            "CHIM220", f"unusable key: {error}", where=Where(file), hint=_HINT
        ) from None


def _loaded(jwk: dict[str, Any]) -> TrustedKey:
    algorithm, holder = jwk.get("alg"), jwk.get("x-holder")
    if algorithm not in providers.ALGORITHMS:
        raise ValueError(f"alg is '{algorithm}', expected one of {', '.join(providers.ALGORITHMS)}")
    if not isinstance(holder, str) or not _HOLDER.fullmatch(holder):
        raise ValueError(f"x-holder is '{holder}', expected gateway://… or head://…/HEAD_n")
    for name in ("x-not-before", "x-not-after"):
        time = jwk.get(name)
        if time is not None and (not isinstance(time, str) or instant(time) is None):
            raise ValueError(f"{name} is '{time}', expected a time such as 2026-08-01T09:00:00Z")
    public = _public(jwk.get("pub"))
    expected = key_id(algorithm, public)
    if jwk.get("kid") != expected:
        raise ValueError(f"kid is '{jwk.get('kid')}', the key's is '{expected}'")
    return TrustedKey(
        expected, algorithm, public, holder, jwk.get("x-not-before"), jwk.get("x-not-after")
    )


def _public(text: object) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError("pub is not unpadded base64url")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(data) != text:
        raise ValueError("pub is not canonical base64url")
    return data
