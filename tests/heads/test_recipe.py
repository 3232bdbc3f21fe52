from __future__ import annotations

import json
import os

import pytest

from chimera_pipelines.heads.recipe import (
    SETTINGS_DIGEST,
    Recipe,
    command,
    environment,
    serves,
    settings_digest,
)
from chimera_pipelines.settings import Settings
from tests.heads.test_state import state

PASSWORD = "correct-horse"
URL = f"postgresql://chimera:{PASSWORD}@db/ledger"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, ledger_url=URL)


def words(settings, **changes):
    given = {"owner": None, "keeps_folder": False, "report": 5} | changes
    recipe = Recipe(settings, {"toy": "a:B"}, ("numpy",), ("HEAD_1",), ("--listen", "tcp:h"))
    return command(recipe, settings.home / "heads", **given)


def test_the_command_line_tells_no_secret_nor_what_would_let_it_be_guessed(settings):
    line = " ".join(words(settings))
    assert PASSWORD not in line
    assert settings_digest(settings) not in line
    assert environment(settings)[SETTINGS_DIGEST] == settings_digest(settings)


def test_the_command_line(settings):
    line = " ".join(words(settings, owner=7, keeps_folder=True))
    for part in (
        "--preload numpy",
        "--performer toy=a:B",
        "--start HEAD_1",
        "--owner 7",
        "--keep-folder",
        "--report 5",
        "--listen tcp:h",
    ):
        assert part in line
    assert "--owner" not in words(settings)
    assert "--keep-folder" not in words(settings)


def test_heads_get_these_settings_and_none_of_the_environments(settings, monkeypatch):
    monkeypatch.setenv("CHIMERA_GRANT_HOURS", "3")
    monkeypatch.setenv("CHIMERA_OF_LATER_VERSIONS", "x")
    given = environment(settings)
    assert given["CHIMERA_HOME"] == str(settings.home)
    assert given["PATH"] == os.environ["PATH"]
    assert "CHIMERA_OF_LATER_VERSIONS" not in given
    for name in list(os.environ):
        if name.startswith("CHIMERA_"):
            monkeypatch.delenv(name)
    for name, text in given.items():
        if name.startswith("CHIMERA_"):
            monkeypatch.setenv(name, text)
    assert Settings() == settings
    assert json.loads(given["CHIMERA_SHARE_STORES"]) == []


def test_the_digest_is_of_every_setting_and_the_same_in_every_folder(settings, monkeypatch):
    assert settings_digest(settings) != settings_digest(
        settings.model_copy(update={"device": "gpu"})
    )
    here = settings.home
    monkeypatch.chdir(here.parent)
    relative = settings.model_copy(update={"home": here.relative_to(here.parent)})
    assert settings_digest(relative) == settings_digest(settings)


def test_an_agent_serves_who_wants_no_more_than_it_has(settings):
    running = state(settings=settings_digest(settings), performers={"toy": "a:B", "other": "c:D"})
    assert serves(running, Recipe(settings, {"toy": "a:B"}))
    assert not serves(running, Recipe(settings, {"toy": "a:C"}))
    assert not serves(running, Recipe(settings, {"new": "e:F"}))
    assert not serves(running, Recipe(settings.model_copy(update={"grant_hours": 1.0}), {}))
