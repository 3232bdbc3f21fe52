from __future__ import annotations

from chimera_pipelines.maml.graph_view import View
from chimera_pipelines.maml.reader import read_text
from tests.maml.kernels import graph_document


def view(dependencies):
    document = read_text(graph_document(dependencies).encode())
    assert document.dependencies is not None
    return View(document, document.dependencies)


def test_what_was_refused_is_not_read():
    seen = view("defaults: {shots: 0}\nkernels:\n  k: {embedding: {method: x}, seed: 1}\n  m: 5")
    k, m = seen.kernels["k"], seen.kernels["m"]
    assert seen.is_read(k, "seed")
    assert seen.is_read(k, "inputs")
    assert not seen.is_read(k, "embedding")
    assert not seen.is_read(k, "embedding", "method")
    assert not seen.is_read(k, "shots")
    assert not seen.is_read(k)
    assert not seen.is_read(m, "seed")


def test_an_option_stands_in_the_kernel_or_in_defaults():
    seen = view("defaults: {shots: 7, seed: 8}\nkernels:\n  k: {seed: 9, inputs: {a: 1}}")
    k = seen.kernels["k"]
    lines = seen.draft.text.split("\n")

    def text(span):
        return lines[span.line - 1][span.column - 1]

    assert text(seen.option_at(k, "seed")) == "9"
    assert text(seen.option_at(k, "shots")) == "7"
    assert seen.option_at(k, "timeout") == k.span
    assert text(seen.value_at(k, "inputs", "a")) == "1"
    assert text(seen.key_at(k, "inputs", "a")) == "a"
