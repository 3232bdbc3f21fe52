import os

import dagster as dg
import pytest

from chimera_pipelines.defs import triggers
from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.triggers import new_files, partition_key


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("dataset://lab/in/*", {"lab/in/a.csv", "lab/in/b.parquet"}),
        ("dataset://lab/in/a", {"lab/in/a.csv"}),
        ("dataset://lab/in/a.csv", {"lab/in/a.csv"}),
        ("dataset://lab/**", {"lab/in/a.csv", "lab/in/b.parquet", "lab/in/deep/c.jsonl"}),
        ("dataset://lab/in", set()),
        ("dataset://other/*", set()),
    ],
)
def test_a_pattern_takes_what_permissions_would(tmp_path, pattern, names):
    for name in ("lab/in/a.csv", "lab/in/b.parquet", "lab/in/deep/c.jsonl", "lab/in/x.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        os.utime(path, (1e9, 1e9))
    assert set(new_files(pattern, tmp_path, {})) == names


@pytest.fixture
def data(home):
    def put(name, text="a\n1\n"):
        path = home / "datasets/lab/in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
        return path

    return put


def _sensor():
    found = build_definitions(inbox=False)
    (sensor,) = found.sensors
    return found, sensor


def _tick(instance, cursor):
    found, sensor = _sensor()
    return sensor(dg.build_sensor_context(instance=instance, cursor=cursor, definitions=found))


def test_each_new_file_is_one_run(write, chain, data, instance):
    write("a.maml.md", chain(head="trigger: {dataset: 'dataset://lab/in/*'}\n"))
    data("old.csv")
    first = _tick(instance, None)
    assert not first.run_requests
    data("new.csv")
    second = _tick(instance, first.cursor)
    (request,) = second.run_requests
    assert request.tags["chimera/trigger"] == "dataset://lab/in/new.csv"
    assert not _tick(instance, second.cursor).run_requests


def test_the_first_file_of_an_empty_folder_counts(write, chain, data, instance):
    write("a.maml.md", chain(head="trigger: {dataset: 'dataset://lab/in/*'}\n"))
    first = _tick(instance, None)
    data("new.csv")
    assert len(_tick(instance, first.cursor).run_requests) == 1


def test_a_file_that_was_written_a_moment_ago_waits(write, chain, data, instance, monkeypatch):
    monkeypatch.setattr(triggers, "SETTLED_NS", 3600 * 10**9)
    write("a.maml.md", chain(head="trigger: {dataset: 'dataset://lab/in/*'}\n"))
    first = _tick(instance, None)
    path = data("new.csv")
    os.utime(path)
    second = _tick(instance, first.cursor)
    assert not second.run_requests
    os.utime(path, (1e9, 1e9))
    assert len(_tick(instance, second.cursor).run_requests) == 1


@pytest.mark.parametrize(
    ("pattern", "name", "key"),
    [
        ("dataset://lab/in/*", "lab/in/b7.csv", "b7"),
        ("dataset://lab/in/b7.csv", "lab/in/b7.csv", "b7"),
        ("dataset://lab/**", "lab/in/b7.csv", "in/b7"),
        ("dataset://lab/**", "lab/out/b7.csv", "out/b7"),
        ("dataset://lab/*/b7", "lab/in/b7.csv", "in/b7"),
        ("dataset://lab/x*/in/*", "lab/x1/in/b7.csv", "x1/in/b7"),
    ],
)
def test_equal_names_in_two_folders_are_two_partitions(pattern, name, key):
    assert partition_key(pattern, name) == key


def test_a_dynamic_document_gets_a_partition_of_the_files_name(write, chain, data, instance):
    head = "partitions: {dynamic: batch}\ntrigger: {dataset: 'dataset://lab/in/*'}\n"
    write("a.maml.md", chain(head=head))
    first = _tick(instance, None)
    data("b7.csv")
    found = _tick(instance, first.cursor)
    assert [request.partition_key for request in found.run_requests] == ["b7"]
    assert found.dynamic_partitions_requests[0].partition_keys == ["b7"]


def test_another_documents_output_triggers_with_its_partition(write, chain, instance):
    write("a.maml.md", chain(head="partitions: {static: [p, q]}\n"))
    head = "partitions: {static: [q, r]}\ntrigger: {document: 'document://a#third'}\n"
    write("b.maml.md", chain(number=1, head=head))
    event = dg.AssetMaterialization(asset_key=["a", "third"], partition="q")
    instance.report_runless_asset_event(event)
    found, sensor = _sensor()
    context = dg.build_sensor_context(instance=instance, definitions=found)
    requests = list(sensor(context))
    assert [request.partition_key for request in requests] == ["q"]
