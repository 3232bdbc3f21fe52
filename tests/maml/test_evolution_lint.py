from __future__ import annotations

import pytest

from tests.maml.kernels import K, places

ISING = "{ZZ: 1.0, XI: 0.5}"


def codes(evolution, inputs="{v: 1}", width=2):
    code = (
        f"```qiskit {{#k}}\ndef circuit(v=1, h=1, t=1):\n    return QuantumCircuit({width})\n```\n"
    )
    return places(f"kernels:\n  k: {{inputs: {inputs}, evolution: {evolution}}}", code)


@pytest.mark.parametrize(
    ("evolution", "inputs", "code"),
    [
        (f"{{hamiltonian: {ISING}, time: 1}}", "{v: 1}", None),
        (
            f"{{hamiltonian: [{ISING}, {ISING}], time: [0, 1.5], order: 4, tolerance: 1.0e-6}}",
            "{v: 1}",
            None,
        ),
        ("{hamiltonian: h, time: t}", f"{{h: {ISING}, t: [1, 2]}}", None),
        ("{hamiltonian: h, time: t}", "{h: $input.h, t: $input.t}", None),
        ("{hamiltonian: h, time: 1}", "{v: 1}", "CHIM770"),
        ("{hamiltonian: h, time: 1}", "{h: [1]}", "CHIM770"),
        ("{hamiltonian: {ZZZ: 1}, time: 1}", "{v: 1}", "CHIM770"),
        ("{hamiltonian: {ZA: 1}, time: 1}", "{v: 1}", "CHIM770"),
        ("{hamiltonian: {ZZ: {re: 1, im: 1}}, time: 1}", "{v: 1}", "CHIM770"),
        ("{hamiltonian: {ZZ: 1j}, time: 1}", "{v: 1}", "CHIM770"),
        ("{hamiltonian: [1], time: 1}", "{v: 1}", "CHIM770"),
        (f"{{hamiltonian: {ISING}, time: t}}", "{v: 1}", "CHIM771"),
        (f"{{hamiltonian: {ISING}, time: t}}", "{t: []}", "CHIM771"),
        (f"{{hamiltonian: {ISING}, time: [true]}}", "{v: 1}", "CHIM771"),
        (f"{{hamiltonian: {ISING}, time: 1, tolerance: 0}}", "{v: 1}", "MAML403"),
        (f"{{hamiltonian: {ISING}, time: 1, order: 3}}", "{v: 1}", "MAML403"),
        (f"{{hamiltonian: {ISING}, time: 1, steps: 3}}", "{v: 1}", "MAML403"),
        (f"{{hamiltonian: {ISING}}}", "{v: 1}", "MAML403"),
        ("{hamiltonian: 1, time: 1}", "{v: 1}", "MAML403"),
        ("{hamiltonian: {}, time: 1}", "{v: 1}", "MAML403"),
    ],
)
def test_literal_evolutions(evolution, inputs, code):
    found = [
        c for c, _ in codes(evolution, inputs) if c[:6] in ("CHIM77", "MAML40") and c != "MAML407"
    ]
    assert found == ([] if code is None else [code])


def test_of_unknown_width_strings_agree_with_each_other():
    assert codes("{hamiltonian: {ZZZ: 1}, time: 1}", width="n") == []
    found = codes("{hamiltonian: {ZZZ: 1, Z: 1}, time: 1}", width="n")
    assert [code for code, _ in found] == ["CHIM770"]


@pytest.mark.parametrize(("order", "expected"), [(2, []), (3, ["MAML403"]), (None, ["MAML408"])])
def test_a_refused_evolution_has_one_error_and_supplies_its_report_all_the_same(order, expected):
    code = "```qiskit {#k}\ndef circuit():\n    return QuantumCircuit(2)\n\n"
    code += "def post(evolution, counts):\n    return {}\n```\n"
    option = f"evolution: {{hamiltonian: {ISING}, time: 1, order: {order}}}" if order else "seed: 1"
    found = places(f"kernels:\n  k: {{{option}}}", code)
    assert [code for code, _ in found if code.startswith("MAML40")] == expected


def test_python_kernels_have_none():
    found = places(f"kernels:\n  k: {{evolution: {{hamiltonian: {ISING}, time: 1}}}}", K)
    assert [code for code, _ in found] == ["CHIM770"]
