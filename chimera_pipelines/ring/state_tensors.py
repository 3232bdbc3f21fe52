"""States of models: tensors that did not change since the last save are not written again.

A safetensors file is cut at its tensors into parts of a mebibyte or more. Each part is a state of
its own, named by its content; what is saved under the model's key is an index of the parts. So a
step that changes one layer writes that layer and the index. It pays for models, not for state
vectors, of which every gate changes every mebibyte (evidence/performance.md §12).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.memory import fresh
from chimera_pipelines.ring.seal import Cipher
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey, StateRef

FORMAT = "chimera.tensors/1"
MEDIA = "application/x-chimera-tensors"
_LEAST = 1 << 20


class TensorStates:
    """Models in a `StateStore`.

    Args:
        states: where parts and indexes are saved.
    """

    def __init__(self, states: StateStore) -> None:
        self._states = states

    def save(
        self,
        key: StateKey,
        data: Bytes,
        *,
        head: str,
        document: str,
        cipher: Cipher = Cipher.AES_256,
    ) -> StateRef:
        """Save a model; `rewritten` of the result is what had to be written.

        Args:
            key: the model's.
            data: a safetensors file.
            head, document, cipher: as of `StateStore.save`.

        Raises:
            CheckpointError: CHIM505, the data is no safetensors file; CHIM506 or CHIM507.
        """
        view = memoryview(data).cast("B")
        start, cuts = _cuts(view)
        there = {ref.key for ref in self._states.states(key.run)}
        parts, rewritten = [], 0
        for begin, end in cuts:
            part = view[begin:end]
            content = sha256(part)
            own = _part(key, content)
            if own not in there:
                self._states.save(
                    own, part, head=head, document=document, cipher=cipher, content=content
                )
                there.add(own)
                rewritten += end - begin
            parts.append([content, end - begin])
        index = canonical(
            {"format": FORMAT, "head": b64encode(view[:start]).decode(), "parts": parts}
        )
        saved = self._states.save(
            key, index, head=head, document=document, cipher=cipher, media=MEDIA
        )
        self._forget_old(key)
        return replace(saved, bytes=len(view), rewritten=rewritten + len(index))

    def load(self, what: str | StateKey | StateRef) -> memoryview:
        """The safetensors file of a model.

        Raises:
            CheckpointError: as `StateStore.load`; CHIM505, what is saved is no model.
        """
        head, parts = _index(self._states.load(what))
        out = fresh(len(head) + sum(size for _, size in parts))
        out[: len(head)] = head
        at = len(head)
        for content, size in parts:
            out[at : at + size] = self._states.load(content)
            at += size
        return out.toreadonly()

    def _forget_old(self, key: StateKey) -> None:
        """Let go of parts that neither the newest nor the older generation names."""
        saved = self._states.states(key.run)
        named = set()
        for ref in saved:
            if ref.key == key:
                _, parts = _index(self._states.load(ref))
                named |= {_part(key, content) for content, _ in parts}
        mine = {ref.key for ref in saved if _whole(ref.key) == key and ref.key != key}
        self._states.forget(mine - named)


def _part(key: StateKey, content: str) -> StateKey:
    return replace(key, name=f"{key.name}#{content.removeprefix('sha256:')}")


def _whole(key: StateKey) -> StateKey:
    return replace(key, name=key.name.partition("#")[0])


def _cuts(data: memoryview) -> tuple[int, list[tuple[int, int]]]:
    """Where the tensors begin, and ranges of bytes that hold whole tensors."""
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(bytes(data[8:start]))
        ends = sorted(
            start + int(entry["data_offsets"][1])
            for name, entry in header.items()
            if name != "__metadata__"
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("CHIM505", f"not a safetensors file: {error}") from None
    cuts, begin = [], start
    for end in ends:
        if end - begin >= _LEAST or (end == ends[-1] and end > begin):
            cuts.append((begin, end))
            begin = end
    if begin != len(data):
        raise CheckpointError("CHIM505", f"safetensors file of {len(data)} bytes ends at {begin}")
    return start, cuts


def _index(text: memoryview) -> tuple[bytes, list[tuple[str, int]]]:
    """The file's own header, and content id and size of each part."""
    try:
        index = json.loads(bytes(text))
        if index["format"] == FORMAT:
            return b64decode(index["head"]), [(str(one), int(size)) for one, size in index["parts"]]
        fault = f"format {index['format']!r}"
    except (ValueError, KeyError, TypeError) as error:
        fault = str(error)
    raise CheckpointError("CHIM505", f"not a model's index: {fault}")
