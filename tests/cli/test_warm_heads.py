"""What warm heads are started with."""

from __future__ import annotations

import pytest

from chimera_pipelines.cli import warm_heads
from chimera_pipelines.heads.recipe import command
from chimera_pipelines.settings import Settings


def options(cluster, **given):
    found = warm_heads.recipe(Settings(**given), cluster=cluster)
    return found.options


@pytest.mark.parametrize(
    ("given", "gpus"),
    [({}, "0.0"), ({"device": "gpu"}, "1.0"), ({"device": "gpu", "cluster_gpus": 0.5}, "0.5")],
)
def test_a_cluster_and_its_gpus_are_named_on_the_agents_command_line(tmp_path, given, gpus):
    assert options("auto", **given) == ("--cluster", "auto", "--gpus", gpus)
    assert options(None, **given) == ()


def test_they_serve_both_doors_and_import_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(warm_heads, "find_spec", lambda name: None if name == "torch" else True)
    found = warm_heads.recipe(Settings())
    assert {"kernel", "dagster", "regeneration"} <= found.performers.keys()
    assert "qiskit" in found.preload
    assert "torch" not in found.preload
    assert set(warm_heads.RETURNING) <= set(found.preload)


def test_no_secret_is_on_the_command_line(tmp_path):
    found = warm_heads.recipe(Settings(ledger_url="postgresql://ana:hidden@db/ledger"))
    words = command(found, tmp_path, owner=None, keeps_folder=False, report=3)
    assert not [word for word in words if "hidden" in word]
