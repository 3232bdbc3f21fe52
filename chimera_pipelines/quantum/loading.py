"""Qiskit loaded by a thread that never ends.

The compiled part of Qiskit 2.6.2 has an allocator (mimalloc) that takes the thread which loads it
for the main one. When that thread ends, what all threads share goes with it, and the next circuit
that another thread copies crashes the process. A pool's thread that runs the first kernel of a
document is such a thread; the second run in that process was the crash.
"""

from __future__ import annotations

import importlib
import threading

_lock = threading.Lock()
_holders: list[threading.Thread] = []


def load_qiskit() -> None:
    """Import Qiskit so that every thread may use it; call it before any import of Qiskit.

    Raises:
        ImportError: it is not installed.
    """
    if threading.current_thread() is not threading.main_thread():
        with _lock:
            if not _holders:
                loaded = threading.Event()
                holder = threading.Thread(
                    target=_hold, args=(loaded,), name="qiskit-loader", daemon=True
                )
                holder.start()
                loaded.wait()
                _holders.append(holder)
    importlib.import_module("qiskit")  # where the holder could not, this says why


def _hold(loaded: threading.Event) -> None:
    try:
        importlib.import_module("qiskit")
    except ImportError:
        return
    finally:
        loaded.set()
    threading.Event().wait()
