"""Writes the diagram of phases into docs/architecture.md: `python -m tools.phase_diagram`."""  # noqa: INP001

from __future__ import annotations

import re
from pathlib import Path

from chimera_pipelines.phase import PHASES, TRANSITIONS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
BEGIN, END = "<!-- phases: made by `python -m tools.phase_diagram` -->\n", "<!-- end -->"


def diagram() -> str:
    """A Mermaid state diagram of `TRANSITIONS`, in the order of the table."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {PHASES[0]}"]
    for phase in PHASES:
        lines += [f"    {phase} --> {after or '[*]'}" for after in TRANSITIONS[phase]]
    return "\n".join([*lines, "```"]) + "\n"


def with_diagram(text: str) -> str:
    """The page's text with the diagram between its two comments renewed."""
    block = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    return block.sub(lambda _: BEGIN + diagram() + END, text)


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text("utf-8")), "utf-8")
