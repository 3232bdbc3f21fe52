"""Names of blocks, kernels, inputs and constants (MAML.md §1)."""

from __future__ import annotations

import keyword
import re
from typing import Final

NAME: Final = re.compile(r"[a-z](?:_?[a-z0-9])*\Z")
MAX_NAME: Final = 48

# Dagster's reserved words, and the names of what a kernel's functions may ask for.
DAGSTER_WORDS: Final = frozenset(
    {
        *("context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict"),
        *("output_arg_dict", "int", "str", "float", "bool", "input", "output", "type"),
    }
)
SUPPLIED_WORDS: Final = frozenset(
    {
        *("partition", "seed", "shots", "iteration", "counts", "probabilities", "expectation"),
        *("iterations", "converged", "done"),
    }
)
RESERVED: Final = frozenset(keyword.kwlist) | DAGSTER_WORDS | SUPPLIED_WORDS


def name_problem(text: str) -> str | None:
    """Why the text is no name; None when it is one."""
    if not NAME.match(text):
        return f"'{text}' is not a name: lower-case letters, digits and single '_'"
    if len(text) > MAX_NAME:
        return f"'{text}' has {len(text)} characters; a name has at most {MAX_NAME}"
    if text in RESERVED:
        return f"'{text}' is reserved"
    return None
