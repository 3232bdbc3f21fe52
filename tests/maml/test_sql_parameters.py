from __future__ import annotations

import pytest

from chimera_pipelines.maml.sql_parameters import with_dollars


@pytest.mark.parametrize(
    "text",
    ["':a'", "$$:a$$", "$t$:a $$ '$t$", r"E'\':a'", '":a"', "-- :a\n", "/* :a */", "x::bigint"],
)
def test_only_what_stands_outside_of_texts_is_a_parameter(text: str) -> None:
    assert with_dollars(f"{text} :b {text} :c :b") == (f"{text} $b {text} $c $b", ["b", "c"])
