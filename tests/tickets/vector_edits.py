"""The edits that tests/vectors/tickets.json describes, and the documents it starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"


def load() -> dict[str, Any]:
    return json.loads((VECTORS / "tickets.json").read_bytes())


def bases(vectors: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Document text and JWKS by the base's name."""
    found = {}
    for name, base in vectors["bases"].items():
        if "text" in base:
            found[name] = (base["text"], base["keys"])
        else:
            document, keys = (
                (VECTORS / "examples" / base[part].split("examples/", 1)[1]).read_bytes().decode()
                for part in ("document", "keys")
            )
            found[name] = (document, json.loads(keys))
    return found


def rows(text: str) -> tuple[str, list[str]]:
    """Everything up to and with the History line, and the entries below it."""
    lines = text.split("\n")
    at = max(n for n, line in enumerate(lines) if line == "## History")
    entries: list[str] = []
    for line in lines[at + 1 :]:
        if line.startswith("- "):
            entries.append(line + "\n")
        elif line.startswith("  ") and entries:
            entries[-1] += line + "\n"
    return "\n".join(lines[: at + 1]) + "\n", entries


def apply(text: str, edits: list[dict[str, Any]]) -> bytes:
    """A base text with all edits of a case."""
    for edit in edits:
        text = _apply(text, edit)
    return text.encode()


def _apply(text: str, edit: dict[str, Any]) -> str:
    if "replace" in edit:
        return text.replace(edit["replace"], edit["with"], 1)
    if "append" in edit:
        return text + edit["append"]
    if "drop_last_bytes" in edit:
        return text[: -edit["drop_last_bytes"]]
    if "history_of" in edit:
        return text.rstrip("\n") + "\n\n## History\n\n" + "".join(edit["history_of"])
    if "newlines" in edit or "bom" in edit:
        return "\ufeff" + text if "bom" in edit else text.replace("\n", "\r\n")
    head, entries = rows(text)
    return head + "\n" + "".join(_entries(entries, edit))


def _entries(entries: list[str], edit: dict[str, Any]) -> list[str]:
    if "order" in edit:
        return [entries[at] for at in edit["order"]]
    if "insert" in edit:
        return [*entries[: edit["before"]], edit["insert"], *entries[edit["before"] :]]
    parts = [entry.split("\n") for entry in entries]
    if "drop_sig" in edit:
        del parts[edit["drop_sig"]][1]
    elif "swap_sigs" in edit:
        a, b = edit["swap_sigs"]
        parts[a][1], parts[b][1] = parts[b][1], parts[a][1]
    elif "sig_char" in edit:
        at, n = edit["sig_char"]
        n += len("  <!-- sig ")
        parts[at][1] = parts[at][1][:n] + edit["with"] + parts[at][1][n + 1 :]
    else:
        raise ValueError(edit)
    return ["\n".join(part) for part in parts]


def keys(jwks: dict[str, Any], edits: list[dict[str, Any]] | None) -> dict[str, Any]:
    """A JWKS with the edits of a case."""
    found = [dict(key) for key in jwks["keys"]]
    for edit in edits or []:
        if "without" in edit:
            found = [key for key in found if key["x-holder"] != edit["without"]]
            continue
        for key in found:
            if key["x-holder"] == edit["holder"]:
                key.update(edit["set"])
    return {"keys": found}
