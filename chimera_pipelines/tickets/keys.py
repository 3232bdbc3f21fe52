"""Signing keys of a gateway and its heads, under `CHIMERA_HOME/keys` (DESIGN.md §8).

`keys.jwks.json` holds every public key there ever was, in order; the newest of a holder that is not
past its time signs for it. `private/` (0700) holds one file for each key (0600): the 32-byte FIPS
204 seed, in the open or sealed with AES-256-GCM under a key that scrypt derives from the
passphrase. Private files are written first, so that what the JWKS names can sign. One lock file
makes concurrent first uses agree on the same keys.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from chimera_pipelines.errors import SettingsError, UsageError
from chimera_pipelines.settings import HEAD_IDS
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.jwks import (
    KeyRing,
    TrustedKey,
    base64url,
    head_holder,
    read_jwks,
    trusted_key,
)
from chimera_pipelines.tickets.private_files import (
    locked,
    passphrase_salt,
    read_private,
    read_record,
    unusable,
    well_formed,
    write_atomically,
)
from chimera_pipelines.tickets.sealing import from_base64url, passphrase_of, seal, unseal
from chimera_pipelines.timestamps import timestamp

FORMAT = "chimera.key/1"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key of the store. `protection` is `scrypt`, `file` (0600 only) or `absent`."""

    key: TrustedKey
    active: bool
    protection: str

    def as_json(self) -> dict[str, object]:
        """For `chimera keys list --json`."""
        return {
            "holder": self.key.holder,
            "key": self.key.key_id,
            "algorithm": self.key.algorithm,
            "active": self.active,
            "protection": self.protection,
            "not_before": self.key.not_before,
            "not_after": self.key.not_after,
        }


@dataclass(frozen=True, slots=True)
class StoredSigner:
    """A `Signer` whose seed came from the store."""

    key_id: str
    holder: str
    algorithm: str
    _sign: providers.Sign

    def sign(self, message: bytes) -> bytes:
        """The ML-DSA signature of a message (hedged, empty context)."""
        return self._sign(message)


class KeyStore:
    """The keys of one gateway and of its heads.

    Args:
        root: folder of the store, made at first use.
        gateway: `gateway://…`; its heads are `head://…/HEAD_n`.
        algorithm: of new keys.
        provider: `auto`, `liboqs` or `cryptography`, for signing.
        passphrase_file: its first line seals new private keys and opens sealed ones.
    """

    def __init__(
        self,
        root: Path,
        gateway: str,
        *,
        algorithm: str = providers.DEFAULT_ALGORITHM,
        provider: str = "auto",
        passphrase_file: Path | None = None,
    ) -> None:
        self.root = root
        self.gateway = gateway
        self.algorithm = algorithm
        self._provider = provider
        self._passphrase_file = passphrase_file
        self._signers: dict[str, StoredSigner] = {}
        self._read: tuple[tuple[int, int, int], tuple[TrustedKey, ...]] | None = None

    @property
    def jwks_path(self) -> Path:
        """The public keys."""
        return self.root / "keys.jwks.json"

    @property
    def holders(self) -> tuple[str, ...]:
        """The gateway and its four heads."""
        return (self.gateway, *(head_holder(self.gateway, head) for head in HEAD_IDS))

    def init(self) -> tuple[KeyInfo, ...]:
        """Make the keys that are missing; those that are there stay. Returns the new ones."""
        with locked(self.root):
            keys = self._public()
            missing = [holder for holder in self.holders if _active(keys, holder) is None]
            made = [self._make(holder) for holder in missing]
            if made:
                self._write_public([*keys, *made])
        return tuple(KeyInfo(key, active=True, protection=self._protection(key)) for key in made)

    def ensure(self) -> None:
        """`init`, without taking the lock when nothing is missing."""
        keys = self._public()
        if any(_active(keys, holder) is None for holder in self.holders):
            self.init()

    def list(self) -> tuple[KeyInfo, ...]:
        """All keys of the store, oldest first."""
        keys = self._public()
        return tuple(
            KeyInfo(key, active=key == _active(keys, key.holder), protection=self._protection(key))
            for key in keys
        )

    def ring(self) -> KeyRing:
        """All public keys, to verify with."""
        return KeyRing.of(self._public())

    def export(self) -> dict[str, Any]:
        """The JWKS to hand to a verifier."""
        return {"keys": [key.as_json() for key in self._public()]}

    def active(self, holder: str) -> TrustedKey:
        """The public key that signs for a holder now.

        Raises:
            UsageError: CHIM221, there is none.
        """
        found = _active(self._public(), holder)
        if found is None:
            raise UsageError(
                "CHIM221", f"no signing key for '{holder}'", hint="run 'chimera keys init'"
            )
        return found

    def signer(self, holder: str) -> StoredSigner:
        """The signer of a holder's active key.

        Raises:
            UsageError: CHIM221, there is no such key.
            SettingsError: its private file cannot be used (CHIM222, CHIM223).
        """
        return self.signer_of(self.active(holder))

    def signer_of(self, key: TrustedKey) -> StoredSigner:
        """The signer of one key, also of an older one.

        Raises:
            SettingsError: as `signer`.
        """
        if key.key_id not in self._signers:
            seed = self._read_seed(key)
            sign = providers.choose(self._provider).signing(key.algorithm, seed)
            self._signers[key.key_id] = StoredSigner(key.key_id, key.holder, key.algorithm, sign)
        return self._signers[key.key_id]

    def rotate(self, holder: str, *, revoke: bool = False) -> TrustedKey:
        """Make a new key for a holder; it signs from now on.

        Each document learns it by a KEY entry before the new key's first signature there.

        Args:
            holder: gateway or head.
            revoke: end the old keys of the holder now, as after a theft.

        Raises:
            UsageError: CHIM221, the holder is not of this gateway.
        """
        if holder not in self.holders:
            raise UsageError(
                "CHIM221",
                f"unknown key holder '{holder}'",
                hint=f"one of {', '.join(self.holders)}",
            )
        with locked(self.root):
            keys = self._public()
            if revoke:
                now = timestamp(time.time_ns())
                keys = tuple(
                    replace(key, not_after=key.not_after or now) if key.holder == holder else key
                    for key in keys
                )
            made = self._make(holder)
            self._write_public([*keys, made])
        return made

    def _public(self) -> tuple[TrustedKey, ...]:
        """All public keys, read again when the file is another one."""
        try:
            found = self.jwks_path.stat()
        except FileNotFoundError:
            return ()
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._read is None or self._read[0] != version:
            self._read = (version, tuple(read_jwks(self.jwks_path)))
        return self._read[1]

    def _write_public(self, keys: Iterable[TrustedKey]) -> None:
        text = json.dumps({"keys": [key.as_json() for key in keys]}, indent=1) + "\n"
        write_atomically(self.jwks_path, text.encode(), mode=0o644)

    def _make(self, holder: str) -> TrustedKey:
        seed = secrets.token_bytes(providers.SEED_BYTES)
        key = trusted_key(self.algorithm, providers.public_key(self.algorithm, seed), holder)
        record: dict[str, Any] = {"format": FORMAT, "kid": key.key_id, "holder": holder}
        passphrase = passphrase_of(self._passphrase_file)
        if passphrase is None:
            record["seed"] = base64url(seed)
        else:
            record["sealed"] = seal(
                passphrase, passphrase_salt(self.root / "private"), key.key_id, seed
            )
        folder = self.root / "private"
        folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._private_path(key), json.dumps(record).encode() + b"\n", mode=0o600)
        return key

    def _private_path(self, key: TrustedKey) -> Path:
        return self.root / "private" / f"{key.key_id.replace(':', '.')}.json"

    def _protection(self, key: TrustedKey) -> str:
        path = self._private_path(key)
        if not path.exists():
            return "absent"
        return "scrypt" if "sealed" in read_record(path) else "file"

    def _read_seed(self, key: TrustedKey) -> bytes:
        path = self._private_path(key)
        record = read_private(path)
        if record.get("format") != FORMAT or record.get("kid") != key.key_id:
            raise unusable(path, f"not the private key of '{key.key_id}'")
        with well_formed(path):
            if "sealed" in record:
                seed = self._open(record["sealed"], key)
            else:
                seed = from_base64url(record["seed"])
            public = providers.public_key(key.algorithm, seed)
        if public != key.public:
            raise unusable(path, f"private key does not belong to '{key.key_id}'")
        return seed

    def _open(self, sealed: Mapping[str, Any], key: TrustedKey) -> bytes:
        passphrase = passphrase_of(self._passphrase_file)
        if passphrase is None:
            raise SettingsError(
                "CHIM222",
                f"private key of '{key.holder}' is sealed",
                hint="set CHIMERA_KEY_PASSPHRASE_FILE",
            )
        try:
            return unseal(passphrase, sealed, key.key_id)
        except InvalidTag:
            raise SettingsError(
                "CHIM222",
                f"the passphrase does not open the private key of '{key.holder}'",
                hint=f"look at the first line of '{self._passphrase_file}'",
            ) from None


def _active(keys: Sequence[TrustedKey], holder: str) -> TrustedKey | None:
    """The newest key of a holder that is valid now."""
    now = time.time_ns()
    found = [key for key in keys if key.holder == holder and key.valid_at(now)]
    return found[-1] if found else None
