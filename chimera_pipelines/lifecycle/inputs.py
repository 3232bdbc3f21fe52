"""Phase 1, data side: references resolved, datasets read, `in` computed (MAML.md §3, §4, §8).

The same resolved inputs have two faces: the record that is hashed names a dataset by its URI and
the hash of its file; the block gets its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chimera_pipelines.contracts import datasets, schema
from chimera_pipelines.contracts.permissions import may_read
from chimera_pipelines.digest import JSONValue, NotCanonicalError, digest, normalise
from chimera_pipelines.errors import ChimeraError, KernelError, RefusedError, Where
from chimera_pipelines.lifecycle import blob_references
from chimera_pipelines.lifecycle.spec import (
    HASHED_OPTIONS,
    DocumentSpec,
    InputReference,
    KernelSpec,
)


class _BlobError(Exception):
    """A `$blob` where none may stand, or one that is none; `where` as far as it is known."""

    def __init__(self, message: str, where: Where | None = None) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True)
class Resolved:
    """Inputs of one invocation: `hashed` enters `in`, `given` is what the block gets."""

    hashed: Mapping[str, JSONValue]
    given: Mapping[str, JSONValue]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where references point to. `published` looks up another document's kernel output."""

    outputs: Mapping[str, JSONValue]
    run_inputs: Mapping[str, JSONValue]
    partition: str | None
    dataset_root: Path
    published: Callable[[str, str], JSONValue]


def resolve(document: DocumentSpec, kernel: KernelSpec, sources: Sources) -> Resolved:
    """Inputs with every reference, dataset and document URI replaced by its value.

    Raises:
        KernelError: MAML505, a path that the value does not have, a value that is no JSON, or a
            `$blob` that no kernel published.
        RefusedError: MAML704, a resource that `permissions.read` does not name.
    """
    by_place = {reference.place: reference for reference in kernel.references}
    hashed: dict[str, JSONValue] = {}
    given: dict[str, JSONValue] = {}
    for name, written in kernel.inputs.items():
        where = _where(document, by_place.get((name,)), kernel)
        try:
            value = _fill(written, (name,), by_place, document, sources)
            hashed[name], given[name] = _open(value, document, sources, where)
        except _BlobError as error:
            raise KernelError(
                "MAML505",
                f"input '{name}' of '{kernel.name}': {error}",
                where=error.where or where,
                hint="large values come from outputs of kernels: $kernel or document://",
            ) from None
    try:
        normalise(dict(hashed))
    except NotCanonicalError as error:
        raise KernelError("MAML505", f"inputs of '{kernel.name}': {error}") from None
    return Resolved(hashed, given)


def input_digest(
    kernel: KernelSpec, hashed: Mapping[str, JSONValue], *, seed: int, partition: str | None
) -> str:
    """`in`: SHA-256 of JCS `{block, inputs, options, partition}`, feedback and interface (§8)."""
    options = {name: kernel.options[name] for name in HASHED_OPTIONS if name in kernel.options}
    record: dict[str, object] = {
        "block": kernel.block.digest,
        "inputs": dict(hashed),
        "options": {"seed": seed, **options},
        "partition": partition,
    }
    if kernel.feedback is not None:
        record["feedback"] = kernel.feedback.digest
    if kernel.interface is not None:
        record["interface"] = kernel.interface
    return digest(record)


def check_inputs(
    document: DocumentSpec, kernel: KernelSpec, given: Mapping[str, JSONValue]
) -> None:
    """Validate against the kernel's Input_Schema, if it has one.

    Raises:
        KernelError: MAML505 with the path of the first value that does not fit.
    """
    if kernel.input_schema is None:
        return
    problems = schema.validate(kernel.input_schema, dict(given))
    if problems:
        where = Where(document.path, kernel.line, kernel.column)
        raise KernelError("MAML505", f"inputs of '{kernel.name}': {problems[0]}", where=where)


def _fill(
    value: JSONValue,
    place: tuple[str | int, ...],
    references: Mapping[tuple[str | int, ...], InputReference],
    document: DocumentSpec,
    sources: Sources,
) -> JSONValue:
    if place in references:
        return _follow(references[place], document, sources)
    if isinstance(value, str):
        return value[1:] if value.startswith("$$") else value
    if isinstance(value, list):
        return [_fill(v, (*place, i), references, document, sources) for i, v in enumerate(value)]
    if isinstance(value, dict):
        if blob_references.KEY in value:
            raise _BlobError(_FOREIGN)
        return {k: _fill(v, (*place, k), references, document, sources) for k, v in value.items()}
    return value


def _follow(reference: InputReference, document: DocumentSpec, sources: Sources) -> JSONValue:
    where = Where(document.path, reference.line, reference.column)
    if reference.root == "partition":
        return sources.partition
    text = f"${reference.root}"
    if reference.root in ("input", "context"):
        given = sources.run_inputs if reference.root == "input" else document.context
        return _foreign(_walk(dict(given), reference.path, text, where), where)
    return _own(_walk(sources.outputs[reference.root], reference.path, text, where), where)


_FOREIGN = "a $blob that no kernel published"


def _foreign(value: JSONValue, where: Where) -> JSONValue:
    """A value from outside of kernels, which names no blob."""
    if blob_references.names_blob(value):
        raise _BlobError(_FOREIGN, where)
    return value


def _own(value: JSONValue, where: Where) -> JSONValue:
    """A value that a kernel published; blobs in it are whole."""
    fault = blob_references.fault(value)
    if fault is not None:
        raise _BlobError(fault, where)
    return value


def _walk(value: JSONValue, path: tuple[str | int, ...], text: str, where: Where) -> JSONValue:
    for step in path:
        shown = text + (f"[{step}]" if isinstance(step, int) else f".{step}")
        if isinstance(step, int) and isinstance(value, list) and step < len(value):  # noqa: SIM114
            value = value[step]
        elif isinstance(step, str) and isinstance(value, dict) and step in value:
            value = value[step]
        else:
            has = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise KernelError(
                "MAML505", f"'{shown}' does not exist", where=where, hint=f"'{text}' has {has}"
            )
        text = shown
    return value


def _open(
    value: JSONValue, document: DocumentSpec, sources: Sources, where: Where
) -> tuple[JSONValue, JSONValue]:
    if not isinstance(value, str):
        return value, value
    read = document.permissions.get("read", ())
    try:
        if value.startswith("dataset://"):
            found = datasets.resolve(value, sources.dataset_root, read)
            rows: JSONValue = [*datasets.read_rows(found.path)]
            return {"$dataset": value, "sha256": found.sha256}, _foreign(rows, where)
        if value.startswith("document://"):
            value = _own(_published(value, read, sources, where), where)
    except ChimeraError as error:
        error.where = error.where or where
        raise
    return value, value


def _published(uri: str, read: tuple[str, ...], sources: Sources, where: Where) -> JSONValue:
    body = uri.removeprefix("document://")
    slug, _, rest = body.partition("#")
    kernel, *names = rest.split(".")
    if not slug or not kernel:
        raise KernelError(
            "MAML505", f"'{uri}' is not a document reference", hint="document://slug#kernel.path"
        )
    if not may_read(read, uri):
        raise RefusedError(
            "MAML704",
            f"read does not permit '{uri}'",
            hint=f"add document://{slug} to permissions.read",
        )
    return _walk(sources.published(slug, kernel), tuple(names), f"{slug}#{kernel}", where)


def _where(document: DocumentSpec, reference: InputReference | None, kernel: KernelSpec) -> Where:
    if reference is None:
        return Where(document.path, kernel.line, kernel.column)
    return Where(document.path, reference.line, reference.column)
