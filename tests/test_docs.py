"""The README does what it says, links lead somewhere, diagrams are in step with the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.phase_diagram import PAGE, diagram, with_diagram

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = (README, *(ROOT / n for n in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")))
DOCS = tuple(sorted((ROOT / "docs").rglob("*.md")))
CHEMICAL_ACCURACY = 0.0015936  # hartree

FENCE = re.compile(
    r"(?:^<!-- file: (?P<file>\S+) -->\n)?"
    r"^(?P<ticks>`{3,})(?P<language>\w+)\n(?P<text>.*?)^(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Command:
    """A line of shell, and what the page says that it writes; None: nothing is said."""

    line: str
    output: str | None


def commands(page: Path) -> Iterator[Command]:
    """All lines of the page's `sh` and `console` blocks, in order."""
    for block in FENCE.finditer(page.read_text("utf-8")):
        if block["language"] == "sh":
            yield Command(block["text"], None)
        if block["language"] == "console":
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                yield Command(line, output)


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def masked(text: str) -> str:
    """Output without what differs from run to run: times, run ids, and columns they widen."""
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "<run>", text)
    text = re.sub(r"\b\d+\.\d{3}\b(?!\d)", "<seconds>", text)
    text = re.sub(r"\bin \d+(\.\d+)? s;", "in <seconds>;", text)
    text = re.sub(r"sha256:[0-9a-f]{64}", "<digest>", text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


SHELL_PAGES = (README, ROOT / "docs/tickets.md")  # in this order: one goes on from the other


@pytest.fixture(scope="module")
def transcript(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Command, int, str]]:
    """Each command of the pages but `make`, its exit code and stdout, run in one shell."""
    copy = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "data/documents", copy / "data/documents")
    shutil.copytree(ROOT / "data/datasets", copy / "data/datasets")
    (copy / ".venv").symlink_to(sys.prefix)
    for page in SHELL_PAGES:
        for block in FENCE.finditer(page.read_text("utf-8")):
            if block["file"]:
                (copy / block["file"]).write_text(block["text"], "utf-8")
    lines = [command for page in SHELL_PAGES for command in commands(page)]
    ours = [command for command in lines if not command.line.startswith("make ")]
    mark = "@@@@@"
    script = "".join(f"{command.line}\necho {mark}$?\n" for command in ours)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CHIMERA_", "DAGSTER"))}
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - whichever bash is there
        cwd=copy,
        env={**environment, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    parts = re.split(rf"{mark}(\d+)\n", done.stdout)
    outputs = [text.replace(str(copy.resolve()), "…") for text in parts[0::2]]
    assert len(parts) == 2 * len(ours) + 1, done.stderr
    return list(zip(ours, map(int, parts[1::2]), outputs[:-1], strict=True))


def test_the_pages_commands_write_what_they_show(
    transcript: list[tuple[Command, int, str]],
) -> None:
    assert len(transcript) >= 16
    for command, code, output in transcript:
        assert code == 0, command.line
        if command.output is not None:
            assert masked(output) == masked(command.output), command.line


def test_the_two_make_commands_are_targets() -> None:
    made = [command.line for command in commands(README) if command.line.startswith("make ")]
    assert made == ["make run", "make test"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for line in made:
        assert re.search(rf"^{line.removeprefix('make ')}:", makefile, re.MULTILINE)


def test_the_readmes_energies_are_consistent() -> None:
    (run,) = (command for command in commands(README) if command.line == "make run")
    rows = [line.split() for line in (run.output or "").splitlines()]
    energies = [row for row in rows if row and re.fullmatch(r"\d\.\d+", row[0])]
    assert [row[0] for row in energies] == ["0.60", "0.70", "0.735", "0.80", "1.00", "1.40"]
    for _, total, exact, error, within, status, _ in energies:
        assert (status, within) == ("ok", "yes")
        assert float(total) - float(exact) == pytest.approx(float(error), abs=1.5e-6)
        assert abs(float(error)) < CHEMICAL_ACCURACY
    kernels = 3
    assert f"{kernels * len(energies)} tickets verified" in (run.output or "")


@pytest.mark.parametrize("page", [*PAGES, *DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_images_resolve(page: Path) -> None:
    for target in LINK.findall(without_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """Ids that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def test_every_page_is_listed_in_the_index() -> None:
    index = ROOT / "docs/index.md"
    listed = {
        (index.parent / target.partition("#")[0]).resolve()
        for target in LINK.findall(index.read_text("utf-8"))
    }
    assert set(DOCS) - {index} <= listed


def test_pages_name_only_verbs_that_there_are() -> None:
    import typer.main

    from chimera_pipelines.cli.main import app

    top = typer.main.get_command(app)
    verbs = top.commands  # type: ignore[attr-defined]
    for page in (*PAGES, *DOCS):
        for verb in re.findall(r"`chimera ([a-z]+)", page.read_text("utf-8")):
            assert verb in verbs, f"{page.name}: chimera {verb}"


def test_the_dagster_pages_python_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chimera_pipelines.settings import settings

    (tmp_path / "documents").mkdir()
    shutil.copy(ROOT / "data/documents/bell.maml.md", tmp_path / "documents")
    monkeypatch.setenv("CHIMERA_HOME", str(tmp_path))
    monkeypatch.setattr("chimera_pipelines.defs.project._known", {})
    settings.cache_clear()
    text = (ROOT / "docs/dagster.md").read_text("utf-8")
    blocks = [b["text"] for b in FENCE.finditer(text) if b["language"] == "python"]
    assert len(blocks) == 3
    try:
        for number, block in enumerate(blocks):
            module: dict[str, Any] = {"__name__": f"page_{number}"}
            exec(block, module)  # noqa: S102 - our own page
            made = module["defs"]
            found = made() if callable(made) else made
            keys = {spec.key.to_user_string() for spec in found.resolve_all_asset_specs()}
            assert {"bell/bell", "bell/agreement", "bell/ledger"} <= keys
    finally:
        settings.cache_clear()


EXAMPLES = {
    "samples": {"rows": [{"site": "a", "mean": 2.5}, {"site": "b", "mean": 4.0}]},
    "descent": {"energy": -1.0, "converged": True},
    "bounded": {"shots": 39_063},
    "precession": {"z": [1.0, 0.880, 0.578]},
}
FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b42
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
requires: {resources: [qiskit]}
permissions: {execute: ["gateway://local/default"], read: ["dataset://lab/**"]}
---
## Intent
An example of the language page.

"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_language_pages_examples_give_what_it_says(name: str, tmp_path: Path) -> None:
    page = (ROOT / "docs/language.md").read_text("utf-8")
    found = re.search(
        rf"^<!-- document: {name} -->\n````markdown\n(.*?)^````$", page, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    home = tmp_path / "data"
    for block in FENCE.finditer(page):
        if block["file"]:
            path = tmp_path / block["file"]
            path.parent.mkdir(parents=True)
            path.write_text(block["text"], "utf-8")
    document = tmp_path / f"{name}.maml.md"
    document.write_text(FRONT + found[1], "utf-8")
    report = run_plan_at(document, home)
    (output,) = report["outputs"].values()
    for key, value in EXAMPLES[name].items():
        assert output[key] == (pytest.approx(value, abs=1e-3) if key in ("energy", "z") else value)


def run_plan_at(document: Path, home: Path) -> dict[str, Any]:
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.runner import run_plan
    from chimera_pipelines.scheduling.plan import load_plan
    from chimera_pipelines.settings import Settings

    with Services(Settings(home=home)) as services:
        return run_plan(load_plan(document, home / "plans"), services).as_json()


def test_the_phase_diagram_is_in_step() -> None:
    text = PAGE.read_text("utf-8")
    assert diagram() in text, "run python -m tools.phase_diagram"
    assert with_diagram(text) == text
