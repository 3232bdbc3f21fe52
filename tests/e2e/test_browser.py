"""The web UI as a person sees it: asset graph, an asset with its pictures, a run page.

The screenshots are kept in `docs/images/`, where README.md shows them, when
`CHIMERA_SCREENSHOTS` names that folder; otherwise in the test's own folder.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTITION = "0.735"
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.xdist_group("dagster"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]


@dataclass(frozen=True)
class Site:
    """A webserver over an instance on which H2 has run for one bond length."""

    url: str
    run_id: str
    pictures: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ui")
    home, dagster_home = folder / "home", folder / "dagster"
    (home / "documents").mkdir(parents=True)
    dagster_home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", dagster_home)
    for name in ("h2_vqe", "bell", "qaoa_maxcut"):
        source = ROOT / f"data/documents/{name}.maml.md"
        text = source.read_text("utf-8").partition("## History")[0]
        (home / "documents" / source.name).write_text(text, "utf-8")
    environment = {**os.environ, "CHIMERA_HOME": str(home), "DAGSTER_HOME": str(dagster_home)}
    chimera = [str(Path(sys.executable).with_name("chimera"))]
    document = str(home / "documents/h2_vqe.maml.md")
    ran = subprocess.run(
        [*chimera, "run", document, "--dagster", "--partition", PARTITION, "--json"],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(ran.stdout)["status"] == "ok"
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = (folder / "webserver.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1",
         "-p", str(port)],
        env=environment, cwd=ROOT, stdout=log, stderr=log,
    )  # fmt: skip
    kept = os.environ.get("CHIMERA_SCREENSHOTS")
    try:
        run_id = _dagster_run(f"http://127.0.0.1:{port}")
        yield Site(f"http://127.0.0.1:{port}", run_id, Path(kept) if kept else folder)
    finally:
        server.terminate()
        server.wait(60)
        log.close()


def _dagster_run(url: str) -> str:
    query = {"query": "{runsOrError(limit:1){... on Runs{results{runId status}}}}"}
    for _ in range(120):
        try:
            request = urllib.request.Request(
                f"{url}/graphql", json.dumps(query).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                (run,) = json.load(answer)["data"]["runsOrError"]["results"]
        except OSError:
            time.sleep(1)
            continue
        assert run["status"] == "SUCCESS"
        return str(run["runId"])
    raise AssertionError("the webserver did not answer within 120 s")


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        found = browser.new_page(viewport={"width": 1600, "height": 1000})
        found.set_default_timeout(90_000)
        yield found
        browser.close()


def test_asset_graph_shows_the_lineage(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/locations/chimera_pipelines/asset-groups/h2_vqe/lineage")
    for name in ("integrals", "vqe", "report", "ledger"):
        page.get_by_text(name, exact=True).first.wait_for()
    page.wait_for_timeout(2500)
    page.screenshot(path=site.pictures / "lineage.png")
    assert page.get_by_text("h2_vqe").count() > 0


def test_asset_page_shows_ticket_checkpoint_and_pictures(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/assets/h2_vqe/vqe?view=events&partition={PARTITION}")
    page.get_by_text("ticket", exact=False).first.wait_for()
    page.get_by_text("checkpoint", exact=False).first.wait_for()
    page.set_viewport_size({"width": 1600, "height": 2000})
    page.wait_for_timeout(2000)
    page.screenshot(path=site.pictures / "asset.png")
    page.set_viewport_size({"width": 1600, "height": 1000})
    for name in ("circuit", "convergence"):
        _picture(page, name)
        page.screenshot(path=site.pictures / f"{name}.png")
        page.keyboard.press("Escape")


def _picture(page: Any, name: str) -> None:
    """Open the Markdown dialog of a metadata row and see that its picture is one."""
    row = page.locator("tr", has=page.get_by_text(f"plot/{name}", exact=True)).first
    row.get_by_text("Show Markdown").click()
    image = page.locator("img[src^='data:image/png']").last
    image.wait_for()
    page.wait_for_timeout(1000)
    assert image.evaluate("picture => picture.naturalWidth") > 100


def test_run_page_shows_the_phases(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/runs/{site.run_id}")
    page.get_by_text("h2_vqe__vqe.propagate").first.wait_for()
    page.wait_for_timeout(2500)
    page.screenshot(path=site.pictures / "run.png")
    assert page.get_by_text("Success").count() > 0
