from __future__ import annotations

import pytest

from chimera_pipelines.maml.code_facts import inspect_block
from chimera_pipelines.maml.code_python_rules import MODULES
from tests.maml.kernels import block, said

RUN = "\ndef run():\n    return {}"


def rules(source: str) -> list[tuple[str, str]]:
    return said("python", source + RUN)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_of_the_list(module):
    text = "from __future__ import annotations" if module == "__future__" else f"import {module}"
    assert rules(text) == []


@pytest.mark.parametrize(
    "statement",
    [
        "import os",
        "import os.path",
        "import numpy, subprocess",
        "import qiskit_aer",
        "import numpy.f2py",
        "import scipy.io.wavfile",
        "import torch.utils.data as d",
        "from os import path",
        "from . import x",
        "from .. import x",
        "from .numpy import x",
        "from math import *",
        "from torch import hub",
        "from torch.utils.data import Dataset",
        "from scipy import io",
        "from numpy import load",
        "from torch import save",
        "from numpy import fromfile",
        "from pandas import read_csv",
        "from qiskit import qpy",
        "import chimera_pipelines",
        "import chimera_pipelines.blocks",
        "from chimera_pipelines import settings",
        "from chimera_pipelines import blocks, digest",
        "from chimera_pipelines.blocks import qec",
    ],
)
def test_imports_that_are_refused(statement):
    assert rules(statement) == [("MAML317", statement)]
    inside = f"def _f():\n    {statement}"
    if "*" not in statement:
        assert rules(inside) == [("MAML317", statement)]


@pytest.mark.parametrize(
    "statement",
    [
        "from chimera_pipelines import blocks",
        "from chimera_pipelines import blocks as ready",
        "import numpy.linalg",
        "import torch.nn.functional as F",
        "from scipy import linalg",
        "from torch import nn",
        "from qiskit.circuit.library import StatePreparation",
        "from json import load",
        "import collections.abc",
    ],
)
def test_imports_that_are_allowed(statement):
    assert rules(statement) == []


def test_each_module_of_one_statement_is_named():
    assert rules("import os, math, sys") == [("MAML317", "import os, math, sys")] * 2


def test_an_operator_may_add_names():
    inspected = block("python", "import ase.io" + RUN)
    assert [d.code for d in inspect_block(inspected)[1]] == ["MAML317"]
    assert inspect_block(inspected, extra_imports=frozenset({"ase"}))[1] == []


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("f = eval", ["eval"]),
        ("x = open('a')", ["open"]),
        ("x = [exec, vars(), globals]", ["exec", "vars", "globals"]),
        ("x = __import__('os')", ["__import__"]),
        ("import re\nx = re.compile('a')", []),
        ("x = getattr(1, 'real')", []),
        ("x = getattr(1, 're' + 'al')", ["getattr"]),
        ("x = getattr(1, '__class__')", ["getattr"]),
        ("x = getattr(1)", ["getattr"]),
        ("f = setattr", ["setattr"]),
        ("x = hasattr(1, NAME)", ["hasattr"]),
        ("x = ().__class__.__mro__", ["__class__", "__mro__"]),
        ("x = y.__z", []),
        ("x = y._z", []),
        ("x = y.____", []),
        ("import numpy as np\nx = np.load('a')", ["load"]),
        ("import numpy\nx = numpy.lib.npyio.save", ["save"]),
        ("import torch as t\nx = t.jit.load", ["load"]),
        ("from torch import jit\nx = jit.load('a')", ["load"]),
        ("x = model.load('a')", []),
        ("import json\nx = json.load", []),
        ("x = a.to_csv(1) + b.tofile(2) + c.read_anything", ["read_anything", "to_csv", "tofile"]),
        ("import torch\nx = torch.hub", ["hub"]),
        ("x = f'{y.__class__}'", ["__class__"]),
        ("x = 'é' + y.__class__.a", ["__class__"]),
        ("x = (y\n    .__class__)", ["__class__"]),
    ],
)
def test_names_and_attributes(source, places):
    assert sorted(rules(source)) == sorted(("MAML317", place) for place in places)


def test_super_init_alone_is_allowed():
    source = (
        "class A:\n    def __init__(self):\n        super().__init__()\n"
        "        super(A, self).__init__()\n        object.__init__(self)\n"
        "        super().__setattr__('x', 1)"
    )
    assert rules(source) == [("MAML317", "__init__"), ("MAML317", "__setattr__")]


def test_identifiers_are_in_nfkc():
    source = "def _f():\n    ｘ = 1\n    é = 'ｘ'\n    return ｘ  # ｘ"
    assert rules(source) == [("MAML317", "ｘ"), ("MAML317", "ｘ")]


def test_a_forbidden_name_in_other_letters_is_still_it():
    assert ("MAML317", "ｅval") in rules("x = ｅval")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("from qiskit import QuantumCircuit, Aer, execute", None),
        ("import qiskit.algorithms", None),
        ("from qiskit.opflow import X", None),
        ("from qiskit.providers.aer import AerSimulator", None),
        ("from qiskit.providers import aer", None),
        ("import qiskit\nx = qiskit.Aer.get_backend('a')", "Aer"),
        ("import qiskit as q\nx = q.execute(1)", "execute"),
        ("import qiskit\nx = qiskit.providers.aer", "aer"),
    ],
)
def test_removed_from_qiskit(source, place):
    assert rules(source) == [("MAML318", place or source)]


@pytest.mark.parametrize("source", ["x = other.execute(1)", "import qiskit\nx = qiskit.transpile"])
def test_not_removed(source):
    assert rules(source) == []


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("from qiskit.circuit import Gate\nx = Gate('g', 1, [])", "Gate('g', 1, [])"),
        ("import qiskit\nx = qiskit.circuit.Instruction('g', 1, 0, [])", "qiskit.circuit.Instr"),
        ("from qiskit.circuit import Gate\nx = Gate('g', 1, [])\nx.definition = y", None),
        ("from qiskit.circuit import Gate\nclass A(Gate): pass\nx = A()", None),
        ("x = Gate('g', 1, [])", None),
    ],
)
def test_bare_gates_are_opaque(source, place):
    found = rules(source)
    assert [code for code, _ in found] == ([] if place is None else ["MAML319"])
    assert place is None or found[0][1].startswith(place)
