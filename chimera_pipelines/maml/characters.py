"""Characters that show nothing or turn direction: refused above History and in notes (MAML103)."""

from __future__ import annotations

import re

_RANGES = (
    "0000-0008 000B-001F 007F-009F 00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F "
    "2028-202E 2060-206F 3164 FE00-FE0D FEFF FFA0 FFF0-FFFB 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)


def _character_class() -> str:
    ends = (part.split("-") for part in _RANGES.split())
    return "".join(f"\\U{first[0]:0>8}-\\U{first[-1]:0>8}" for first in ends)


HIDDEN = re.compile(f"[{_character_class()}]")
