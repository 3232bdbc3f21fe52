"""What a checkpoint of a kernel holds: its output and its registers in one blob.

Layout, version 1, integers big-endian: magic (8 bytes), version (2), length of the index (4), the
index as canonical JSON `{"output": n, "registers": [[name, n], …]}`, the output's canonical JSON
text, the registers (safetensors) in the index's order, names ascending. Equal content gives equal
bytes, so a checkpoint's id is a function of what the kernel made.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from chimera_pipelines.digest import canonical
from chimera_pipelines.errors import CheckpointError

MAGIC = b"CHIMCKPT"
VERSION = 1
MEDIA = "application/x-chimera-checkpoint"
_HEAD = struct.Struct(">8sHI")


@dataclass(frozen=True, slots=True)
class CheckpointContent:
    """An unpacked checkpoint: the output's canonical JSON text, registers by name."""

    output: bytes
    registers: Mapping[str, bytes]


def pack(output: bytes, registers: Mapping[str, bytes]) -> bytes:
    """The checkpoint blob of a kernel's output and registers.

    Args:
        output: canonical JSON text of the output.
        registers: safetensors bytes by register name; may be empty.
    """
    named = sorted(registers.items())
    sizes = [[name, len(data)] for name, data in named]
    index = canonical({"output": len(output), "registers": sizes})
    head = _HEAD.pack(MAGIC, VERSION, len(index))
    return b"".join((head, index, output, *(data for _, data in named)))


def unpack(blob: bytes) -> CheckpointContent:
    """The output and registers of a checkpoint blob.

    Raises:
        CheckpointError: CHIM505, it is no checkpoint, is of another version, or is cut off.
    """
    if len(blob) < _HEAD.size:
        raise CheckpointError("CHIM505", f"{len(blob)} bytes are no checkpoint")
    magic, version, index_size = _HEAD.unpack_from(blob)
    if magic != MAGIC:
        raise CheckpointError("CHIM505", "the blob is no checkpoint: its first bytes are others")
    if version != VERSION:
        raise CheckpointError(
            "CHIM505",
            f"checkpoint has version {version}; this program reads version {VERSION}",
            hint="use the version of chimera that wrote it",
        )
    output_size, registers = _index(blob[_HEAD.size : _HEAD.size + index_size])
    at = _HEAD.size + index_size
    sizes = [output_size, *(size for _, size in registers)]
    if at + sum(sizes) != len(blob):
        raise CheckpointError(
            "CHIM505", f"checkpoint has {len(blob)} bytes; its index says {at + sum(sizes)}"
        )
    parts = []
    for size in sizes:
        parts.append(blob[at : at + size])
        at += size
    named = {name: part for (name, _), part in zip(registers, parts[1:], strict=True)}
    return CheckpointContent(parts[0], named)


def _index(text: bytes) -> tuple[int, list[tuple[str, int]]]:
    try:
        index = json.loads(text)
        registers = [(str(name), _size(size)) for name, size in index["registers"]]
        return _size(index["output"]), registers
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "CHIM505", f"the checkpoint's index cannot be read: {error}"
        ) from None


def _size(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no size")
    return value
