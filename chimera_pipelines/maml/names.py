"""Names that Dagster sees: the slug of a document's file name, the name of its job (MAML.md §9)."""

from __future__ import annotations

import re
from pathlib import PurePath

SUFFIX = ".maml.md"
MAX_SLUG = 48


def stem(filename: str) -> str:
    """The file name before `.maml.md` (before `.md` of another Markdown file)."""
    name = PurePath(filename).name
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else name.removesuffix(".md")


def slug(filename: str) -> str:
    """Lower case ASCII letters, digits and single underscores of the stem, at most 48."""
    words = re.sub(r"[^a-z0-9]+", "_", stem(filename).lower())
    return words.strip("_")[:MAX_SLUG].rstrip("_") or "document"


def job_name(filename: str, document_id: str) -> str:
    """`maml_<slug>_<id8>`, the Dagster job of a document."""
    return f"maml_{slug(filename)}_{document_id[-8:]}"
