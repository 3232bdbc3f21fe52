"""What one session may use."""

from __future__ import annotations

from dataclasses import dataclass

MAX_JSON_BYTES = 16 * 1024 * 1024
"""JSON text of one result (MAML.md §4)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one session, summed over its calls.

    Attributes:
        wall_s: wall clock of `load`, and of a call that names no limit of its own.
        cpu_s: processor seconds after the imports.
        memory_bytes: address space beyond what the imports took; where a cgroup is writable, also
            resident memory with what lies in the session's /tmp.
        processes: threads beyond those of the imports; further processes are always refused.
        output_bytes: stdout and stderr together.
        tmp_bytes: /tmp and /dev/shm, each, in the bubblewrap tier; the other tiers have no
            writable path.
        open_files: file descriptors.
        attachment_bytes: attachments of one answer.
        start_s: wall clock of start, imports included.
    """

    wall_s: float = 60.0
    cpu_s: float = 300.0
    memory_bytes: int = 4 * 1024**3
    processes: int = 32
    output_bytes: int = 1024 * 1024
    tmp_bytes: int = 64 * 1024**2
    open_files: int = 256
    attachment_bytes: int = 1024**3
    start_s: float = 180.0
