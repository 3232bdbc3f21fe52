import pytest

from chimera_pipelines.defs.assets import document_assets
from chimera_pipelines.defs.project import MamlProject, plan_store, stored_plan
from chimera_pipelines.defs.translator import ChimeraTranslator


def test_plans_are_stored_by_digest_and_read_back(write, chain):
    write("a.maml.md", chain())
    (found,) = MamlProject().prepare().plans
    assert stored_plan(found.digest) == found.plan
    assert (plan_store() / f"{found.digest.removeprefix('sha256:')}.json").exists()


def test_the_document_lies_where_the_location_found_it(home, write, chain, tmp_path):
    """One text under two folders is one plan; its History belongs to the file in use."""
    write("a.maml.md", chain())
    MamlProject().prepare()
    other = tmp_path / "moved"
    (home / "documents").rename(other)
    (found,) = MamlProject(other).prepare().plans
    document_assets(found, ChimeraTranslator())
    assert stored_plan(found.digest).document.path == str(other / "a.maml.md")


def test_a_bad_document_is_told_and_leaves_the_others(write, chain):
    write("a.maml.md", chain())
    write("b.maml.md", chain(number=1).replace("needs: [first]", "needs: [nobody]"))
    write("c.maml.md", "no document at all\n")
    prepared = MamlProject().prepare()
    assert [found.plan.slug for found in prepared.plans] == ["a"]
    assert [found.error["code"] for found in prepared.bad] == ["MAML404", "MAML201"]
    assert all(found.diagnostics for found in prepared.bad)


def test_a_document_that_breaks_the_compiler_leaves_the_others(write, monkeypatch, chain):
    from chimera_pipelines.defs import project

    write("a.maml.md", chain())
    write("b.maml.md", chain(number=1))
    real = project.load_plan

    def broken(path, store):
        if path.name == "b.maml.md":
            raise RecursionError("too deep")
        return real(path, store)

    monkeypatch.setattr(project, "load_plan", broken)
    prepared = MamlProject().prepare()
    assert [found.plan.slug for found in prepared.plans] == ["a"]
    assert [found.error["code"] for found in prepared.bad] == ["CHIM601"]


@pytest.mark.parametrize(
    ("name", "number", "code"), [("A.maml.md", 1, "CHIM602"), ("other.maml.md", 0, "CHIM603")]
)
def test_one_slug_or_id_stands_for_one_document(write, name, number, code, chain):
    write("a.maml.md", chain())
    write(name, chain(number=number))
    prepared = MamlProject().prepare()
    assert len(prepared.plans) == 1
    assert [found.error["code"] for found in prepared.bad] == [code]


def test_select_takes_some(write, chain):
    write("a.maml.md", chain())
    write("b.maml.md", chain(number=1))
    assert [found.plan.slug for found in MamlProject().prepare(["b"]).plans] == ["b"]


def test_an_empty_or_absent_folder_is_no_fault(home):
    assert MamlProject().prepare().plans == ()
    assert MamlProject(home / "nowhere").prepare().plans == ()
