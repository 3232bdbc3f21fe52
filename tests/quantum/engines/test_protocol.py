from __future__ import annotations

from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.protocol import Collapsed, Engine, Evolved
from chimera_pipelines.quantum.measurement import Measurement
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import ghz


def test_aer_is_an_engine():
    engine: Engine = AerEngine()
    assert engine.name == "aer"
    assert engine.compilations == 0


def test_bytes_of_what_is_held():
    import numpy as np

    record = write_record(ghz(2))
    assert Evolved(record, {}, np.zeros(4, dtype=np.complex64)).nbytes == 32
    small = Collapsed(record, Measurement(expectation=1.0)).nbytes
    assert Collapsed(record, Measurement(counts={"00": 1, "11": 2})).nbytes > small > 0
