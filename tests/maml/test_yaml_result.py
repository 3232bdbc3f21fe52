from __future__ import annotations

import pytest

from chimera_pipelines.maml.diagnostics import Severity, Span
from chimera_pipelines.maml.document import Places
from chimera_pipelines.maml.yaml_result import YamlProblem, YamlResult, problem_code

HERE = Span.at(1, 1)


@pytest.mark.parametrize(
    ("dialect", "codes"),
    [
        ("front", ["MAML203", "MAML204", "MAML205", "MAML203", "MAML211"]),
        ("context", ["MAML203", "MAML204", "MAML205", "MAML203", "MAML211"]),
        ("dependencies", ["MAML402", "MAML402", "MAML402", "MAML402", "MAML211"]),
        ("schema", ["MAML501", "MAML501", "MAML501", "MAML501", "MAML211"]),
    ],
)
def test_codes_depend_on_the_kind_of_block(dialect, codes):
    kinds = ["syntax", "duplicate", "feature", "depth", "dialect"]
    assert [problem_code(kind, dialect) for kind in kinds] == codes


def test_only_a_dialect_form_is_a_warning():
    warning = YamlProblem("dialect", "MAML211", HERE, "x")
    error = YamlProblem("key", "MAML203", HERE, "x")
    assert warning.diagnostic().severity is Severity.WARNING
    assert error.diagnostic().severity is Severity.ERROR
    assert YamlResult(None, Places(), (warning, error)).errors == (error,)
