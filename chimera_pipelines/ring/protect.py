"""Which protection an artefact has, from its cipher or from the seals in its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.code import SHARES, share_length
from chimera_pipelines.ring.seal import CHUNK, Cipher, Seal, Sealing
from chimera_pipelines.ring.shares import Manifest
from chimera_pipelines.ring.stripes import Bare, Protection, Split, Whole
from chimera_pipelines.ring.trust import HeadKeys


def protection(manifest: Manifest, keys: HeadKeys | None) -> Protection:
    """What opens and makes again the pieces of an artefact.

    Raises:
        SettingsError: CHIM514, keys are needed and are not here.
        CheckpointError: CHIM511, a key is another one.
    """
    if not manifest.seals:
        return Bare()
    if keys is None:
        raise SettingsError(
            "CHIM514",
            f"'{manifest.content}' is sealed and no keys are at hand",
            hint="keys lie in CHIMERA_HOME/keys",
        )
    seals = [Seal.of(header, keys) for header in manifest.seals]
    return Whole(seals[0]) if len(seals) == 1 else Split(seals)


def protected(
    manifest: Manifest, sealing: Sealing, keys: HeadKeys | None, heads: Sequence[str]
) -> tuple[Manifest, Protection]:
    """A new artefact's manifest with its seals, and what seals it.

    Args:
        manifest: with content and length; chunk and seals are set here.
        sealing: cipher, head, document.
        keys: needed where the cipher is not `none`.
        heads: whose keys seal the shares under aes-2048.
    """
    plain = replace(manifest, chunk=CHUNK, cipher=sealing.cipher)
    if sealing.cipher is Cipher.NONE:
        return plain, Bare()
    if keys is None:
        raise SettingsError("CHIM514", f"encryption '{sealing.cipher}' asks for keys")
    if sealing.cipher is not Cipher.AES_2048:
        seal = Seal.new(sealing, keys, content=manifest.content, length=manifest.length)
        return replace(plain, seals=(seal.header,)), Whole(seal)
    layout = plain.layout
    seals = tuple(
        Seal.new(
            replace(sealing, head=heads[share]),
            keys,
            content=manifest.content,
            length=layout.share_bytes,
            chunk=share_length(CHUNK),
            share=share,
        )
        for share in range(SHARES)
    )
    return replace(plain, seals=tuple(seal.header for seal in seals)), Split(seals)
