from __future__ import annotations

import pytest

from tests.maml.kernels import K, places


def codes(inputs, embedding, width=2):
    code = f"```qiskit {{#k}}\ndef circuit():\n    return QuantumCircuit({width})\n```\n"
    return places(f"kernels:\n  k: {{inputs: {inputs}, embedding: {embedding}}}", code)


ANGLE = "{method: angle, features: v}"
AMPLITUDE = "{method: amplitude, features: v}"
BASIS = "{method: basis, features: v}"
IQP = "{method: iqp, features: v, repeats: 3}"
PADDED = "{method: amplitude, features: v, pad: zero}"


@pytest.mark.parametrize(
    ("inputs", "embedding", "place"),
    [
        ("{v: [0.5, 1]}", ANGLE, None),
        ("{v: [0.5]}", ANGLE, None),
        ("{v: [[1, 2], [3]]}", ANGLE, None),
        ("{v: $input.x}", ANGLE, None),
        ("{v: [$input.x]}", ANGLE, None),
        ("{v: [1, 2, 3]}", ANGLE, "[1, 2, 3]}, "),
        ("{v: [[1], [1, 2, 3]]}", ANGLE, "[[1], [1, 2,"),
        ("{v: 1}", ANGLE, "1}, embeddin"),
        ("{v: []}", ANGLE, "[]}, embeddi"),
        ("{v: [true]}", ANGLE, "[true]}, emb"),
        ("{v: [[[1]]]}", ANGLE, "[[[1]]]}, em"),
        ("{v: [1, [2]]}", ANGLE, "[1, [2]]}, e"),
        ("{v: [1, 2, 3]}", "{method: angle, features: v, qubits: 3}", None),
        ("{v: [1, 2, 3, 4]}", AMPLITUDE, None),
        ("{v: [1, 2, 3]}", AMPLITUDE, "[1, 2, 3]}, "),
        ("{v: [1, 2, 3]}", PADDED, None),
        ("{v: [1, 2, 3, 4, 5]}", PADDED, "[1, 2, 3, 4,"),
        ("{v: [0, 0.0, 0, 0]}", AMPLITUDE, "[0, 0.0, 0, "),
        ("{w: [1]}", ANGLE, "v}}"),
        ("{v: [1, 0]}", BASIS, None),
        ("{v: [[1, 0.0], [0]]}", BASIS, None),
        ("{v: [1, 2]}", BASIS, "[1, 2]}, emb"),
        ("{v: [1, 0, 1]}", BASIS, "[1, 0, 1]}, "),
        ("{v: [0.4, 2.5]}", IQP, None),
        ("{v: [0.4, 2.5, 1]}", IQP, "[0.4, 2.5, 1"),
        ("{v: [{re: 1, im: 2}, 0]}", PADDED, None),
        ("{v: [{re: 0, im: 0}, 0]}", PADDED, "[{re: 0, im:"),
        ("{v: [{re: 1}, 0]}", PADDED, "[{re: 1}, 0]"),
        ("{v: [{re: 1, im: 2}, 0]}", ANGLE, "[{re: 1, im:"),
    ],
)
def test_literal_features(inputs, embedding, place):
    found = [text for code, text in codes(inputs, embedding) if code == "MAML412"]
    assert found == ([] if place is None else [place])


def test_what_comes_at_run_time_or_is_of_unknown_width_is_not_judged():
    assert codes("{v: [1, 2, 3]}", ANGLE, width="n") == []


@pytest.mark.parametrize("language", ["python", "qasm", "sql"])
def test_only_qiskit_kernels_embed(language):
    code = {
        "python": K.replace("run()", "run(v)"),
        "qasm": "```qasm {#k}\ninput float v;\n```\n",
        "sql": "```sql {#k}\nSELECT :v\n```\n",
    }[language]
    found = places(f"kernels:\n  k: {{inputs: {{v: [1]}}, embedding: {ANGLE}}}", code)
    assert found == [("MAML412", "{method: ang")]
