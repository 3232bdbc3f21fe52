from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from chimera_pipelines.contracts.datasets import read_rows, resolve
from chimera_pipelines.errors import KernelError, RefusedError

ALL = ["dataset://**"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data[1]" / "datasets"
    (folder / "lab").mkdir(parents=True)
    (folder / "lab" / "a.csv").write_text("x,y\n1,2.5\n")
    (tmp_path / "secret.csv").write_text("x\n1\n")
    return folder


@pytest.mark.parametrize("uri", ["dataset://lab/a", "dataset://lab/a.csv"])
def test_a_file_is_found_with_and_without_its_suffix(root: Path, uri: str) -> None:
    found = resolve(uri, root, ALL)
    assert found.path == root / "lab" / "a.csv"
    digest = hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert found.sha256 == f"sha256:{digest}"


def test_suffixes_are_tried_in_the_order_of_the_text(root: Path) -> None:
    (root / "lab" / "a.jsonl").write_text("{}\n")
    assert resolve("dataset://lab/a", root, ALL).path.suffix == ".csv"
    (root / "lab" / "a.parquet").write_bytes(b"")
    assert resolve("dataset://lab/a", root, ALL).path.suffix == ".parquet"


@pytest.mark.parametrize(
    "uri",
    [
        "dataset://lab/../lab/a",
        "dataset://../secret",
        "dataset://lab/./a",
        "dataset://lab//a",
        "dataset:///a",
        "dataset://lab/a/",
        "dataset://",
        "dataset://lab/%61",
        "dataset://lab%2Fa",
        "dataset://lab/a?b",
        "dataset://lab/a#b",
        "dataset://lab/a b",
        "dataset://lab/a\n",
        "dataset://lab/a\x00",
        "file://lab/a",
        "lab/a",
        "DATASET://lab/a",
    ],
)
def test_other_ways_to_write_a_file_are_refused(root: Path, uri: str) -> None:
    with pytest.raises(RefusedError) as caught:
        resolve(uri, root, ["dataset://**", "file://**"])
    assert caught.value.code == "MAML704"


def test_what_read_does_not_name_is_refused_before_looking(root: Path) -> None:
    for uri in ("dataset://lab/a", "dataset://lab/not_there"):
        with pytest.raises(RefusedError, match="permitted"):
            resolve(uri, root, ["dataset://other/**", "agent://lab/*"])


def test_a_link_that_leads_out_is_refused_and_one_inside_is_not(root: Path) -> None:
    (root / "out.csv").symlink_to(root.parent.parent / "secret.csv")
    (root / "up").symlink_to(root.parent.parent)
    (root / "in.csv").symlink_to(root / "lab" / "a.csv")
    for uri in ("dataset://out", "dataset://up/secret"):
        with pytest.raises(RefusedError, match="leads out"):
            resolve(uri, root, ALL)
    assert resolve("dataset://in", root, ALL).path == root / "lab" / "a.csv"


def test_what_cannot_be_read_fails_the_kernel(root: Path) -> None:
    (root / "folder.csv").mkdir()
    (root / "loop.csv").symlink_to(root / "loop.csv")
    (root / "gone.csv").symlink_to(root / "nowhere.csv")
    for uri in ("none", "folder", "loop", "gone", "lab/a.csv/b"):
        with pytest.raises(KernelError) as caught:
            resolve(f"dataset://{uri}", root, ALL)
        assert caught.value.code == "MAML505"


def test_parquet_values_become_json_as_section_4_says(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    duckdb.execute(
        f"""COPY (SELECT 1::BIGINT i, 1.5::DOUBLE d, DATE '2026-01-02' AS "day", TIME '01:02:03' t,
        TIMESTAMP '2026-01-02 03:04:05.5' ts, TIMESTAMPTZ '2026-01-02 03:04:05+02' tz,
        1.50::DECIMAL(9,2) dec, 2.00::DECIMAL(9,2) whole, [1, NULL] l, {{'x': 1, 'y': ['q']}} s,
        true b, NULL::INTEGER n) TO '{path}'"""
    )
    assert read_rows(path) == [
        {
            "i": 1,
            "d": 1.5,
            "day": "2026-01-02",
            "t": "01:02:03",
            "ts": "2026-01-02T03:04:05.500000Z",
            "tz": "2026-01-02T01:04:05Z",
            "dec": 1.5,
            "whole": 2,
            "l": [1, None],
            "s": {"x": 1, "y": ["q"]},
            "b": True,
            "n": None,
        }
    ]


@pytest.mark.parametrize(
    "value",
    ["'x'::BLOB", "uuid()", "INTERVAL 1 DAY", "'nan'::DOUBLE", "9007199254740992", "MAP {1: 1}"],
)
def test_parquet_values_that_are_no_json_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "t.parquet"
    duckdb.execute(f"COPY (SELECT {value} a) TO '{path}'")
    with pytest.raises(KernelError) as caught:
        read_rows(path)
    assert caught.value.code == "MAML505"


def test_csv_keeps_columns_in_order_and_empty_is_null(root: Path) -> None:
    path = root / "t.csv"
    path.write_text("z,when,name\n1,2026-01-02 03:04:05,ann\n,,bob\n")
    rows = read_rows(path)
    assert [list(row) for row in rows] == [["z", "when", "name"]] * 2
    assert rows[0] == {"z": 1, "when": "2026-01-02T03:04:05Z", "name": "ann"}
    assert rows[1] == {"z": None, "when": None, "name": "bob"}


def test_json_lines_are_taken_as_written(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"b": "2026-01-01", "a": [1.5, {}]}\n\n{"a": null}')
    assert read_rows(path) == [{"b": "2026-01-01", "a": [1.5, {}]}, {"a": None}]


@pytest.mark.parametrize("line", ["[1]", "{", '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1e999}'])
def test_json_lines_that_are_no_json_object_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(KernelError, match="line 2"):
        read_rows(path)


def test_a_damaged_file_fails_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(KernelError) as caught:
        read_rows(path)
    assert caught.value.code == "MAML505"


def test_more_than_can_pass_between_kernels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(('{"a": "' + "x" * 1_000_000 + '"}\n') * 17)
    with pytest.raises(KernelError, match="16777216 bytes"):
        read_rows(path)
