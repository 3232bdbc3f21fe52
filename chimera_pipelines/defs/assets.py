"""Kernels as graph-backed assets: one graph of five phase ops for each, and `@maml_assets`.

Edges that carry data are named inputs of the graph; edges of order alone are `Nothing` inputs, one
for each, as are outputs of other documents (`document://slug#kernel`), which the lifecycle reads
itself: they are there for the lineage.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from chimera_pipelines.defs.ledger_asset import ledger_asset
from chimera_pipelines.defs.ops import CHECK_OUTPUT, Body, PhaseOps, phase_ops, run_phase, tags_of
from chimera_pipelines.defs.project import MamlProject, Prepared, PreparedPlan, remember
from chimera_pipelines.defs.translator import SEPARATOR, TICKET_CHECK, ChimeraTranslator
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.plan import Plan

DOCUMENT_SCHEME = "document://"
K8S_TAG = "dagster-k8s/config"


@dataclass(frozen=True)
class _Edge:
    """An input of a kernel's graph: its name, whose output it is, whether the value is read."""

    name: str
    key: dg.AssetKey
    carries: bool
    mapping: dg.PartitionMapping | None = None


def maml_assets(
    project: MamlProject | Prepared,
    *,
    select: Iterable[str] | None = None,
    translator: ChimeraTranslator | None = None,
) -> Callable[[Body], list[dg.AssetsDefinition]]:
    """Turn a project's documents into assets; the decorated function runs each phase.

    The function gets the op's context and a `PhaseStep` and returns what `step.run()` returns:

        @maml_assets(MamlProject())
        def lab(context, step):
            context.log.info(f"{step.kernel.name}: {step.phase}")
            return step.run()

    Args:
        project: the documents.
        select: slugs of those that are meant; all by default.
        translator: names, keys, tags; `ChimeraTranslator` by default.

    Returns:
        One assets definition for each kernel and one for each document's ledger.
    """
    prepared = project.prepare(select) if isinstance(project, MamlProject) else project
    names = translator or ChimeraTranslator()

    def decorate(body: Body) -> list[dg.AssetsDefinition]:
        return [asset for found in prepared.plans for asset in document_assets(found, names, body)]

    return decorate


def document_assets(
    prepared: PreparedPlan, translator: ChimeraTranslator, body: Body = run_phase
) -> list[dg.AssetsDefinition]:
    """The assets of one document: its kernels in topological order, then its ledger."""
    remember(prepared)
    plan = prepared.plan
    partitions = translator.get_partitions_def(plan)
    kernels = [
        _kernel_asset(prepared, kernel, translator, partitions, body) for kernel in plan.kernels
    ]
    return [*kernels, ledger_asset(prepared, translator, partitions)]


def _kernel_asset(
    prepared: PreparedPlan,
    kernel: KernelSpec,
    translator: ChimeraTranslator,
    partitions: dg.PartitionsDefinition[str] | None,
    body: Body,
) -> dg.AssetsDefinition:
    plan = prepared.plan
    spec = translator.get_asset_spec(plan, kernel)
    check = dg.AssetCheckSpec(
        TICKET_CHECK,
        asset=spec.key,
        blocking=True,
        description="the ticket of this output verifies against the keys, and the chain to it",
    )
    edges = tuple(_edges(plan, kernel, translator))
    check_output = check.get_python_identifier()
    ops = phase_ops(body, translator.get_pool(plan, kernel))
    graph = dg.graph(
        name=translator.get_graph_name(plan, kernel.name),
        description=spec.description,
        ins={edge.name: dg.GraphIn() for edge in edges},
        out={"result": dg.GraphOut(), check_output: dg.GraphOut()},
    )(_composition(ops, _tags(prepared, kernel, translator), edges, check_output))
    return dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name={edge.name: edge.key for edge in edges},
        keys_by_output_name={"result": spec.key},
        partitions_def=partitions,
        partition_mappings={edge.name: edge.mapping for edge in edges if edge.mapping},
        group_name=spec.group_name,
        descriptions_by_output_name={"result": spec.description or ""},
        metadata_by_output_name={"result": spec.metadata},
        tags_by_output_name={"result": spec.tags},
        owners_by_output_name={"result": spec.owners},
        code_versions_by_output_name={"result": spec.code_version},
        automation_conditions_by_output_name={"result": spec.automation_condition},
        check_specs=[check],
    )


def _tags(
    prepared: PreparedPlan, kernel: KernelSpec, translator: ChimeraTranslator
) -> dict[Phase, dict[str, Any]]:
    """Tags of each phase's op: how it finds its kernel, and its pod where steps are pods."""
    found = tags_of(prepared.digest, kernel)
    pods = {phase: translator.get_k8s_config(prepared.plan, kernel, phase) for phase in Phase}
    return {
        phase: found if pod is None else {**found, K8S_TAG: dict(pod)}
        for phase, pod in pods.items()
    }


def _composition(
    ops: PhaseOps, tags: Mapping[Phase, dict[str, Any]], edges: tuple[_Edge, ...], check_output: str
) -> Callable[..., dict[str, Any]]:
    """The graph's body. Five invocations named by their phase: step keys end in `.propagate`."""
    carrying = [edge.name for edge in edges if edge.carries]
    waiting = [edge.name for edge in edges if not edge.carries]

    def compose(**inputs: Any) -> dict[str, Any]:
        values = {f"up{i}": inputs[name] for i, name in enumerate(carrying)}
        waits = {f"after{i}": inputs[name] for i, name in enumerate(waiting)}
        first = ops.deserialize(len(carrying), len(waiting))
        record = first.alias("deserialize").tag(tags[Phase.DESERIALIZE])(**values, **waits)
        for op, phase in (
            (ops.embed, Phase.EMBED),
            (ops.propagate, Phase.PROPAGATE),
            (ops.measure, Phase.MEASURE),
        ):
            record = op.alias(phase.value).tag(tags[phase])(record)
        result, ticket = ops.feedback.alias("feedback").tag(tags[Phase.FEEDBACK])(record)
        return {"result": result, check_output: ticket}

    assert CHECK_OUTPUT in ops.feedback.output_dict  # noqa: S101 - the order of the two outputs above
    return compose


def _edges(plan: Plan, kernel: KernelSpec, translator: ChimeraTranslator) -> Iterator[_Edge]:
    for name in kernel.data_producers:
        yield _Edge(name, translator.get_asset_key(plan, name), carries=True)
    seen = {translator.get_asset_key(plan, name) for name in kernel.data_producers}
    for name in kernel.producers:
        if name not in kernel.data_producers:
            key = translator.get_asset_key(plan, name)
            seen.add(key)
            yield _Edge(f"needs{SEPARATOR}{name}", key, carries=False)
    for index, (slug, other) in enumerate(dict.fromkeys(_documents(kernel.inputs))):
        key = translator.get_document_key(slug, other)
        if key in seen:  # of this very document: the outputs of its last run, no edge of the graph
            continue
        seen.add(key)
        mapping = translator.get_partition_mapping(plan, key)
        yield _Edge(f"document{SEPARATOR}{index}", key, carries=False, mapping=mapping)


def _documents(inputs: Mapping[str, JSONValue]) -> Iterator[tuple[str, str]]:
    """Slug and kernel of each input that is `document://slug#kernel.path`, whole."""
    for value in inputs.values():
        if isinstance(value, str) and value.startswith(DOCUMENT_SCHEME):
            slug, _, path = value.removeprefix(DOCUMENT_SCHEME).partition("#")
            if slug and path:
                yield slug, path.partition(".")[0]
