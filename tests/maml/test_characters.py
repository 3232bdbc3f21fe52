from __future__ import annotations

import unicodedata

from chimera_pipelines.maml.characters import HIDDEN


def test_tab_and_line_feed_are_shown():
    assert HIDDEN.search("a\tb\nc é 🐪 –") is None


def test_controls_and_direction_marks_are_found():
    for code in (0, 8, 0x0B, 0x0D, 0x1F, 0x7F, 0x9F, 0xAD, 0x200B, 0x202E, 0x2066, 0xFEFF, 0xE0041):
        assert HIDDEN.fullmatch(chr(code)), hex(code)


def test_every_control_but_tab_and_line_feed_is_hidden():
    shown = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Cc"]
    assert [c for c in shown if not HIDDEN.match(c)] == ["\t", "\n"]
