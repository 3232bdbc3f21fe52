import json

import dagster as dg
import numpy as np
import pytest

from chimera_pipelines.defs.io_manager import ChimeraIOManager
from chimera_pipelines.lifecycle.records import Deserialized, Invocation

INVOCATION = Invocation("k", 1, "HEAD_1", "cpu", 1, "landlock", {"x": 1.0}, "sha256:0", 7, "a/b")


def _round_trip(root, value, partition=None):
    manager = ChimeraIOManager(root=str(root))
    key = dg.AssetKey(["doc", "kernel"])
    pd = dg.StaticPartitionsDefinition([partition]) if partition else None
    out = dg.build_output_context(
        asset_key=key, partition_key=partition, asset_partitions_def=pd, name="result"
    )
    manager.handle_output(out, value)
    into = dg.build_input_context(
        asset_key=key,
        partition_key=partition,
        asset_partition_key_range=dg.PartitionKeyRange(partition, partition) if partition else None,
        asset_partitions_def=pd,
        upstream_output=out,
    )
    return manager.load_input(into)


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, "ü"]}, [], "text", 1, {"n": {"m": True}}])
def test_json_comes_back(tmp_path, value):
    assert _round_trip(tmp_path, value) == value


@pytest.mark.parametrize("key", ["0.735", "a/b", "..", "2026-07-01-00:00"])
def test_partitions_have_pointers_of_their_own(tmp_path, key):
    assert _round_trip(tmp_path, {"p": key}, key) == {"p": key}
    (pointer,) = (tmp_path / "outputs/doc/kernel").iterdir()
    assert json.loads(pointer.read_text())["content"].startswith("sha256:")


def test_arrays_and_bytes_come_back_without_pickle(tmp_path):
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    np.testing.assert_array_equal(_round_trip(tmp_path, array), array)
    assert _round_trip(tmp_path, b"\x00\x01") == b"\x00\x01"
    with pytest.raises(ValueError, match="allow_pickle=False"):
        _round_trip(tmp_path, np.array([object()]))


def test_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a JSON value"):
        _round_trip(tmp_path, {"x": object()})


def test_equal_outputs_are_kept_once(tmp_path):
    manager = ChimeraIOManager(root=str(tmp_path))
    for name in ("a", "b"):
        context = dg.build_output_context(asset_key=dg.AssetKey(["doc", name]), name="result")
        manager.handle_output(context, {"same": 1})
    found = {
        json.loads(path.read_text())["content"] for path in (tmp_path / "outputs").rglob("*.json")
    }
    assert len(found) == 1


def test_a_phase_record_is_json_and_comes_back_as_the_record(tmp_path):
    manager = ChimeraIOManager(root=str(tmp_path))
    record = Deserialized(INVOCATION, {"y": [1]})
    out = dg.build_output_context(step_key="d__k.deserialize", name="result", run_id="run-1")
    manager.handle_output(out, record)
    (path,) = (tmp_path / "phases").rglob("*.json")
    assert json.loads(path.read_text())["record"] == "Deserialized"
    assert manager.load_input(dg.build_input_context(upstream_output=out)) == record


def test_a_missing_output_says_what_to_do(tmp_path):
    manager = ChimeraIOManager(root=str(tmp_path))
    with pytest.raises(dg.Failure) as caught:
        manager.load_asset(dg.AssetKey(["doc", "none"]), "p")
    assert "materialise it first" in caught.value.description
