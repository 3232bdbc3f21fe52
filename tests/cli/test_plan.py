from __future__ import annotations

from tests.lifecycle.conftest import FRONT
from tests.lifecycle.test_learning_calls import loop

LEARNING = FRONT + loop()


def test_json_shape(chimera, chain):
    called = chimera("plan", chain, "--json")
    assert called.code == 0, called.err
    shown = called.json
    assert set(shown) == {
        *("schema", "digest", "document", "job", "partitions", "schedule", "trigger"),
        *("levels", "kernels"),
    }
    assert shown["schema"] == "chimera.plan/1"
    assert shown["levels"] == [["first"], ["second", "third"]]
    first = shown["kernels"][0]
    assert set(first) == {
        *("name", "level", "block", "language", "line", "needs", "heads", "bytes"),
        *("input_digest", "decision", "reason", "engine"),
    }
    assert first["decision"] == "run"
    assert first["input_digest"].startswith("sha256:")
    assert shown["kernels"][1]["input_digest"] is None


def test_inputs_change_the_input_digest_and_not_the_plan(chimera, chain):
    two = chimera("plan", chain, "--json").json
    three = chimera("plan", chain, "--json", "--input", "x=3").json
    assert two["digest"] == three["digest"]
    assert two["kernels"][0]["input_digest"] != three["kernels"][0]["input_digest"]


def test_text_explains(chimera, chain):
    assert "second" in chimera("plan", chain).out
    called = chimera("plan", chain, "--explain")
    assert "first run" in called.out
    assert "first will run first" in called.out


def test_a_partitioned_document_can_be_planned_without_a_partition(chimera, chain):
    text = chain.read_text().replace("kernels:", "partitions: {static: [a, b]}\nkernels:")
    chain.write_text(text)
    called = chimera("plan", chain, "--json")
    assert called.code == 0, called.err
    assert {kernel["decision"] for kernel in called.json["kernels"]} == {"run"}
    assert chimera("plan", chain, "--partition", "c").code == 2


def test_a_cycle_is_exit_4_with_its_place(chimera, cycle):
    called = chimera("plan", cycle, "--json")
    assert called.code == 4
    error = called.json["error"]
    assert error["code"] == "MAML405"
    assert error["where"]["file"] == str(cycle)
    assert error["where"]["line"] > 1


def test_run_inputs_that_the_schema_refuses_are_usage(chimera, chain):
    called = chimera("plan", chain, "--input", "x=text", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "MAML505"


def test_planning_leaves_the_document_alone(chimera, chain):
    before = chain.read_bytes()
    chimera("plan", chain, "--explain")
    assert chain.read_bytes() == before


def test_a_width_beyond_the_plans_integers_is_said_to_be_more(chimera, home):
    path = home / "documents" / "wide.maml.md"
    path.write_text(LEARNING.replace("QuantumCircuit(1)", "QuantumCircuit(100)"), "utf-8")
    said = chimera("plan", path, "--explain").out
    assert "over 8.0 PiB" in said
    assert "over 48 qubits are over 4 PiB" in said


def test_a_feedback_block_that_learns_is_said_to_run_on_an_ai_head(chimera, home):
    path = home / "documents" / "hybrid.maml.md"
    path.write_text(LEARNING, "utf-8")
    (kernel,) = chimera("plan", path, "--json").json["kernels"]
    assert kernel["feedback_heads"] == ["HEAD_3", "HEAD_4"]
    assert set(kernel["heads"]) == {"HEAD_1", "HEAD_2"}
    said = "feedback block 'step' of 'k' imports torch: it runs on HEAD_3 or HEAD_4"
    assert said in chimera("plan", path, "--explain").out
    assert said not in chimera("plan", path).out
    plain = path.with_name("plain.maml.md")
    plain.write_text(LEARNING.replace("import torch", "import math"), "utf-8")
    (kernel,) = chimera("plan", plain, "--json").json["kernels"]
    assert "feedback_heads" not in kernel
    explained = chimera("heads", "explain", f"{path}#k", "--json").json
    assert explained["feedback_heads"] == ["HEAD_3", "HEAD_4"]
    assert "its feedback block imports torch" in explained["reason"]
