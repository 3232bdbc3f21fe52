"""Permission patterns over URIs (MAML.md §10): who may start, serve and read, and nothing else.

Everything is default deny: what cannot be read as a pattern, and a URI that could be read in two
ways (dot segments, encoded dots or slashes, a query, a fragment), matches nothing. Comparison is
byte by byte; no case folding, no Unicode normalisation, no percent decoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from chimera_pipelines.errors import UsageError

PRINCIPAL_SCHEMES: frozenset[str] = frozenset({"agent", "user", "role", "gateway", "head"})
UNSET_GATEWAY = "gateway://unset"

_SEGMENT = r"(?:[A-Za-z0-9._~%@:+-]|\*(?!\*))+"
# The `patterns` definition of the front matter schema; `\Z` because ECMA's `$` is the very end.
_PATTERN = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<path>(?:{_SEGMENT}/)*(?:{_SEGMENT}|\*\*))\Z"
)
_URI = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<path>[A-Za-z0-9._~%@:+-]+(?:/[A-Za-z0-9._~%@:+-]+)*)\Z"
)
_ENCODED = re.compile(r"%2[ef]", re.IGNORECASE)


class PatternError(UsageError):
    """Text is not a permission pattern (MAML703)."""

    def __init__(self, text: str, message: str, *, hint: str | None = None) -> None:
        super().__init__("MAML703", f"{message}: '{text}'", hint=hint)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: literal scheme, then segments in which `*` and a last `**` are wild."""

    text: str
    scheme: str
    segments: tuple[str, ...]

    @property
    def is_principal(self) -> bool:
        """Whether it speaks of who acts; every other scheme is a resource."""
        return self.scheme in PRINCIPAL_SCHEMES

    @property
    def has_wildcard(self) -> bool:
        """Whether it stands for more than one URI (MAML702 in `execute`)."""
        return "*" in self.text

    def matches(self, uri: str) -> bool:
        """Whether the URI is one of those the pattern stands for."""
        parts = split_uri(uri)
        if parts is None or parts[0] != self.scheme:
            return False
        segments = parts[1]
        wanted = self.segments
        if wanted[-1] == "**":
            wanted = wanted[:-1]
            if len(segments) <= len(wanted):
                return False
        elif len(segments) != len(wanted):
            return False
        return all(_covers(w, s) for w, s in zip(wanted, segments, strict=False))


def split_uri(uri: str) -> tuple[str, tuple[str, ...]] | None:
    """Scheme and segments of a URI that may be matched at all, else None."""
    found = _URI.match(uri)
    if found is None or _ENCODED.search(uri):
        return None
    segments = tuple(found["path"].split("/"))
    if any(segment in {".", ".."} for segment in segments):
        return None
    return found["scheme"], segments


def _covers(wanted: str, segment: str) -> bool:
    """One segment against one with `*`: leftmost literals first, so time stays linear in both."""
    pieces = wanted.split("*")
    if len(pieces) == 1:
        return wanted == segment
    first, *middle, last = pieces
    if len(segment) < len(first) + len(last):
        return False
    if not (segment.startswith(first) and segment.endswith(last)):
        return False
    at, end = len(first), len(segment) - len(last)
    for piece in middle:
        found = segment.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@lru_cache(maxsize=4096)
def parse_pattern(text: str) -> Pattern:
    """The pattern that the text is.

    Raises:
        PatternError: it is none (MAML703); the message says which rule it breaks.
    """
    found = _PATTERN.match(text)
    if found is not None:
        return Pattern(text, found["scheme"], tuple(found["path"].split("/")))
    scheme, separator, path = text.partition("://")
    if not separator:
        raise PatternError(text, "pattern has no scheme", hint="write scheme://segment/segment")
    if "*" in scheme:
        raise PatternError(text, "a pattern's scheme must be literal", hint="name the scheme")
    if not path or "" in path.split("/"):
        raise PatternError(text, "pattern has an empty segment", hint="remove the extra '/'")
    if "**" in path:
        raise PatternError(
            text, "'**' stands anywhere but as the last segment", hint="use '*' for one segment"
        )
    raise PatternError(
        text,
        "pattern holds a character that is not allowed",
        hint="letters, digits, ._~%@:+- and *",
    )


def permitted(patterns: Sequence[str], uri: str) -> bool:
    """Whether one of the patterns matches the URI; bad patterns match nothing."""
    return any(_matches(text, uri) for text in patterns)


def input_resource(uri: str) -> str:
    """The resource that `read` must permit for an input URI.

    A fragment matches nothing (§10), yet `document://slug#kernel.path` is an input (§3): what is
    permitted there is the document, so its fragment is left out of the comparison.
    """
    return uri.partition("#")[0] if uri.startswith("document://") else uri


def may_read(patterns: Sequence[str], uri: str) -> bool:
    """Whether `permissions.read` lets a kernel open the input URI (MAML704)."""
    return permitted(patterns, input_resource(uri))


def may_execute(patterns: Sequence[str], principal: str, gateway: str) -> bool:
    """Whether `permissions.execute` lets `principal` start a run that `gateway` serves (§10).

    At least one pattern must match each of the two. A list of gateways alone permits any
    principal, one without a gateway any gateway; an empty list permits nobody.
    """
    gateways = [text for text in patterns if text.startswith("gateway://")]
    if not patterns or gateway == UNSET_GATEWAY:
        return False
    served = permitted(gateways, gateway) if gateways else split_uri(gateway) is not None
    if len(gateways) == len(patterns):
        return served and split_uri(principal) is not None
    return served and permitted(patterns, principal)


def _matches(text: str, uri: str) -> bool:
    try:
        return parse_pattern(text).matches(uri)
    except PatternError:
        return False
