from __future__ import annotations

import subprocess
import sys

import pytest

from chimera_pipelines import __version__
from chimera_pipelines.cli import main as module
from chimera_pipelines.cli.reference import helps

HEAVY = ("torch", "qiskit", "dagster", "matplotlib", "numpy", "pydantic", "rich", "sqlalchemy")


def test_version(chimera):
    assert chimera("--version").out == f"chimera {__version__}\n"


def test_unknown_verb_is_usage(chimera):
    called = chimera("frobnicate")
    assert called.code == 2
    assert "CHIM201" in called.err
    assert called.out == ""


def test_a_near_miss_is_suggested(chimera):
    assert "'verify'" in chimera("verifi").err


def test_usage_error_with_json_is_an_object(chimera):
    called = chimera("check", "--json")
    assert called.code == 2
    assert called.json["schema"] == "chimera.error/1"
    assert called.json["error"]["code"] == "CHIM201"


@pytest.mark.parametrize(("name", "text"), list(helps()), ids=lambda value: str(value)[:30])
def test_every_verb_has_an_example_and_json(name, text):
    if "Commands:" in text:
        return
    assert f"Example:\n    {name}" in text
    assert "--json" in text
    assert "--quiet" in text
    assert "--verbose" in text


def test_an_interrupt_is_130(monkeypatch):
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "app", interrupted)
    assert module.main(["check"]) == 130


def test_help_imports_nothing_heavy():
    # A fresh interpreter: in this one other tests have imported everything.
    script = (
        "import sys\n"
        "from chimera_pipelines.cli.main import main\n"
        "assert main(['--help']) == 0\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "HEAVY []" in done.stdout, (
        "look with: python -X importtime -m chimera_pipelines.cli.main"
    )


@pytest.mark.parametrize("verb", [(), ("keys",)])
def test_without_arguments_there_is_plain_help(chimera, verb):
    called = chimera(*verb)
    assert called.code == 2
    assert called.err.startswith("Usage: chimera")
    assert "CHIM201" not in called.err
