from __future__ import annotations

import re
from pathlib import Path

from chimera_pipelines.cli import codes

PACKAGE = Path(codes.__file__).parents[1]


def test_every_code_that_is_raised_is_explained():
    used = set()
    for path in PACKAGE.rglob("*.py"):
        used |= set(re.findall(r"\b(?:MAML|CHIM)[0-9]{3}\b", path.read_text("utf-8")))
    assert sorted(used - set(codes.table())) == []


def test_entries_are_whole():
    for code in codes.table().values():
        assert re.fullmatch(r"(MAML|CHIM)[0-9]{3}", code.code)
        assert code.severity in {"error", "warning", "info"}
        assert code.title
        assert not code.title.endswith(".")
        assert code.text.endswith((".", "?"))


def test_every_code_of_the_language_is_there():
    ranges = {
        "1": "01 02 03 04 05",
        "2": "01 02 03 04 05 06 07 08 09 10 11 12",
        "3": "01 02 03 04 05 06 10 11 12 13 14 15 16 17 18 19",
        "4": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 20 32",
        "5": "01 02 03 04 05",
        "6": "01 02 03 04",
        "7": "01 02 03 04 05 06 07",
        "8": "01 02 03 04 05 06 07 08",
        "9": "01 02 03 04 05 06",
    }
    wanted = {f"MAML{n}{code}" for n, many in ranges.items() for code in many.split()}
    assert wanted == {code for code in codes.table() if code.startswith("MAML")}
