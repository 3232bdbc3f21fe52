from __future__ import annotations


def test_text(chimera, chain):
    assert chimera("graph", chain).out.splitlines() == [
        "level 0",
        "  first (python)",
        "level 1",
        "  second (python) <- first",
        "  third (python) after first",
        "<- data, after: order alone",
    ]


def test_mermaid_is_the_drawing_of_the_language(chimera, chain):
    assert chimera("graph", chain, "--mermaid").out.splitlines() == [
        "%% generated",
        "flowchart LR",
        "  first --> second",
        "  first -.-> third",
    ]


def test_a_kernel_alone_is_drawn_last(chimera, chain):
    chain.write_text(chain.read_text().replace("  third: {needs: [first]}", "  third:"))
    assert chimera("graph", chain, "--mermaid").out.splitlines()[-2:] == [
        "  first --> second",
        "  third",
    ]


def test_json_shape(chimera, chain):
    shown = chimera("graph", chain, "--json").json
    assert set(shown) == {"schema", "document", "levels", "kernels", "edges"}
    assert shown["schema"] == "chimera.graph/1"
    assert shown["edges"] == [
        {"from": "first", "to": "second", "kind": "data"},
        {"from": "first", "to": "third", "kind": "order"},
    ]
    assert set(shown["kernels"][0]) == {"name", "level", "language", "line"}


def test_a_cycle_is_exit_4(chimera, cycle):
    assert chimera("graph", cycle).code == 4


def test_json_and_mermaid_exclude_each_other(chimera, chain):
    assert chimera("graph", chain, "--json", "--mermaid").code == 2
