from __future__ import annotations

from types import SimpleNamespace

from chimera_pipelines.cli import live
from chimera_pipelines.cli.terminal import Terminal
from chimera_pipelines.phase import Phase

PLAN = SimpleNamespace(slug="h2", kernels=(SimpleNamespace(name="vqe"), SimpleNamespace(name="b")))


def terminal(*, quiet: bool = False) -> Terminal:
    import io

    return Terminal(io.StringIO(), json=True, quiet=quiet, verbose=0)


def test_one_line_a_phase_without_a_terminal(capsys):
    with live.watching(terminal(), PLAN, "0.735") as watch:
        watch("vqe", Phase.EMBED, None)
        watch("vqe", Phase.EMBED, 0.25)
        watch("vqe", None, None)
    captured = capsys.readouterr()
    assert captured.err == "h2 [0.735]  vqe  embed  0.250 s\n"
    assert captured.out == ""


def test_quiet_says_nothing(capsys):
    with live.watching(terminal(quiet=True), PLAN, None) as watch:
        watch("vqe", Phase.EMBED, 0.25)
    assert capsys.readouterr().err == ""


def test_the_board_shows_what_is_known():
    from rich.console import Console

    board = live.Board("h2", ["vqe", "b"])
    board.watch("vqe", Phase.DESERIALIZE, None)
    board.watch("vqe", Phase.DESERIALIZE, 0.01)
    board.watch("vqe", Phase.EMBED, None)
    board.watch("b", None, None)
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(board.render())
    text = console.export_text()
    row = next(line for line in text.splitlines() if line.lstrip().startswith("vqe"))
    assert row.split() == ["vqe", "0.010", "s", "…", "·", "·", "·"]
    assert all(str(phase) in text for phase in Phase)
