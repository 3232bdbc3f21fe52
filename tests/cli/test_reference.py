from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.cli import reference

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_in_step(name):
    text = (DOCS / name).read_text("utf-8")
    assert text == reference.with_page(text, reference.PAGES[name]()), (
        "run: python -m chimera_pipelines.cli.reference docs"
    )


def test_a_page_without_a_marker_is_refused():
    with pytest.raises(ValueError, match="marker"):
        reference.with_page("# Title\n", "page")


def test_write_keeps_what_a_person_wrote(tmp_path):
    for name in reference.PAGES:
        (tmp_path / name).write_text(f"# Mine\n{reference.MARKER}stale")
    reference.write(tmp_path)
    text = (tmp_path / "cli.md").read_text("utf-8")
    assert text.startswith(f"# Mine\n{reference.MARKER}")
    assert "stale" not in text
    assert "chimera check" in text
