from pathlib import Path

from chimera_pipelines.defs import _dagster_internals as internals


def test_the_installed_dagster_has_the_shapes_we_lean_on():
    assert internals.shape_problems() == []


def test_a_moved_parameter_is_told(monkeypatch):
    monkeypatch.setattr(internals, "redirect_to_file", lambda stream: None)
    (problem,) = internals.shape_problems()
    assert "lacks 'filepath'" in problem


def test_private_names_are_imported_in_one_file_alone():
    folder = Path(internals.__file__).parent
    guilty = [
        path.name
        for path in folder.rglob("*.py")
        if path.name != "_dagster_internals.py" and "dagster._" in path.read_text("utf-8")
    ]
    assert guilty == []


def test_no_module_postpones_annotations():
    folder = Path(internals.__file__).parent
    for path in folder.rglob("*.py"):
        assert "from __future__ import annotations" not in path.read_text("utf-8"), path.name


def test_code_references_name_file_and_line():
    found = internals.code_references(Path("/tmp/a.maml.md"), {"here": 7})
    (one,) = found.code_references
    assert (one.file_path, one.line_number, one.label) == ("/tmp/a.maml.md", 7, "here")


def test_an_executor_loop_of_another_order_is_told(monkeypatch):
    class Other(internals.StepDelegatingExecutor):
        def execute(self, plan_context, execution_plan):
            yield from ()

    monkeypatch.setattr(internals, "StepDelegatingExecutor", Other)
    assert internals.shape_problems() == [
        "StepDelegatingExecutor no longer pops, launches, sleeps in turn"
    ]
