from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.bad_data import finite, table, whole
from chimera_pipelines.learning.qaoa import maxcut
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.evolution_circuits import Evolution
from chimera_pipelines.quantum.hamiltonian import PauliSum
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.reals import finite_real, shown

NONE = [10**400, -(10**400), 10**5000, math.nan, math.inf, -math.inf, True, "1", None, [10**5000]]
READERS = {
    "observable": ("MAML904", lambda x: Observable.from_json({"Z": x}, 1)),
    "Hamiltonian": ("CHIM770", lambda x: PauliSum.from_json({"Z": x}, 1)),
    "feature": ("MAML412", lambda x: Embedding.from_options({"method": "iqp"}, [[x]])),
    "scale": ("MAML412", lambda x: Embedding.of("angle", scale=x)),
    "repeats": ("MAML412", lambda x: Embedding.of("iqp", repeats=x if x is not True else 0)),
    "amplitude": (
        "MAML412",
        lambda x: Embedding.from_options({"method": "amplitude"}, [{"re": 1.0, "im": x}]),
    ),
    "time": (
        "CHIM771",
        lambda x: Evolution.from_options({"hamiltonian": {"Z": 1}, "time": [x]}, {}),
    ),
    "edge": ("MAML505", lambda x: maxcut([[0, 1, x]], 2)),
    "row": ("MAML505", lambda x: table([[x]], "rows")),
    "number": ("MAML505", lambda x: finite(x, "rate")),
    "count": ("MAML505", lambda x: whole(x, "seed", low=0, high=1)),
}


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_number_is_itself(value):
    assert finite_real(value) == float(value)


@pytest.mark.parametrize("value", NONE, ids=shown)
@pytest.mark.parametrize(("code", "read"), READERS.values(), ids=READERS)
def test_all_else_is_refused_with_the_readers_code(code, read, value):
    assert finite_real(value) is None
    with pytest.raises(KernelError) as caught:
        read(value)
    assert caught.value.code == code
    assert len(caught.value.message) < 200
