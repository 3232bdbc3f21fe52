"""Whether a run may begin: everything that can be refused before a grant is written.

A refusal names its code and what to change; nothing is appended to the History by it.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from chimera_pipelines.contracts import schema
from chimera_pipelines.contracts.permissions import may_execute
from chimera_pipelines.digest import JSONValue, NotCanonicalError, normalise
from chimera_pipelines.errors import HeadUnavailableError, RefusedError, UsageError, Where
from chimera_pipelines.lifecycle.spec import DocumentSpec, KernelSpec
from chimera_pipelines.maml.nearest import did_you_mean
from chimera_pipelines.settings import Settings

# A schema with one of these says itself what further names it takes, or leaves it to a part.
_OPEN_SCHEMA = frozenset(
    {
        "additionalProperties",
        "patternProperties",
        "unevaluatedProperties",
        "propertyNames",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "dependentSchemas",
    }
)


def check(
    document: DocumentSpec, kernels: Sequence[KernelSpec], settings: Settings, partition: str | None
) -> None:
    """Permissions, partition, environment and security of a run.

    Raises:
        UsageError, RefusedError, HeadUnavailableError: with code and hint.
    """
    _check_execute(document, settings)
    if document.partitioned and partition is None:
        raise UsageError(
            "CHIM204",
            f"'{document.slug}' is partitioned: a run names one partition",
            hint="--partition KEY, or --all-partitions",
        )
    if partition is not None and not document.partitioned:
        raise UsageError(
            "CHIM204", f"'{document.slug}' has no partitions, but '{partition}' was given"
        )
    _check_environment(document)
    for kernel in kernels:
        _check_kernel(document, kernel, settings)


def run_inputs(
    document: DocumentSpec, kernels: Sequence[KernelSpec], given: Mapping[str, JSONValue]
) -> dict[str, JSONValue]:
    """Run inputs with the schema's defaults, validated (MAML.md §5).

    Raises:
        UsageError: MAML505 (exit 2: run inputs), CHIM213 a name that nothing of the document knows.
    """
    try:
        normalise(dict(given))
    except NotCanonicalError as error:
        raise UsageError("MAML505", f"run inputs: {error}") from None
    _check_names(document, kernels, given)
    if document.input_schema is None:
        return dict(given)
    whole = schema.apply_defaults(document.input_schema, dict(given))
    problems = schema.validate(document.input_schema, whole)
    if problems:
        raise UsageError(
            "MAML505", f"run inputs: {problems[0]}", hint="--input name=value; see ## Input_Schema"
        )
    return whole


def _check_names(
    document: DocumentSpec, kernels: Sequence[KernelSpec], given: Mapping[str, JSONValue]
) -> None:
    """A name that is misspelt would leave its default in force without a word."""
    declared = document.input_schema
    if not isinstance(declared, dict) or "properties" not in declared:
        return
    if any(word in declared for word in _OPEN_SCHEMA):
        return
    known = set(declared["properties"]) | {
        str(reference.path[0])
        for kernel in kernels
        for reference in kernel.references
        if reference.root == "input" and reference.path
    }
    for name in given:
        if name not in known:
            there = ", ".join(sorted(known)[:12]) or "none"
            raise UsageError(
                "CHIM213",
                f"'{document.slug}' has no run input '{name}'",
                hint=did_you_mean(name, known, f"there are: {there}"),
            )


def _check_execute(document: DocumentSpec, settings: Settings) -> None:
    patterns = document.permissions.get("execute", ())
    if not may_execute(patterns, settings.principal, settings.gateway):
        raise RefusedError(
            "MAML704",
            f"execute does not permit '{settings.principal}' at '{settings.gateway}'",
            where=Where(document.path),
            hint=f"it permits {', '.join(patterns)}; see CHIMERA_PRINCIPAL, CHIMERA_GATEWAY",
        )


def _check_environment(document: DocumentSpec) -> None:
    try:
        wanted = SpecifierSet(str(document.requires.get("python", "")))
        libraries = [Requirement(str(text)) for text in document.requires.get("libs", ())]
    except (InvalidSpecifier, InvalidRequirement) as error:
        raise RefusedError("CHIM205", f"requires: {error}", where=Where(document.path)) from None
    if platform.python_version() not in wanted:
        raise RefusedError(
            "CHIM205",
            f"the document wants python {wanted}, this is {platform.python_version()}",
            where=Where(document.path),
        )
    for requirement in libraries:
        _check_library(document, requirement)


def _check_library(document: DocumentSpec, requirement: Requirement) -> None:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        found = "absent"
    if found == "absent" or not requirement.specifier.contains(found, prereleases=True):
        raise RefusedError(
            "CHIM205",
            f"the document wants '{requirement}', here it is {found}",
            where=Where(document.path),
            hint="nothing is installed for a document; install it into this environment",
        )


def _check_kernel(document: DocumentSpec, kernel: KernelSpec, settings: Settings) -> None:
    where = Where(document.path, kernel.line, kernel.column)
    if kernel.block.language == "ocaml":
        raise RefusedError(
            "MAML604",
            f"kernel '{kernel.name}' is an ocaml block; no OCaml toolchain is supported yet",
            where=where,
            hint="remove the kernel, or run the document on a gateway that has Gospel and Ortac",
        )
    if "cuda" in kernel.head_tags and settings.device != "gpu":
        raise HeadUnavailableError(
            "MAML905",
            f"kernel '{kernel.name}' asks for cuda and the heads here run on {settings.device}",
            where=where,
            hint="set CHIMERA_DEVICE=gpu on a machine with one, or drop the tag 'cuda'",
        )
    if not kernel.heads:
        tags = ", ".join(kernel.head_tags) or "none"
        raise HeadUnavailableError(
            "MAML905", f"no head has what kernel '{kernel.name}' asks for: {tags}", where=where
        )
