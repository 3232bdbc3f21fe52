from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def python_only(chain):
    """The chain is python alone, so a run starts no quantum engine."""
    return chain


def test_json_shape_reuse_and_verification(chimera, python_only):
    called = chimera("run", python_only, "--json", "--input", "x=4")
    assert called.code == 0, called.err
    shown = called.json
    assert shown["schema"] == "chimera.run/1"
    assert set(shown) >= {
        *("schema", "run_id", "status", "seconds", "partition", "document"),
        *("kernels", "outputs", "history"),
    }
    assert set(shown["kernels"][0]) >= {
        *("name", "status", "head", "device", "incarnation", "attempts", "phases", "cuda_ns"),
        *("input_digest", "output_digest", "output", "ticket", "checkpoint", "error"),
        "diagnostics",
    }
    assert shown["outputs"] == {"second": {"z": 10}, "third": {"ok": True}}
    assert "must not reach stdout" not in called.out
    assert "chain  first  propagate" in called.err
    again = chimera("run", python_only, "--json", "--input", "x=4").json
    assert {kernel["status"] for kernel in again["kernels"]} == {"reused"}
    verified = chimera("verify", python_only)
    assert verified.code == 0
    assert verified.out.splitlines()[-1] == "6 tickets verified"


def test_a_failing_kernel_is_exit_1_with_its_place(chimera, chain):
    chain.write_text(chain.read_text().replace('return {"z": 2 * y}', 'return {"z": 2 / 0}'))
    called = chimera("run", chain, "--json", "--quiet")
    assert called.code == 1
    by_name = {kernel["name"]: kernel for kernel in called.json["kernels"]}
    assert [by_name[n]["status"] for n in ("first", "second", "third")] == ["ok", "failed", "ok"]
    error = by_name["second"]["error"]
    assert error["code"] == "MAML901"
    line = next(n for n, t in enumerate(chain.read_text().split("\n"), 1) if "2 / 0" in t)
    assert error["where"]["line"] == line
    assert json.loads(called.err.splitlines()[-1]) == error


def test_a_refused_run_has_the_shape_of_a_run(chimera, chain):
    chain.write_text(chain.read_text().replace("gateway://local/default", "gateway://else/where"))
    called = chimera("run", chain, "--json")
    assert called.code == 5
    assert called.json["schema"] == "chimera.run/1"
    assert called.json["status"] == "refused"
    assert called.json["error"]["code"] == "MAML704"
    assert "## History" not in chain.read_text()


def test_text_has_a_row_a_kernel_and_the_outputs(chimera, chain):
    called = chimera("run", chain, "--quiet")
    assert called.code == 0
    lines = called.out.splitlines()
    assert lines[0].split() == ["kernel", "status", "head", "seconds", "ticket", "output"]
    assert [line.split()[0] for line in lines[1:4]] == ["first", "second", "third"]
    assert "3 tickets in" in lines[-1]
    assert called.err == ""


def test_all_partitions_is_one_table_or_one_object(chimera, chain):
    text = chain.read_text().replace("kernels:", "partitions: {static: [a, b]}\nkernels:")
    chain.write_text(text)
    assert chimera("run", chain, "--json").code == 2
    called = chimera("run", chain, "--all-partitions", "--json", "--quiet")
    assert called.code == 0, called.err
    assert called.json["schema"] == "chimera.runs/1"
    assert [one["partition"] for one in called.json["runs"]] == ["a", "b"]
    lines = chimera("run", chain, "--all-partitions", "--quiet").out.splitlines()
    assert lines[0].split() == ["partition", "z", "ok", "status", "seconds"]
    assert [line.split()[:4] for line in lines[1:]] == [
        [key, "6", "yes", "ok"] for key in ("a", "b")
    ]


def test_an_invalid_document_is_exit_3_or_4(chimera, chain, cycle):
    assert chimera("run", cycle).code == 4
    chain.write_text(chain.read_text().replace("type: workflow", "type: other"))
    assert chimera("run", chain, "--json").code == 3


def test_partition_and_all_partitions_exclude_each_other(chimera, chain):
    assert chimera("run", chain, "--partition", "a", "--all-partitions").code == 2


def test_through_dagster_the_report_is_passed_on(chimera, chain, monkeypatch):
    from chimera_pipelines.defs import launch

    asked = []

    def run_document(plan, **given):
        asked.append(given)
        return {
            "schema": "chimera.run/1",
            "run_id": "r",
            "dagster_run_id": "d",
            "status": "failed",
            "seconds": 1.0,
            "partition": None,
            "kernels": [],
            "outputs": {},
            "history": {"tickets": 0, "path": plan.document.path},
        }

    monkeypatch.setattr(launch, "run_document", run_document)
    called = chimera("run", chain, "--dagster", "--json", "--input", "x=1")
    assert called.code == 1
    assert called.json["dagster_run_id"] == "d"
    assert asked == [{"partition": None, "inputs": {"x": 1}, "force": False}]


@pytest.mark.parametrize("verb", [("run",), ("plan",), ("run", "--dagster")])
def test_a_misspelt_run_input_is_refused_with_what_was_meant(chimera, chain, verb):
    name, *flags = verb
    text = chain.read_text().replace('"properties": {"x"', '"properties": {"width": {}, "x"')
    chain.write_text(text)
    called = chimera(name, chain, *flags, "--input", "wdth=4", "--json")
    assert called.code == 2
    error = json.loads(called.err.splitlines()[-1])
    assert error["code"] == "CHIM213"
    assert error["hint"] == "did you mean 'width'?"
    assert "## History" not in chain.read_text()


@pytest.mark.parametrize("word", ["true", '{"type": "number"}'])
def test_a_schema_that_takes_further_names_is_left_to_judge_them(chimera, chain, word):
    text = chain.read_text()
    chain.write_text(
        text.replace('{"type": "object",', f'{{"type": "object", "additionalProperties": {word},')
    )
    assert chimera("plan", chain, "--input", "other=4").code == 0


def test_a_referenced_name_needs_no_declaration(chimera, chain):
    chain.write_text(chain.read_text().replace("{needs: [first]}", "{inputs: {a: $input.more}}"))
    chain.write_text(chain.read_text().replace("def run():", "def run(a):"))
    called = chimera("plan", chain, "--input", "more=4")
    assert "CHIM213" not in called.err


def test_a_damaged_output_is_computed_again_with_a_warning(chimera, chain, home):
    first = chimera("run", chain, "--json", "--quiet").json["kernels"][0]["output_digest"]
    digits = first.removeprefix("sha256:")
    stored = home / "blobs" / digits[:2] / digits[2:]
    whole = stored.read_bytes()
    stored.write_bytes(b"x" + whole[1:])
    assert "its stored output is damaged" in chimera("plan", chain, "--explain").out
    called = chimera("run", chain, "--json", "--quiet")
    assert called.code == 0
    assert [one["status"] for one in called.json["kernels"]] == ["ok", "reused", "reused"]
    assert stored.read_bytes() == whole
    assert "is damaged" in called.err
    stored.unlink()
    assert "its output is no longer stored" in chimera("plan", chain, "--explain").out


def test_keys_that_a_run_makes_are_told_once(chimera, chain, home):
    assert f"5 keys made in {home / 'keys'}" in chimera("run", chain).err
    assert "keys made" not in chimera("run", chain).err


def test_a_history_signed_elsewhere_is_warned_of(chimera, chain, home):
    assert chimera("run", chain, "--quiet").err == ""
    shutil.rmtree(home)
    called = chimera("run", chain, "--quiet")
    assert called.code == 0
    assert "chimera: warning: the History of" in called.err
    assert "'chimera verify' will fail" in called.err
    assert chimera("verify", chain).code == 8


def test_what_blocks_print_is_shown_with_v_and_when_they_fail(chimera, chain):
    printed = "first propagate printed: this line must not reach stdout"
    assert printed not in chimera("run", chain).err
    assert printed in chimera("run", chain, "--force", "-v").err
    chain.write_text(chain.read_text().replace('return {"y": x + 1}', "return 1 / 0"))
    called = chimera("run", chain, "--quiet")
    assert called.code == 1
    assert printed in called.err
