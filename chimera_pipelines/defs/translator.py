"""How a compiled document becomes Dagster names: keys, tags, groups, owners, kinds, metadata.

Everything that a user may want to call otherwise is a method of `ChimeraTranslator`; subclass it
and hand an instance to `maml_assets`, `MamlProject.definitions` or the component. Nothing else in
`defs/` makes up a name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import code_references
from chimera_pipelines.digest import digest
from chimera_pipelines.lifecycle.spec import HASHED_OPTIONS, KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.settings import settings

LEDGER = "ledger"
TICKET_CHECK = "ticket_valid"
# Names of kernels hold no "__" (MAML.md §1), so names of ours that do never meet one of theirs.
SEPARATOR = "__"


def _tag(text: str) -> str:
    """Text as a strict Dagster tag value: at most 63 of `A-Za-z0-9_.-`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.-")[:63].rstrip("_.-")


class ChimeraTranslator:
    """The default names; each method may be overridden alone."""

    def get_asset_key(self, plan: Plan, kernel: str) -> dg.AssetKey:
        """Key of a kernel's output: `[slug, kernel]`."""
        return dg.AssetKey([plan.document.slug, kernel])

    def get_document_key(self, slug: str, kernel: str) -> dg.AssetKey:
        """Key that `document://slug#kernel` means: a kernel of another document."""
        return dg.AssetKey([slug, kernel])

    def get_ledger_key(self, plan: Plan) -> dg.AssetKey:
        """Key of the document's ledger; a kernel that is called `ledger` moves it aside."""
        taken = any(kernel.name == LEDGER for kernel in plan.kernels)
        return dg.AssetKey([plan.document.slug, f"{LEDGER}__run" if taken else LEDGER])

    def get_bad_document_key(self, slug: str) -> dg.AssetKey:
        """Key of the asset that stands for a document with errors."""
        return dg.AssetKey([slug, "document"])

    def get_inbox_key(self) -> dg.AssetKey:
        """Key on which the inbox sensor records what it accepted and what it refused."""
        return dg.AssetKey(["chimera", "inbox"])

    def get_graph_name(self, plan: Plan, kernel: str) -> str:
        """Name of a kernel's graph; step keys begin with it (MAML.md §9)."""
        return f"{plan.document.slug}{SEPARATOR}{kernel}"

    def get_job_name(self, plan: Plan) -> str:
        """Name of the document's job: `maml_<slug>_<id8>` (MAML.md §9)."""
        return plan.job_name

    def get_schedule_name(self, plan: Plan) -> str:
        """Name of the document's schedule."""
        return f"{plan.job_name}_schedule"

    def get_trigger_name(self, plan: Plan) -> str:
        """Name of the document's trigger sensor."""
        return f"{plan.job_name}_trigger"

    def get_inbox_sensor_name(self) -> str:
        """Name of the sensor that watches `data/inbox/`."""
        return "chimera_inbox"

    def get_group_name(self, plan: Plan, kernel: str | None) -> str:
        """Asset group: one for each document. `kernel` None is the ledger."""
        del kernel
        return plan.document.slug

    def get_owners(self, plan: Plan, kernel: str | None) -> list[str]:
        """Owners: the document's `origin` as a Dagster team."""
        del kernel
        team = re.sub(r"[^A-Za-z0-9_]+", "_", plan.document.origin.partition("://")[2]).strip("_")
        return [f"team:{team}"] if team else []

    def get_kinds(self, plan: Plan, kernel: KernelSpec) -> set[str]:
        """Kinds shown on the asset's node: language and head tags (Dagster takes three)."""
        del plan
        return set(dict.fromkeys((kernel.block.language, *kernel.head_tags[:2])))

    def get_tags(self, plan: Plan, kernel: KernelSpec) -> dict[str, str]:
        """Tags of a kernel's asset."""
        tags = {"chimera/language": kernel.block.language, "chimera/level": str(kernel.level)}
        if kernel.head_tags:
            tags["chimera/head"] = _tag("-".join(kernel.head_tags))
        if kernel.critical:
            tags["chimera/critical"] = "true"
        tags["chimera/document"] = _tag(plan.document.id.removeprefix("urn:uuid:"))
        return tags

    def get_job_tags(self, plan: Plan) -> dict[str, str]:
        """Tags of the document's job and of its runs; Dagster enforces the run's time limit."""
        tags = {
            "chimera/document": plan.document.id,
            "chimera/digest": plan.document.digest,
            "chimera/plan": plan.digest,
        }
        if plan.document.timeout_s is not None:
            tags["dagster/max_runtime"] = str(int(plan.document.timeout_s))
        return tags

    def get_description(self, plan: Plan, kernel: KernelSpec) -> str:
        """Description of a kernel's asset, as Markdown."""
        title = plan.document.title or plan.document.slug
        fence = f"```{kernel.block.language}\n{kernel.block.source}\n```"
        return f"Kernel `{kernel.name}` of *{title}*, block `{kernel.block.name}`.\n\n{fence}"

    def get_metadata(self, plan: Plan, kernel: KernelSpec) -> dict[str, Any]:
        """Metadata of a kernel's asset: where it stands in the document, and its options."""
        path = Path(plan.document.path).absolute()
        places = {
            f"{kernel.name} in Dependencies": kernel.line,
            f"block {kernel.block.name}": kernel.block.first_line,
        }
        return {
            "dagster/code_references": code_references(path, places),
            "heads": ", ".join(kernel.heads),
            "options": dg.MetadataValue.json(dict(kernel.options)),
            "state_bytes": kernel.bytes,
            "timeout_s": kernel.timeout_s,
            "retries": kernel.retries,
        }

    def get_code_version(self, plan: Plan, kernel: KernelSpec) -> str:
        """What makes an output stale: sources, hashed options, inputs and the context they use."""
        roots = {
            reference.path[0] for reference in kernel.references if reference.root == "context"
        }
        context = {
            str(root): plan.document.context.get(str(root)) for root in sorted(roots, key=str)
        }
        return digest(
            {
                "block": kernel.block.digest,
                "feedback": kernel.feedback.digest if kernel.feedback else None,
                "interface": kernel.interface,
                "options": {
                    k: v for k, v in kernel.options.items() if k in (*HASHED_OPTIONS, "seed")
                },
                "inputs": dict(kernel.inputs),
                "context": context,
            }
        ).removeprefix("sha256:")[:16]

    def get_automation_condition(
        self, plan: Plan, kernel: KernelSpec
    ) -> dg.AutomationCondition[dg.AssetKey] | None:
        """None: a document's schedule and trigger say when it runs."""
        del plan, kernel
        return None

    def get_pool(self, plan: Plan, kernel: KernelSpec) -> str | None:
        """Concurrency pool of a kernel's phases; none by default (MAML.md §9)."""
        del plan, kernel
        return None

    def get_k8s_config(
        self, plan: Plan, kernel: KernelSpec, phase: Phase
    ) -> Mapping[str, Any] | None:
        """What a phase's pod has of its own under `k8s_job_executor` (op tag `dagster-k8s/config`).

        A GPU for propagation, when `CHIMERA_KUBERNETES_GPU` names the resource: for circuits, and
        for kernels with the head tag `pytorch`. The pod's heads are then told to use it.
        """
        del plan
        resource = settings().kubernetes_gpu
        uses_it = kernel.block.language in ("qiskit", "qasm") or "pytorch" in kernel.head_tags
        if resource is None or phase is not Phase.PROPAGATE or not uses_it:
            return None
        tolerated = {"key": resource, "operator": "Exists", "effect": "NoSchedule"}
        return {
            "container_config": {
                "resources": {"limits": {resource: "1"}},
                "env": [{"name": "CHIMERA_DEVICE", "value": "gpu"}],
            },
            "pod_spec_config": {"tolerations": [tolerated]},
        }

    def get_partitions_def(self, plan: Plan) -> dg.PartitionsDefinition[str] | None:
        """The document's `partitions` as a Dagster definition; keys are as MAML.md §3 says."""
        spec: Mapping[str, Any] = plan.partitions or {}
        if "static" in spec:
            return dg.StaticPartitionsDefinition([str(key) for key in spec["static"]])
        timezone = str(spec.get("timezone", "UTC"))
        if "daily" in spec:
            return dg.DailyPartitionsDefinition(start_date=str(spec["daily"]), timezone=timezone)
        if "hourly" in spec:
            return dg.HourlyPartitionsDefinition(start_date=str(spec["hourly"]), timezone=timezone)
        if "dynamic" in spec:
            return dg.DynamicPartitionsDefinition(name=str(spec["dynamic"]))
        return None

    def get_partition_mapping(
        self, plan: Plan, upstream: dg.AssetKey
    ) -> dg.PartitionMapping | None:
        """How a kernel's partitions map to those of `upstream`, an asset of another document.

        Kernels of one document share their partitions. Another document's latest output is what
        `document://` reads, whichever partition that is.
        """
        del plan, upstream
        return dg.AllPartitionMapping()

    def get_schedule_status(self, plan: Plan) -> dg.DefaultScheduleStatus:
        """Stopped, as Dagster has it: an operator starts what spends the machine's time."""
        del plan
        return dg.DefaultScheduleStatus.STOPPED

    def get_trigger_status(self, plan: Plan) -> dg.DefaultSensorStatus:
        """Stopped, as schedules."""
        del plan
        return dg.DefaultSensorStatus.STOPPED

    def get_inbox_status(self) -> dg.DefaultSensorStatus:
        """Running: who puts a file into the inbox wants it taken."""
        return dg.DefaultSensorStatus.RUNNING

    def get_asset_spec(self, plan: Plan, kernel: KernelSpec) -> dg.AssetSpec:
        """All of the above for one kernel; override it to change several things at once."""
        return dg.AssetSpec(
            key=self.get_asset_key(plan, kernel.name),
            description=self.get_description(plan, kernel),
            metadata=self.get_metadata(plan, kernel),
            group_name=self.get_group_name(plan, kernel.name),
            code_version=self.get_code_version(plan, kernel),
            automation_condition=self.get_automation_condition(plan, kernel),
            owners=self.get_owners(plan, kernel.name),
            tags=self.get_tags(plan, kernel),
            kinds=self.get_kinds(plan, kernel),
        )
