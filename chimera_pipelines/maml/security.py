"""Encryption as the front matter and the kernels ask for it (MAML.md §10; 705, 706).

What a kernel or `defaults` asks for is judged where it stands; kernels that ask for nothing are
judged once, at the flag or the field of the front matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Dependencies, Kernel, Places


def encryption_diagnostics(
    front: Mapping[str, JSONValue], places: Places, dependencies: Dependencies | None
) -> Iterator[Diagnostic]:
    """What is to be said of `encryption` and `quantum_security_flag`.

    Args:
        front: the front matter.
        places: of its values.
        dependencies: None when there are no kernels to ask; the front matter speaks alone then.
    """
    default = front.get("encryption", "none")
    flagged = front.get("quantum_security_flag") is True
    kernels = dependencies.kernels.values() if dependencies is not None else ()
    silent = [k for k in kernels if "encryption" not in k.options and _is_read(dependencies, k)]
    if default == "aes-2048":
        yield _key_material(places.values["encryption",])
    if flagged and default == "none" and (silent or not kernels):
        yield _bare(places.values["quantum_security_flag",])
    for kernel in kernels:
        wanted = kernel.options.get("encryption")
        if wanted == "aes-2048":
            yield _key_material(_place(dependencies, kernel.name, kernel.span))
        elif wanted == "none" and flagged:
            yield _bare(_place(dependencies, kernel.name, kernel.span))


def _is_read(dependencies: Dependencies | None, kernel: Kernel) -> bool:
    """Whether the kernel's encryption was not written and refused (MAML403)."""
    refused = dependencies.unread if dependencies is not None else frozenset()
    places = {("defaults",), ("kernels", kernel.name)}
    places |= {(*place, "encryption") for place in places}
    return places.isdisjoint(refused)


def _place(dependencies: Dependencies | None, kernel: str, otherwise: Span) -> Span:
    """Where a kernel's encryption is written, in the kernel or in `defaults`."""
    values = dependencies.places.values if dependencies is not None else {}
    own = values.get(("kernels", kernel, "encryption"))
    return own or values.get(("defaults", "encryption")) or otherwise


def _bare(span: Span) -> Diagnostic:
    message = "quantum_security_flag without encryption"
    return Diagnostic("MAML705", Severity.ERROR, span, message, "write 'aes-256' or 'aes-512'")


def _key_material(span: Span) -> Diagnostic:
    message = "'aes-2048' is 2,048 bits of key material; its strength stays that of aes-256"
    return Diagnostic("MAML706", Severity.INFO, span, message)
