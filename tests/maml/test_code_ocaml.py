from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.code_facts import inspect_block
from tests.maml.kernels import block, inspect, said


@pytest.mark.parametrize(
    "source",
    [
        "let run j = j",
        "let rec run j = run j",
        "let f x = x\nlet rec g x = x\nand run j = g j",
        'let run j = Yojson.Safe.Util.(j |> member "k" |> to_number)',
        "let run j = ignore (List.map (fun x -> x) []); j",
        "module M = struct let a = 1 end\nlet run j = ignore M.a; j",
        "module F (X : Set.OrderedType) = struct let f = X.compare end\nlet run j = j",
        'let run j = ignore "Sys.x (* "; j',
        'let run j = ignore \'"\'; (* Sys.getenv (* "*)" *) *) j',
        "let run j = ignore {|Unix.x|}; ignore {a|Sys.x |} |a}; j",
        "type 'a t = Good of 'a\nlet run j = j",
    ],
)
def test_without_findings(source):
    facts, found = inspect("ocaml", source)
    assert (facts.entry, found) == ("run", [])


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ('let x = Sys.getenv "HOME"', ["Sys"]),
        ("let x = Stdlib.Sys.argv", ["Sys"]),
        ("open Unix", ["Unix"]),
        ("module S = Sys", ["Sys"]),
        ("let x = Obj.magic 1", ["Obj"]),
        ("let x = Marshal.from_string", ["Marshal"]),
        ('external f : int -> int = "f"', ["external"]),
        ('let x = open_in "a"', ["open_in"]),
        ('let x = Stdlib.open_out_bin "a"', ["open_out_bin"]),
        ("let x = Lwt.return 1", ["Lwt"]),
        ("include Str", ["Str"]),
    ],
)
def test_names(source, places):
    found = said("ocaml", f"let run j = j\n{source}")
    assert found == [("MAML317", place) for place in places]


@pytest.mark.parametrize("source", ["", "let runs j = j", "(* let run j = j *)", "  let run j = j"])
def test_no_run(source):
    facts, found = inspect("ocaml", source)
    assert (facts.entry, found) == (None, [("MAML315", 0, 1)])


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [("let run j =\n (* (* *) j", 2, 2), ('let run j = "a', 1, 13), ("let x = {a|b|}", 1, 9)],
)
def test_what_never_ends(source, line, column):
    facts, found = inspect("ocaml", source)
    assert found == [("MAML314", line, column)]
    assert not facts.parsed


@given(st.text(st.sampled_from("(*)\"'{|}alet run=\nS.ys"), max_size=40))
def test_any_text_is_read(source):
    _, found = inspect_block(block("ocaml", source))
    assert {d.code for d in found} <= {"MAML314", "MAML315", "MAML317"}
