"""Values across the boundary, inside the sandbox: arguments to Python, results to JSON."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any

from chimera_pipelines.digest import MAX_DEPTH, JSONValue, NotCanonicalError, normalise
from chimera_pipelines.sandbox.outcomes import Attachment

NPY, OCTETS = "application/x-npy", "application/octet-stream"
MAX_LIST_ELEMENTS = 65_536
"""Larger arrays cross as attachments (MAML.md §4)."""

_PLACEHOLDER = "$attachment"
_BLOB_KINDS = "biufc"


def decode(value: JSONValue, attachments: Sequence[Attachment]) -> object:
    """The value with every `{"$attachment": i}` replaced by an array or bytes.

    Raises:
        ValueError: an attachment that is not there, or is no array.
    """
    if isinstance(value, list):
        return [decode(item, attachments) for item in value]
    if not isinstance(value, dict):
        return value
    index = value.get(_PLACEHOLDER)
    if isinstance(index, int) and len(value) == 1:
        if not 0 <= index < len(attachments):
            raise ValueError(f"attachment {index} does not exist")
        return _opened(attachments[index])
    return {key: decode(item, attachments) for key, item in value.items()}


def _opened(attachment: Attachment) -> object:
    if attachment.media != NPY:
        return attachment.data
    import numpy as np

    return np.load(io.BytesIO(attachment.data), allow_pickle=False)


def encode(value: object) -> tuple[JSONValue, list[Attachment]]:
    """JSON and attachments of a returned value (MAML.md §4, Values).

    Raises:
        NotCanonicalError: it has no JSON form; the error says where.
    """
    attachments: list[Attachment] = []
    return normalise(_plain(value, attachments, "$", 1)), attachments


def _plain(value: object, attachments: list[Attachment], path: str, depth: int) -> object:
    if depth > MAX_DEPTH + 1:
        raise NotCanonicalError(f"more than {MAX_DEPTH} levels", path)
    if isinstance(value, dict):
        return {
            key: _plain(item, attachments, f"{path}.{key}", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _plain(item, attachments, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)
        ]
    if isinstance(value, bytes | bytearray | memoryview):
        return _attach(attachments, OCTETS, bytes(value))
    array = _as_array(value)
    return value if array is None else _array(array, attachments, path)


def _as_array(value: object) -> Any | None:
    """The value as a NumPy array or scalar, if NumPy or PyTorch made it."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        tensor = value.detach().cpu().resolve_conj().resolve_neg()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return value
    return None


def _array(array: Any, attachments: list[Attachment], path: str) -> object:
    if array.size <= MAX_LIST_ELEMENTS:
        return array.tolist()
    if array.dtype.kind not in _BLOB_KINDS:
        raise NotCanonicalError(f"an array of {array.dtype} has no JSON form", path)
    import numpy as np

    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
    return _attach(attachments, NPY, buffer.getvalue())


def _attach(attachments: list[Attachment], media: str, data: bytes) -> dict[str, int]:
    attachments.append(Attachment(media, data))
    return {_PLACEHOLDER: len(attachments) - 1}


def pair(result: object) -> tuple[JSONValue, list[Attachment]] | None:
    """A result of this package's own encoders, None if it is a plain value.

    Encoders cannot import this package's records (floors of DESIGN.md §2), so an attachment is
    anything with `media` and `data`, or such a pair.
    """
    match result:
        case (value, [*listed]) if isinstance(result, tuple):
            found = [_attachment(item) for item in listed]
            if all(item is not None for item in found):
                return normalise(value), [item for item in found if item is not None]
    return None


def _attachment(item: object) -> Attachment | None:
    match item:
        case (str(media), bytes(data)):
            return Attachment(media, data)
    named = getattr(item, "media", None), getattr(item, "data", None)
    match named:
        case (str(media), bytes(data)):
            return Attachment(media, data)
    return None
