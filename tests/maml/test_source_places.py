from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.source_places import SourcePlaces


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\\\n\r\0"), max_size=8))
def test_columns_count_code_points(text):
    source = f"a = ('{text}', name.attr)"
    name = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute))
    places = SourcePlaces(source, 7)
    span = places.of(name)
    assert source[span.column - 1 : span.end_column - 1] == "name.attr"
    attribute = places.of_attribute(name)
    assert source[attribute.column - 1 : attribute.end_column - 1] == "attr"
    assert (span.line, attribute.line) == (7, 7)


def test_an_attribute_may_stand_on_a_later_line():
    source = "x = (a\n  .b)"
    name = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute))
    span = SourcePlaces(source, 1).of_attribute(name)
    assert (span.line, span.column, span.end_column) == (2, 4, 5)
