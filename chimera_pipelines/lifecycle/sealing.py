"""Keys of the ring from the key store, and how artefacts of a kernel are sealed (MAML.md §10)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from chimera_pipelines.digest import canonical, read_canonical
from chimera_pipelines.lifecycle.spec import DocumentSpec, KernelSpec
from chimera_pipelines.ring import seal_file
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.seal import Cipher, Sealing
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.trust import HeadKeys, Signer
from chimera_pipelines.settings import Settings
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.head_keys import HeadKeyStore
from chimera_pipelines.tickets.jwks import head_holder
from chimera_pipelines.tickets.keys import KeyStore

_SEALED = "sealed"


class Manifests:
    """Signs the ring's manifests by the heads' signing keys, and checks them.

    Args:
        keys: gives the key store, which is made at first use.
    """

    def __init__(self, keys: Callable[[], KeyStore]) -> None:
        self._keys = keys

    def signer(self, head: str) -> Signer:
        """The signer of a head."""
        keys = self._keys()
        return keys.signer(head_holder(keys.gateway, head))

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Whether one of this gateway's keys signed it."""
        return any(
            providers.verify(key.algorithm, key.public, message, signature)
            for key in self._keys().ring().get(key_id)
        )


def head_keys(settings: Settings) -> HeadKeyStore:
    """The heads' 512-bit keys, each made when it first seals."""
    return HeadKeyStore(settings.root / "keys", passphrase_file=settings.key_passphrase_file)


def key_store(settings: Settings) -> KeyStore:
    """The signing keys of the gateway and its heads, there or not."""
    return KeyStore(
        settings.root / "keys",
        settings.gateway,
        provider=settings.signature_provider,
        passphrase_file=settings.key_passphrase_file,
    )


def ring(settings: Settings, keys: HeadKeys, manifests: Manifests | None = None) -> Ring:
    """The four share stores; without `manifests` nothing new is signed."""
    return Ring(
        settings.root / "ring",
        urls=settings.share_stores,
        keys=keys,
        signers=None if manifests is None else manifests.signer,
    )


def states(settings: Settings, keys: HeadKeys, manifests: Manifests) -> StateStore:
    """The heads' saved states."""
    return StateStore(
        settings.root / "ring",
        keys=keys,
        signers=manifests.signer,
        verifier=manifests,
        urls=settings.share_stores,
    )


def content_store(settings: Settings, keys: HeadKeys, split: Ring) -> ContentStore:
    """The content store of this gateway."""
    return ContentStore(settings.store_url or settings.root / "blobs", keys=keys, split=split)


def sealing_of(document: DocumentSpec, kernel: KernelSpec, head: str) -> Sealing:
    """How a kernel's artefacts are sealed when a head makes them; its cipher may be `none`."""
    cipher = Cipher(kernel.encryption(document.encryption))
    return Sealing(cipher, head, document.slug, kem=document.quantum_security)


def as_record(sealing: Sealing) -> dict[str, Any] | None:
    """What a phase's record says of the sealing; None where nothing is sealed."""
    if sealing.cipher is Cipher.NONE:
        return None
    return {"cipher": str(sealing.cipher), "document": sealing.document, "kem": sealing.kem}


def of_record(record: Mapping[str, Any] | None, head: str) -> Sealing:
    """The inverse of `as_record`, for the head that made the record."""
    if record is None:
        return Sealing(Cipher.NONE, head, "")
    return Sealing(Cipher(record["cipher"]), head, record["document"], kem=bool(record["kem"]))


def close_note(value: Any, sealing: Sealing, keys: HeadKeys) -> Any:
    """A note or record that lies on this disk for a while, sealed like the kernel's artefacts."""
    if sealing.cipher is Cipher.NONE:
        return value
    sealed = seal_file.seal(canonical(value), sealing, keys)
    return {_SEALED: b64encode(sealed).decode()}


def open_note(value: Any, keys: HeadKeys) -> Any:
    """The inverse of `close_note`.

    Raises:
        CheckpointError: CHIM511 to CHIM513, it does not open.
        SettingsError: CHIM514, its key is not here.
    """
    if not isinstance(value, Mapping) or set(value) != {_SEALED}:
        return value
    return read_canonical(seal_file.unseal(b64decode(value[_SEALED]), keys))
