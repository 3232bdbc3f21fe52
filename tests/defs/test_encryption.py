"""Documents that want encryption, run by Dagster: it keeps in the open what it is told."""

import re
from pathlib import Path

import dagster as dg

from chimera_pipelines.defs.io_manager import ChimeraIOManager
from chimera_pipelines.defs.launch import run_in_dagster
from chimera_pipelines.settings import settings

MARK = "an-output-in-the-clear"
SECOND = f'    return {{"value": value * 10, "mark": "{MARK[:5]}" + "{MARK[5:]}"}}'


def _files(*folders: Path) -> list[str]:
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in found if MARK.encode() in path.read_bytes()]


def test_records_outputs_and_events_hold_nothing_in_the_open(write, chain, instance, tmp_path):
    text = chain(second=SECOND, head="defaults: {encryption: aes-256}\n")
    report = run_in_dagster(write("a.maml.md", text), instance=instance)
    assert report["status"] == "ok"
    assert report["kernels"][1]["output"]["mark"] == MARK
    assert _files(settings().root, tmp_path) == []
    assert list((settings().root / "phases").rglob("*.json"))
    assert ChimeraIOManager().load_asset(dg.AssetKey(["a", "second"])) == {
        "value": 20,
        "mark": MARK,
    }
    (event,) = instance.fetch_materializations(dg.AssetKey(["a", "second"]), limit=2).records
    shown = event.asset_materialization.metadata
    assert shown["encryption"].value == "aes-256"
    assert not [name for name in shown if re.match(r"output(/|\Z)|series|plot", name)]
    events = "".join(record.event_log_entry.to_json() for record in _log(instance, report))
    assert MARK not in events


def test_phases_go_on_from_sealed_records_when_nothing_is_reused(write, chain, instance):
    text = chain(second=SECOND, head="defaults: {encryption: aes-512}\n")
    path = write("a.maml.md", text)
    assert run_in_dagster(path, instance=instance)["status"] == "ok"
    report = run_in_dagster(path, force=True, instance=instance)
    assert [kernel["status"] for kernel in report["kernels"]] == ["ok", "ok", "ok"]


def _log(instance, report):
    return instance.get_records_for_run(report["dagster_run_id"]).records
