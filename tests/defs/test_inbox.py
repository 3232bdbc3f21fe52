import json

import pytest

from chimera_pipelines.defs import inbox
from chimera_pipelines.errors import DocumentError
from chimera_pipelines.settings import settings


@pytest.fixture
def drop(home):
    folder = home / "inbox"
    folder.mkdir()

    def put(name, text):
        (folder / name).write_text(text, encoding="utf-8")
        return name

    return put


def test_waiting_sees_files_and_no_hidden_ones(home, drop, chain):
    assert inbox.waiting(home / "nowhere") == {}
    drop("a.maml.md", chain())
    drop(".a.maml.md.swp", "x")
    (home / "inbox" / "folder").mkdir()
    assert list(inbox.waiting(home / "inbox")) == ["a.maml.md"]


def test_a_file_that_grows_has_another_stamp(home, drop):
    drop("a.maml.md", "x")
    before = inbox.waiting(home / "inbox")
    drop("a.maml.md", "xy")
    assert inbox.waiting(home / "inbox") != before


def test_a_clean_document_moves_to_documents(home, drop, chain):
    found = inbox.take(drop("a.maml.md", chain()), settings())
    assert found.plan.slug == "a"
    assert (home / "documents/a.maml.md").read_text() == chain()
    assert not list((home / "inbox").iterdir())
    assert found.report["errors"] == 0


def test_a_bad_document_moves_to_quarantine_with_its_diagnostics(home, drop, chain):
    text = chain().replace("needs: [first]", "needs: [nobody]")
    found = inbox.take(drop("bad.maml.md", text), settings())
    assert found.plan is None
    assert (home / "quarantine/bad.maml.md").read_text() == text
    report = json.loads((home / "quarantine/bad.maml.md.diagnostics.json").read_text())
    codes = [d["code"] for one in report["files"] for d in one["diagnostics"]]
    assert "MAML404" in codes


def test_nothing_is_overwritten_in_quarantine(home, drop):
    for text in ("one", "two"):
        inbox.take(drop("bad.maml.md", text), settings())
    kept = [path.read_text() for path in (home / "quarantine").glob("*bad.maml.md")]
    assert sorted(kept) == ["one", "two"]


def test_diagnostics_overwrite_no_file_of_their_name(home, drop):
    inbox.take(drop("bad.maml.md.diagnostics.json", "mine"), settings())
    inbox.take(drop("bad.maml.md", "nothing"), settings())
    assert (home / "quarantine/bad.maml.md.diagnostics.json").read_text() == "mine"
    assert [p.read_text() for p in (home / "quarantine").glob("*-bad.maml.md")] == ["nothing"]


def test_other_files_are_no_documents(home, drop):
    found = inbox.take(drop("notes.txt", "x"), settings())
    assert found.report["error"]["code"] == "CHIM604"


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [("a.maml.md", 1, "CHIM602"), ("A.maml.md", 1, "CHIM602"), ("b.maml.md", 0, "CHIM603")],
)
def test_another_documents_name_or_id_is_refused(home, drop, chain, write, name, number, code):
    write("a.maml.md", chain())
    found = inbox.take(drop(name, chain(number=number)), settings())
    assert found.report["error"]["code"] == code
    assert (home / "documents/a.maml.md").read_text() == chain()


def test_a_revision_takes_over_the_history(home, drop, chain, write):
    history = "## History\n\n- 2026-08-01T09:30:00Z: [CREATE] by agent://lab/ana\n"
    write("a.maml.md", chain() + "\n" + history)
    revised = chain().replace("value + 100", "value + 200")
    found = inbox.take(drop("a.maml.md", revised), settings())
    assert found.plan is not None
    assert (home / "documents/a.maml.md").read_text() == revised + "\n" + history


def test_a_revision_with_a_history_of_its_own_is_refused(home, drop, chain, write):
    line = "## History\n\n- 2026-08-01T09:30:00Z: [CREATE] by agent://lab/{}\n"
    write("a.maml.md", chain() + "\n" + line.format("ana"))
    found = inbox.take(drop("a.maml.md", chain() + "\n" + line.format("bob")), settings())
    assert found.report["error"]["code"] == "CHIM607"


@pytest.mark.parametrize("error", [DocumentError("MAML104", "too large"), OSError(28, "full")])
def test_a_document_that_was_moved_and_does_not_load_stays(home, drop, chain, monkeypatch, error):
    load = inbox.load_plan

    def loads(path, store=None):
        if store is not None:
            raise error
        return load(path)

    monkeypatch.setattr(inbox, "load_plan", loads)
    found = inbox.take(drop("a.maml.md", chain()), settings())
    assert (found.plan, found.path) == (None, home / "documents/a.maml.md")
    assert found.path.read_text() == chain()
    assert found.report["error"]["code"] in ("MAML104", "CHIM601")
    assert not (home / "quarantine").exists()


def test_a_file_that_somebody_took_away_leaves_no_diagnostics(home, drop):
    with pytest.raises(FileNotFoundError):
        inbox.take("gone.txt", settings())
    assert not list((home / "quarantine").iterdir())
