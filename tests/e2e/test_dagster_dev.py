"""`dagster dev` as a black box, by GraphQL alone: a file in the inbox becomes a finished run."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "data/documents/h2_vqe.maml.md"
PARTITION = "0.735"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster")]


class Dev:
    """A running `dagster dev` and its GraphQL."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"
        self.process = process
        self.log = log

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url, body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert not answer.get("errors"), answer["errors"]
        return answer["data"]

    def wait(self, what: str, ask: Callable[[], Any], seconds: float = 300) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            try:
                found = ask()
            except OSError:
                found = None
            if found:
                return found
            time.sleep(1)
        raise AssertionError(f"no {what} in {seconds} s: {self.log.read_text()[-2000:]}")


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    home, dagster_home = tmp_path / "home", tmp_path / "dagster"
    (home / "documents").mkdir(parents=True)
    (home / "inbox").mkdir()
    dagster_home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", dagster_home)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path / "dev.log"
    code = f"from chimera_pipelines.defs.dev import serve; raise SystemExit(serve(port={port}))"
    environment = {**os.environ, "CHIMERA_HOME": str(home), "DAGSTER_HOME": str(dagster_home)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
        try:
            yield Dev(port, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)


ENTRIES = """{workspaceOrError{... on Workspace{locationEntries{loadStatus locationOrLoadError{
  __typename ... on PythonError{message}}}}}}"""
NODES = "{assetNodes{assetKey{path} opNames dependencyKeys{path}}}"
MATERIALIZATIONS = """query($k:AssetKeyInput!){assetOrError(assetKey:$k){... on Asset{
  assetMaterializations(limit:9){partition metadataEntries{label
  ... on MarkdownMetadataEntry{mdStr} ... on IntMetadataEntry{intValue}}}}}}"""
CHECKS = """query($k:AssetKeyInput!){assetNodeOrError(assetKey:$k){... on AssetNode{
  assetChecksOrError{... on AssetChecks{checks{name
  executionForLatestMaterialization{status}}}}}}}"""


def test_a_document_dropped_into_the_inbox_runs(dev: Dev, tmp_path: Path):
    home = tmp_path / "home"
    loaded = dev.wait("code location", lambda: _loaded(dev))
    assert loaded["__typename"] == "RepositoryLocation", loaded

    text = DOCUMENT.read_text("utf-8").partition("## History")[0]
    head, _, rest = text.partition("  static: [")
    one = f'{head}  static: ["{PARTITION}"]{rest.partition("]")[2]}'
    (home / "inbox/h2_vqe.maml.md").write_text(one, encoding="utf-8")
    (home / "inbox/bad.maml.md").write_text("no document\n", encoding="utf-8")

    def materialised() -> list[dict[str, Any]]:
        found = dev.ask(MATERIALIZATIONS, k={"path": ["h2_vqe", "ledger"]})["assetOrError"]
        return found.get("assetMaterializations", [])

    (ledger,) = dev.wait("materialised ledger", materialised)
    assert ledger["partition"] == PARTITION
    assert (home / "quarantine/bad.maml.md.diagnostics.json").exists()
    assert not list((home / "inbox").iterdir())

    nodes = {tuple(n["assetKey"]["path"]): n for n in dev.ask(NODES)["assetNodes"]}
    vqe = nodes["h2_vqe", "vqe"]
    assert len(vqe["opNames"]) == 5
    assert [key["path"] for key in vqe["dependencyKeys"]] == [["h2_vqe", "integrals"]]

    key = {"path": ["h2_vqe", "vqe"]}
    (shown,) = dev.ask(MATERIALIZATIONS, k=key)["assetOrError"]["assetMaterializations"]
    entries = {entry["label"]: entry for entry in shown["metadataEntries"]}
    assert {"ticket", "checkpoint", "output/energy"} <= set(entries)
    assert "data:image/png;base64," in entries["plot/circuit"]["mdStr"]
    checks = dev.ask(CHECKS, k=key)["assetNodeOrError"]["assetChecksOrError"]["checks"]
    status = {
        c["name"]: (c["executionForLatestMaterialization"] or {}).get("status") for c in checks
    }
    assert status["ticket_valid"] == "SUCCEEDED"

    document = (home / "documents/h2_vqe.maml.md").read_text("utf-8")
    assert document.count("[GRANT]") == 1
    assert document.count("[TICKET]") == 3


def _loaded(dev: Dev) -> dict[str, Any] | None:
    entries = dev.ask(ENTRIES)["workspaceOrError"]["locationEntries"]
    done = [entry for entry in entries if entry["loadStatus"] == "LOADED"]
    return done[0]["locationOrLoadError"] if done else None
