from __future__ import annotations

import pytest

from chimera_pipelines.ledger.tallies import TALLIES, label_values, labels_text


def test_labels_are_read_back_in_the_order_of_the_counter():
    text = labels_text("decoder_shots", {"distance": "3", "decoder": "pymatching"})
    assert label_values(text) == ("pymatching", "3")
    assert label_values(labels_text("ledger_mismatches", {})) == ()


@pytest.mark.parametrize("name", TALLIES)
def test_an_id_is_no_label(name):
    assert not {"run", "run_id", "document", "kernel", "user"} & set(TALLIES[name])


def test_a_label_value_is_a_short_word():
    for value in ("", "a b", "x" * 41, "a\n", '"'):
        with pytest.raises(ValueError, match="'operation'"):
            labels_text("checkpoint_bytes", {"operation": value})
