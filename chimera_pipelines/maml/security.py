"""Encryption as the front matter and the kernels ask for it (MAML.md §10; 705, 706)."""

from __future__ import annotations

from collections.abc import Mapping

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity
from chimera_pipelines.maml.document import Dependencies, Places


def encryption_diagnostics(
    front: Mapping[str, JSONValue], places: Places, dependencies: Dependencies | None
) -> list[Diagnostic]:
    """What is to be said of the front matter's `encryption` and `quantum_security_flag`.

    A kernel's own `encryption` is judged where it stands, with the graph.

    Args:
        front: the front matter.
        places: of its values.
        dependencies: None when there are no kernels to ask; the front matter speaks alone then.
    """
    found = []
    default = front.get("encryption", "none")
    if default == "aes-2048":
        message = "'aes-2048' is 2,048 bits of key material; its strength stays that of aes-256"
        span = places.values["encryption",]
        found.append(Diagnostic("MAML706", Severity.INFO, span, message))
    if front.get("quantum_security_flag") is not True:
        return found
    bare = [default == "none"]
    if dependencies is not None and dependencies.kernels:
        kernels = dependencies.kernels.values()
        bare = [default == "none" and "encryption" not in k.options for k in kernels]
    if any(bare):
        span = places.values["quantum_security_flag",]
        message = "quantum_security_flag without encryption"
        hint = "write 'encryption: aes-512'"
        found.append(Diagnostic("MAML705", Severity.ERROR, span, message, hint))
    return found
