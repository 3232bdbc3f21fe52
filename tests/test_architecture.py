"""The shape of the package: floors, what imports cost, sizes, names, and what is never called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chimera_pipelines

PACKAGE = Path(chimera_pipelines.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "qiskit", "qiskit_aer", "dagster", "matplotlib", "numpy", "pandas", "duckdb")
LINES = 350


def test_floors_hold():
    """The contracts of import-linter in pyproject.toml."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts:" in done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import chimera_pipelines",
        "from chimera_pipelines.cli.main import main; main(['--help'])",
        "from chimera_pipelines.cli.main import main; main(['run', '--help'])",
        "from chimera_pipelines.cli.main import main; main(['explain', 'MAML405'])",
    ],
)
def test_what_is_started_often_imports_nothing_heavy(statement):
    look = f"import sys; print('loaded:', *(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{look}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_no_module_is_long():
    sizes = {_name(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: size for name, size in sizes.items() if size > LINES} == {}


def test_no_module_is_a_drawer():
    """A module is named by what it knows."""
    drawers = {"util", "utils", "helper", "helpers", "common", "misc", "base", "tools"}
    assert [_name(p) for p in MODULES if drawers & set(p.stem.strip("_").split("_"))] == []
    folders = {part for path in MODULES for part in path.relative_to(PACKAGE).parts[:-1]}
    assert folders & drawers == set()


FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal"}
FORBIDDEN_MODULES |= {"shelve", "qiskit.qpy"}
FORBIDDEN_CALLS = {
    "torch.load": "weights_only=True",
    "yaml.load": "a SafeLoader",
    "yaml.load_all": "a SafeLoader",
    "yaml.full_load": "never",
    "yaml.unsafe_load": "never",
    "numpy.load": "allow_pickle=False",
    "os.system": "never",
    "os.popen": "never",
    "tempfile.mktemp": "never",
}


def test_nothing_that_runs_what_it_reads_is_used():
    found = [
        f"{_name(path)}:{line} {what}" for path in MODULES for line, what in unsafe(_tree(path))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    from qiskit import qpy",
        "import torch as t\nt.load(f)",
        "from torch import load\nload(f, weights_only=False)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "from yaml import load as read\nread(text, yaml.UnsafeLoader)",
        "import numpy as np\nnp.load(f, allow_pickle=True)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import importlib\nimportlib.import_module('pickle')",
        "eval('1')",
    ],
)
def test_the_rule_sees(source):
    assert list(unsafe(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(f, weights_only=True)",
        "import yaml\nclass L(yaml.SafeLoader): ...\nyaml.load(t, Loader=L)",
        "import yaml\nyaml.load(t, yaml.SafeLoader)",
        "import numpy as np\nnp.load(f, allow_pickle=False)",
        "text = 'pickle.loads'  # pickle",
        "json.load(f)",
    ],
)
def test_the_rule_lets_pass(source):
    assert list(unsafe(ast.parse(source))) == []


def unsafe(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and reason of each import and call that may run what it reads."""
    names = dict(_imported(tree))
    safe = _safe_loaders(tree, names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in (full for _, full in _bindings(node)):
                if any(target == m or target.startswith(m + ".") for m in FORBIDDEN_MODULES):
                    yield node.lineno, target
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _unsafe_call(node, names, safe))


def _unsafe_call(node: ast.Call, names: dict[str, str], safe: set[str]) -> Iterator[str]:
    called = _dotted(node.func, names)
    first = node.args[0] if node.args else None
    if called in {"eval", "__import__"}:
        yield called
    if called == "importlib.import_module" and isinstance(first, ast.Constant):
        yield from FORBIDDEN_MODULES & {str(first.value)}
    if any(k.arg == "shell" and not _is(k.value, value=False) for k in node.keywords):
        yield "a shell"
    if called in FORBIDDEN_CALLS and not _allowed(called, node, names, safe):
        yield f"{called} without {FORBIDDEN_CALLS[called]}"


def _allowed(called: str, node: ast.Call, names: dict[str, str], safe: set[str]) -> bool:
    keywords = {k.arg: k.value for k in node.keywords}
    if called == "torch.load":
        return _is(keywords.get("weights_only"), value=True)
    if called == "numpy.load":
        return _is(keywords.get("allow_pickle"), value=False)
    if called in {"yaml.load", "yaml.load_all"}:
        loader = keywords.get("Loader", node.args[1] if len(node.args) > 1 else None)
        return loader is not None and _dotted(loader, names) in safe
    return False


def _safe_loaders(tree: ast.Module, names: dict[str, str]) -> set[str]:
    safe = {"yaml.SafeLoader", "yaml.CSafeLoader"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(_dotted(b, names) in safe for b in node.bases):
            safe.add(node.name)
    return safe


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _bindings(node)


def _bindings(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Local names and what they stand for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif alias.asname:
            yield alias.asname, alias.name
        else:
            yield alias.name.partition(".")[0], alias.name.partition(".")[0]
            yield "", alias.name


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """`numpy.load` for `np.load`; None for what is no plain name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value, names)
        return None if left is None else f"{left}.{node.attr}"
    return None


def _is(node: ast.expr | None, *, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
