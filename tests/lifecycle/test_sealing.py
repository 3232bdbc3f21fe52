"""Encryption at rest (MAML.md §10): nothing that an encrypted document made lies in the open."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.lifecycle import phases, registers
from chimera_pipelines.lifecycle.records import Outcome, Propagated
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.sealing import close_note, open_note, sealing_of
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.ring.checkpoint import unpack
from chimera_pipelines.ring.seal import Cipher
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.settings import Settings
from tests.lifecycle.conftest import FRONT

Compiler = Callable[..., Plan]

MARK = "cleartext-of-an-output-0123456789"
PYTHON = f"""## Dependencies
```yaml
kernels:
  k: {{}}
```
## Code_Blocks
```python {{#k}}
import numpy as np
def run():
    return {{"mark": "{MARK[:9]}" + "{MARK[9:]}", "array": np.full(70000, 7.25)}}
```
"""
QASM = """## Dependencies
```yaml
kernels:
  k: {shots: 10}
```
## Code_Blocks
```qasm {#k}
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
```
"""
SEALED = [cipher for cipher in Cipher if cipher is not Cipher.NONE]


def front(cipher: str, *, flag: bool = False) -> str:
    more = f"encryption: {cipher}\n" + ("quantum_security_flag: true\n" if flag else "")
    return FRONT.replace("type: workflow\n", f"type: workflow\n{more}")


def outcome(plan: Plan, services: Services, *, force: bool = False) -> tuple[Run, Outcome]:
    run = open_run(plan, services, run_id=new_run_id(), force=force)
    run.begin()
    try:
        return run, phases.run_kernel(run, run.kernels["k"], {})
    finally:
        run.close()


def in_the_open(home: Path) -> list[str]:
    """Files below the home, but for the document, that hold the output or the array."""
    marks = (MARK.encode(), b"\x00\x00\x00\x00\x00\x00\x1d\x40" * 4)
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file()
        and path.relative_to(home).parts[0] not in ("documents", "plans")
        and any(mark in path.read_bytes() for mark in marks)
    ]


@pytest.mark.parametrize("cipher", SEALED)
def test_nothing_of_an_encrypted_document_lies_in_the_open(
    compiled: Compiler, services: Services, home: Path, cipher: Cipher
) -> None:
    plan = compiled(PYTHON, front=front(cipher))
    run, first = outcome(plan, services)
    assert isinstance(first.output, dict)
    assert first.output["mark"] == MARK
    assert in_the_open(home) == []
    blob = first.output["array"]["$blob"]  # type: ignore[index, call-overload]
    assert b"\x00\x00\x00\x00\x00\x00\x1d\x40" * 4 in services.store.get(str(blob))
    assert first.checkpoint is not None
    held = unpack(services.ring.rebuild(first.checkpoint["id"]))
    assert MARK.encode() in held.output
    assert {report.encryption for report in services.ring.ls()} == {cipher}
    _, again = outcome(plan, services)
    assert again.status == "reused"
    run.finish("ok")
    assert in_the_open(home) == []


def test_without_encryption_outputs_lie_in_the_open(
    compiled: Compiler, services: Services, home: Path
) -> None:
    """What the test above looks for is there to be found."""
    outcome(compiled(PYTHON), services)
    assert {path.partition("/")[0] for path in in_the_open(home)} == {"blobs", "ring"}


@pytest.mark.parametrize("cipher", SEALED)
def test_what_one_document_wants_sealed_stays_so_when_another_puts_it(
    compiled: Compiler, services: Services, home: Path, cipher: Cipher
) -> None:
    other = FRONT.replace("7b10", "7b11")
    outcome(compiled(PYTHON, name="open", front=other), services)
    outcome(compiled(PYTHON, front=front(cipher)), services, force=True)
    assert [path for path in in_the_open(home) if path.startswith(("blobs", "ring"))] == []
    outcome(compiled(PYTHON, name="open", front=other), services, force=True)
    assert [path for path in in_the_open(home) if path.startswith(("blobs", "ring"))] == []


def test_a_flagged_document_wraps_its_keys_with_ml_kem(
    compiled: Compiler, services: Services, home: Path
) -> None:
    _, found = outcome(compiled(QASM, front=front("aes-512", flag=True)), services)
    assert found.checkpoint is not None
    assert found.output is not None
    ring = services.ring
    path = home / "ring" / "HEAD_1" / ring.path(found.checkpoint["id"])
    assert b'"kem":"' in path.read_bytes()
    assert ring.rebuild(found.checkpoint["id"])


def test_without_the_keys_nothing_is_opened_or_reused(
    compiled: Compiler, services: Services, home: Path
) -> None:
    plan = compiled(PYTHON, front=front("aes-256"))
    _, found = outcome(plan, services)
    shutil.rmtree(home / "keys" / "private" / "heads")
    with Services(Settings(home=home)) as fresh:
        with pytest.raises(ChimeraError, match="is not in"):
            fresh.store.get(found.output_digest)
        _, again = outcome(plan, fresh)
        assert again.status == "ok"
        assert fresh.store.get(found.output_digest)


def test_a_register_goes_on_in_another_process_and_is_kept_by_the_checkpoint(
    compiled: Compiler, services: Services, home: Path
) -> None:
    plan = compiled(QASM)
    run = open_run(plan, services, run_id=new_run_id())
    run.begin()
    kernel = run.kernels["k"]
    record = phases.propagate(run, phases.embed(run, phases.deserialize(run, kernel, {})))
    run.close()
    content = record.payload["register"]
    assert services.states.exists(content)
    assert not services.store.exists(content)
    with Services(Settings(home=home)) as other:
        again = open_run(plan, other, run_id=run.run_id)
        measured = phases.measure(again, Propagated.from_json(record.to_json()))
        found = phases.feedback(again, measured)
        again.finish("ok")
        assert found.status == "ok"
        assert other.states.states() == []
        assert not list((home / "ring").rglob("*.state"))
        data = registers.load(other, "doc", "k", content)
        assert data == unpack(other.ring.rebuild(found.checkpoint["id"])).registers["register"]  # type: ignore[index]
        again.close()


def test_a_run_that_failed_keeps_its_registers(compiled: Compiler, services: Services) -> None:
    run = open_run(compiled(QASM), services, run_id=new_run_id())
    run.begin()
    phases.propagate(run, phases.embed(run, phases.deserialize(run, run.kernels["k"], {})))
    run.finish("failed")
    assert [ref.key.run for ref in services.states.states()] == [run.run_id]
    run.finish("ok")
    assert services.states.states() == []
    run.close()


def test_notes_are_sealed_as_the_kernel_is(compiled: Compiler, services: Services) -> None:
    plan = compiled(PYTHON, front=front("aes-256"))
    sealing = sealing_of(plan.document, plan.kernels[0], "HEAD_2")
    assert (sealing.cipher, sealing.head, sealing.document) == (Cipher.AES_256, "HEAD_2", "doc")
    note = {"theta": [0.5], "text": MARK}
    closed = close_note(note, sealing, services.head_keys)
    assert MARK not in str(closed)
    assert open_note(closed, services.head_keys) == note
    assert close_note(note, replace(sealing, cipher=Cipher.NONE), services.head_keys) == note
    assert open_note(None, services.head_keys) is None


def test_a_store_that_is_away_is_recorded_and_the_run_goes_on(
    compiled: Compiler, services: Services, home: Path
) -> None:
    (home / "ring").mkdir(parents=True)
    (home / "ring" / "HEAD_2").write_text("no folder")
    _, found = outcome(compiled(QASM), services)
    assert found.status == "ok"
    assert found.checkpoint is not None
    assert found.checkpoint["heads"] == ["HEAD_1", "HEAD_3", "HEAD_4"]
    events = services.ledger.head_events("HEAD_2")
    assert {event.event for event in events} == {"share"}
    assert {str(event.detail["of"]) for event in events} == {"checkpoint of k", "state of k"}
    assert "share store of HEAD_2" in str(events[0].detail["reason"])


def test_two_stores_that_are_full_end_the_kernel_with_a_coded_error(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int, __: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(ChimeraError, match="is full") as caught:
        outcome(compiled(QASM), services)
    assert caught.value.code == "CHIM507"
