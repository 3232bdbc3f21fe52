"""`{"$blob": …, "bytes": …, "media": …}`: the only values that name bytes of the content store.

The store serves every document of the gateway, so naming a blob is reading it. Only what a kernel
published may name one, and kernels can name only what they were given (`calls.unpack`): whoever
writes the key elsewhere would read other documents past `permissions.read`.
"""

from __future__ import annotations

import re

from chimera_pipelines.digest import JSONValue

KEY = "$blob"
MEDIA: frozenset[str] = frozenset({"application/x-npy", "application/octet-stream"})
_FIELDS = frozenset({KEY, "bytes", "media"})
_CONTENT = re.compile(r"sha256:[0-9a-f]{64}")


def names_blob(value: JSONValue) -> bool:
    """Whether the key stands anywhere in the value."""
    if isinstance(value, dict):
        return KEY in value or any(map(names_blob, value.values()))
    return isinstance(value, list) and any(map(names_blob, value))


def fault(value: JSONValue) -> str | None:
    """What is wrong with the first object that has the key but is no whole `$blob`."""
    if isinstance(value, dict):
        if KEY in value:
            return own_fault(value)
        return next((found for part in value.values() if (found := fault(part))), None)
    if isinstance(value, list):
        return next((found for part in value if (found := fault(part))), None)
    return None


def own_fault(item: dict[str, JSONValue]) -> str | None:
    """What is wrong with an object that has the key."""
    if set(item) != _FIELDS:
        return f"a $blob has exactly the fields {', '.join(sorted(_FIELDS))}"
    content, size, media = item[KEY], item["bytes"], item["media"]
    if not isinstance(content, str) or not _CONTENT.fullmatch(content):
        return "a $blob names no content id"
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return "'bytes' of a $blob is no size"
    if media not in MEDIA if isinstance(media, str) else True:
        return f"'media' of a $blob is none of {', '.join(sorted(MEDIA))}"
    return None
