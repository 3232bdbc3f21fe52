"""A head's last tickets: good ones count, missing ones are absent, false ones stop the head."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chimera_pipelines.ledger.ledger import Ledger, TicketRow
from chimera_pipelines.lifecycle import journal as journal_module
from chimera_pipelines.lifecycle import replay as replay_module
from chimera_pipelines.lifecycle.journal import Journal
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.lifecycle.replay import Replay, replay
from chimera_pipelines.lifecycle.run_id import ulid
from chimera_pipelines.maml.history import doc_digest
from chimera_pipelines.tickets.keys import KeyStore

EXAMPLE = Path(__file__).parents[1] / "vectors" / "examples" / "h2_vqe.maml.md"
ID = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"
GATEWAY, ANA = "gateway://local/default", "user://local/ana"
HEADS = ["HEAD_1", "HEAD_3"]


class Place:
    """Documents that a gateway has signed tickets for."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.folder = root / "documents"
        self.folder.mkdir()
        self.keys = KeyStore(
            self.home / "keys", GATEWAY, algorithm="ML-DSA-44", provider="cryptography"
        )
        self.keys.ensure()
        self.ledger = Ledger(f"sqlite:///{self.home / 'ledger.sqlite'}")
        self.runs = 0

    def document(self, name: str = "h2") -> Path:
        path = self.folder / f"{name}.maml.md"
        if not path.exists():
            shutil.copy(EXAMPLE, path)
        return path

    def run(self, count: int, *, name: str = "h2", head: str = "HEAD_1", status: str = "ok") -> str:
        """A run that leaves `count` tickets of a head, between them one of another."""
        path = self.document(name)
        self.runs += 1
        run_id = ulid(1_700_000_000_000 + self.runs, self.runs)
        journal = Journal(
            path,
            ID,
            doc_digest(path.read_bytes()),
            keys=self.keys,
            ledger=self.ledger,
            gateway=GATEWAY,
            home=self.home,
        )
        journal.grant(run_id, ANA, HEADS, 1)
        for n in range(count):
            journal.ticket(fields(run_id, f"k{n}", head, status))
            if head != "HEAD_3":
                journal.ticket(fields(run_id, f"other{n}", "HEAD_3", status))
        journal.finish(run_id, "ok")
        return run_id

    def replay(self, *, count: int = 100, recompute: object = None) -> Replay:
        return replay(
            "HEAD_1",
            self.ledger,
            self.keys.ring,
            self.home,
            count=count,
            recompute=recompute,  # type: ignore[arg-type]
        )


def fields(run_id: str, kernel: str, head: str, status: str) -> TicketFields:
    return TicketFields(
        run_id=run_id,
        kernel=kernel,
        status=status,
        head=head,
        head_kind="quantum",
        cuda_ns=None,
        input_digest="sha256:" + "2" * 64,
        output_digest="sha256:" + "1" * 64,
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.ledger.close()


def test_a_head_without_tickets_has_nothing_against_it(place: Place) -> None:
    place.run(1, head="HEAD_3")
    assert place.replay() == Replay("HEAD_1")
    assert place.replay().error is None


def test_tickets_of_several_documents_are_verified(place: Place) -> None:
    place.run(3)
    place.run(2, name="copy")
    place.run(1)
    assert place.replay() == Replay("HEAD_1", verified=6)


def test_no_more_tickets_are_looked_at_than_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run(8)
    read = []
    reader = replay_module.read_entry

    def counted(index: int, line: int, raw: bytes) -> object:
        read.append(line)
        return reader(index, line, raw)

    monkeypatch.setattr(replay_module, "read_entry", counted)
    assert place.replay(count=3).verified == 3
    # Three tickets, and the first entry of the file once or more.
    assert len(set(read)) == 4


def test_of_a_rotated_history_only_the_files_with_the_tickets_are_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ROTATE_BYTES", 1)
    for _ in range(4):
        place.run(2)
    read = []
    reader = replay_module.read_bytes
    monkeypatch.setattr(
        replay_module, "read_bytes", lambda path: read.append(path.name) or reader(path)
    )
    assert place.replay(count=2).verified == 2
    assert read == ["h2.maml.md"]
    read.clear()
    assert place.replay(count=4).verified == 4
    assert read == ["h2.maml.md", "h2.history-3.md"]
    assert place.replay().verified == 8


def test_a_history_in_a_sidecar_continues_that_of_its_document(place: Place) -> None:
    place.run(2)
    place.document().chmod(0o444)
    place.run(3)
    assert place.home.joinpath("h2.history.md").exists()
    assert place.replay() == Replay("HEAD_1", verified=5)


def edited(place: Place, change: Callable[[str], str]) -> None:
    path = place.document()
    text = path.read_text("utf-8")
    new = change(text)
    assert new != text
    path.write_text(new, "utf-8")


def test_a_flipped_signature_is_found(place: Place) -> None:
    place.run(3)

    def flip(text: str) -> str:
        at = [found.start(1) for found in re.finditer(r"head=HEAD_1 .*\n  <!-- sig (\S)", text)][1]
        return text[:at] + ("B" if text[at] != "B" else "C") + text[at + 1 :]

    edited(place, flip)
    found = place.replay()
    codes = [problem.code for problem in found.problems]
    assert codes[0] == "MAML802"  # and the ticket below it stands on other leaves
    assert found.verified == 1
    assert found.error is not None
    assert found.error.code == "CHIM740"
    assert found.error.where is not None
    assert found.error.where.file == str(place.document())


def test_an_edited_ticket_is_found(place: Place) -> None:
    place.run(2)
    edited(place, lambda text: text.replace("out=sha256:1", "out=sha256:3", 1))
    assert [problem.code for problem in place.replay().problems][:1] == ["MAML802"]


def test_an_entry_that_is_not_read_and_was_changed_shows_in_the_chain(place: Place) -> None:
    place.run(2)

    def change(text: str) -> str:
        grant = re.search(r"- \S+: \[GRANT\].*\n", text)
        assert grant is not None
        return text.replace(grant[0], grant[0].replace("user://local/ana", "user://local/eve"))

    edited(place, change)
    assert {problem.code for problem in place.replay().problems} == {"MAML803"}


def test_a_key_that_is_no_longer_trusted_is_found(place: Place) -> None:
    place.run(1)
    ring = place.keys.ring()
    mine = "head://local/default/HEAD_1"
    kept = type(ring).of(key for key in ring if key.holder != mine)
    found = replay("HEAD_1", place.ledger, lambda: kept, place.home)
    assert [problem.code for problem in found.problems] == ["MAML805"]


def test_a_document_that_was_moved_away_says_nothing(place: Place) -> None:
    place.run(2)
    place.document().unlink()
    assert place.replay() == Replay("HEAD_1", absent=2)
    assert place.replay().error is None


def test_a_document_that_was_put_back_says_nothing(place: Place) -> None:
    text = EXAMPLE.read_bytes()
    place.run(2)
    place.document().write_bytes(text)
    assert place.replay() == Replay("HEAD_1", absent=2)
    place.run(1)  # other tickets stand in the places of the old ones now
    assert place.replay() == Replay("HEAD_1", verified=1, absent=2)


def test_outputs_are_compared_when_kernels_can_run_again(place: Place) -> None:
    place.run(2)
    place.run(1, status="failed")
    asked = []

    def again(ticket: TicketRow, document: Path) -> str | None:
        asked.append((ticket.kernel, document.name))
        return ticket.output_digest if ticket.kernel == "k0" else None

    assert place.replay(recompute=again) == Replay("HEAD_1", verified=3, recomputed=1)
    assert sorted(asked) == [("k0", "h2.maml.md"), ("k1", "h2.maml.md")]


def test_another_output_keeps_the_head_out_of_service(place: Place) -> None:
    place.run(1)
    found = place.replay(recompute=lambda ticket, document: "sha256:" + "9" * 64)
    assert [problem.code for problem in found.problems] == ["CHIM741"]
    assert found.error is not None
    assert "kernel 'k0' now gives sha256:9" in found.error.message
