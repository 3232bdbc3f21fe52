"""Writes tests/vectors/ring.json: files of the formats as this version writes them.

python -m tests.ring.make_vectors > tests/vectors/ring.json

Run it for a new version of a format only; files of older versions must stay readable.
"""

from __future__ import annotations

import json
import sys
import tempfile
from base64 import b64encode
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.ring.code import encode
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.seal import Cipher, Sealing
from chimera_pipelines.ring.seal_file import seal
from chimera_pipelines.ring.shares_v1 import ShareHeader, share_file
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import FIXED

PLAIN = b"a checkpoint of a kernel, " * 20


def main() -> None:
    sealed = {}
    for cipher in (Cipher.AES_256, Cipher.AES_512):
        for kem in (False, True):
            made = seal(PLAIN, Sealing(cipher, "HEAD_2", "doc", kem), FIXED)
            sealed[f"{cipher}{' with ML-KEM-768' if kem else ''}"] = b64encode(made).decode()
    shares = {cipher: _shares(cipher) for cipher in Cipher}
    first = [
        b64encode(share_file(_header(index, bytes(data)), data)).decode()
        for index, data in enumerate(encode(PLAIN))
    ]
    sys.stdout.write(
        json.dumps(
            {
                "plain": b64encode(PLAIN).decode(),
                "sealed files, version 1": sealed,
                "shares, version 1": first,
                "shares, version 2": shares,
            },
            indent=1,
        )
        + "\n"
    )


def _header(index: int, data: bytes) -> ShareHeader:
    media = "text/plain"
    return ShareHeader(sha256(PLAIN), "doc", "k", media, index, 2, 4, len(PLAIN), sha256(data))


def _shares(cipher: Cipher) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        ring = Ring(Path(folder), keys=FIXED)
        kept = ring.store(
            PLAIN,
            document="doc",
            kernel="k",
            media="text/plain",
            sealing=Sealing(cipher, "HEAD_2", "doc"),
        )
        files = [Path(folder) / head / ring.path(kept.id) for head in HEAD_IDS]
        return [b64encode(path.read_bytes()).decode() for path in files]


if __name__ == "__main__":
    main()
