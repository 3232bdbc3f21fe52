from __future__ import annotations

import errno
import io
import json
import subprocess
import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.cli.terminal import Terminal, clean, error_text, opened
from chimera_pipelines.errors import HistoryError, UsageError, Where


class TerminalStream(io.StringIO):
    def isatty(self) -> bool:
        return True


def in_terminal(verb) -> None:
    with opened(json=True) as terminal:
        verb(terminal)


def test_json_and_errors_go_to_their_streams(capsys):
    error = HistoryError("MAML803", "chain", where=Where("a.md", 3, 1), hint="look")

    def verb(_):
        print("noise")  # noqa: T201 - the noise of a library
        raise error

    with pytest.raises(typer.Exit) as ended:
        in_terminal(verb)
    captured = capsys.readouterr()
    assert ended.value.exit_code == 8
    shown = json.loads(captured.out)["error"]
    assert shown == {
        "code": "MAML803",
        "message": "chain",
        "where": {"file": "a.md", "line": 3, "column": 1},
        "hint": "look",
    }
    assert "noise" in captured.err
    assert json.loads(captured.err.splitlines()[-1]) == shown


def test_a_result_that_was_written_is_not_followed_by_an_error_object(capsys):
    def verb(terminal):
        terminal.emit({"schema": "x"})
        raise UsageError("CHIM201", "late")

    with pytest.raises(typer.Exit):
        in_terminal(verb)
    assert json.loads(capsys.readouterr().out) == {"schema": "x"}


def test_an_unexpected_exception_is_one_line_and_exit_70(capsys):
    with pytest.raises(typer.Exit) as ended, opened(json=False):
        raise ZeroDivisionError("seven\nlines")
    captured = capsys.readouterr()
    assert ended.value.exit_code == 70
    assert "error[CHIM299]: internal error: ZeroDivisionError: seven lines" in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_vv_shows_the_traceback(capsys):
    with pytest.raises(typer.Exit), opened(json=False, verbose=2):
        raise ZeroDivisionError
    assert "Traceback" in capsys.readouterr().err


def test_native_and_child_output_cannot_get_into_the_json():
    # The process's real descriptor 1 is what matters here, so a process of its own.
    script = (
        "import os, subprocess, sys\n"
        "from chimera_pipelines.cli.terminal import opened\n"
        "with opened(json=True) as terminal:\n"
        "    os.write(1, b'native ')\n"
        "    subprocess.run(['echo', 'child'])\n"
        "    print('python')\n"
        "    terminal.emit({'schema': 'x', 'text': 'ü'})\n"
        "print('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == '{"schema": "x", "text": "ü"}\nafter\n'
    assert all(word in done.stderr for word in (b"native", b"child", b"python"))


def test_two_json_objects_are_a_bug():
    terminal = Terminal(io.StringIO(), json=True, quiet=False, verbose=0)
    terminal.emit({})
    with pytest.raises(AssertionError):
        terminal.emit({})


def test_lone_surrogates_are_escaped():
    out = io.StringIO()
    Terminal(out, json=True, quiet=False, verbose=0).emit({"path": "a\udcff"})
    assert "\\udcff" in out.getvalue()


def test_colours_only_on_a_terminal_without_no_color(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = Terminal(TerminalStream(), json=False, quiet=False, verbose=0)
    piped = Terminal(io.StringIO(), json=False, quiet=False, verbose=0)
    assert shown.paint("error", "x") == "\x1b[31;1mx\x1b[0m"
    assert piped.paint("error", "x") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown.paint("error", "x") == "x"


def test_a_live_view_needs_a_terminal_that_wants_colours(monkeypatch):
    monkeypatch.setattr("sys.stderr", TerminalStream())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    loud = Terminal(io.StringIO(), json=True, quiet=False, verbose=0)
    quiet = Terminal(io.StringIO(), json=True, quiet=True, verbose=0)
    assert loud.live
    assert not quiet.live
    monkeypatch.setenv("NO_COLOR", "1")
    assert not loud.live


def test_a_reader_that_goes_away_ends_the_verb_quietly():
    script = (
        "import sys\n"
        "from chimera_pipelines.cli import main as module\n"
        "sys.argv = ['chimera', 'explain', 'MAML101']\n"
        "module.run()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate()
    assert child.returncode == 141
    assert err == b""


def test_error_text_has_code_place_hint_and_where_to_read_more():
    error = UsageError("CHIM202", "cannot read 'a'", where=Where("a", 1, 2), hint="try b")
    assert error_text(error).splitlines() == [
        "chimera: error[CHIM202]: cannot read 'a'",
        "  --> a:1:2",
        "   = hint: try b",
        "   = see:  chimera explain CHIM202",
    ]


@given(st.text())
def test_clean_text_commands_no_terminal(text):
    assert all(c.isprintable() or c in "\n\t" for c in clean(text))


@given(st.text(st.characters(categories=("L", "N", "P"))))
def test_clean_keeps_what_can_be_read(text):
    assert clean(text) == text


def test_a_home_that_cannot_be_written_is_no_fault_of_ours(capsys, home):
    with pytest.raises(typer.Exit) as ended, opened(json=False):
        raise PermissionError(errno.EACCES, "Permission denied", str(home / "keys" / ".lock"))
    shown = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert f"error[CHIM209]: cannot write '{home}': permission denied" in shown
    assert "set CHIMERA_HOME to a folder that this account may write" in shown


def test_a_full_disk_names_no_file(capsys, home):
    with pytest.raises(typer.Exit) as ended, opened(json=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    shown = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert f"'{home}': no space left on device" in shown
    assert "make room" in shown


def test_another_file_that_cannot_be_read_stays_internal(capsys, home):
    with pytest.raises(typer.Exit) as ended, opened(json=False):
        raise PermissionError(errno.EACCES, "Permission denied", "/proc/1/mem")
    assert home.is_dir()
    assert ended.value.exit_code == 70
