"""A draft of a document as the graph's rules see it: places, and what was not read."""

from __future__ import annotations

from collections.abc import Mapping

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml import graph
from chimera_pipelines.maml.code_records import CodeFacts
from chimera_pipelines.maml.diagnostics import Span
from chimera_pipelines.maml.document import Block, Dependencies, Document, Kernel, Path, Section


class View:
    """Look-ups that several rules need."""

    def __init__(self, draft: Document, dependencies: Dependencies) -> None:
        self.draft = draft
        self.dependencies = dependencies
        self.kernels: Mapping[str, Kernel] = dependencies.kernels
        self.unread = dependencies.unread
        self._touched = {path[:n] for path in self.unread for n in range(2, len(path) + 1)}
        self.final = graph.final_kernels(dependencies.kernels)
        self._sections = {section.name: section for section in reversed(draft.sections)}

    def section(self, name: str) -> Section | None:
        """The first section of a name."""
        return self._sections.get(name)

    def is_read(self, kernel: Kernel, *path: str | int) -> bool:
        """Whether nothing was refused at a path of the kernel or around it."""
        whole: Path = ("kernels", kernel.name, *path)
        around = [whole[:n] for n in range(2, len(whole) + 1)]
        if path:
            around.append(("defaults", *path))
        return whole not in self._touched and self.unread.isdisjoint(around)

    def value_at(self, kernel: Kernel, *path: str | int) -> Span:
        """Where a value of the kernel stands; its key where there is no Dependencies section."""
        return self.dependencies.places.values.get(("kernels", kernel.name, *path), kernel.span)

    def key_at(self, kernel: Kernel, *path: str | int) -> Span:
        """Where a key inside the kernel stands."""
        return self.dependencies.places.keys.get(("kernels", kernel.name, *path), kernel.span)

    def option_at(self, kernel: Kernel, *path: str | int) -> Span:
        """Where an option's value stands, in the kernel or in `defaults`."""
        values = self.dependencies.places.values
        own = values.get(("kernels", kernel.name, *path))
        return own or values.get(("defaults", *path)) or kernel.span

    @staticmethod
    def facts(block: Block | None) -> CodeFacts | None:
        """What is known of a block; None when it does not parse."""
        known = block.facts if block is not None else None
        return known if isinstance(known, CodeFacts) and known.parsed else None

    def feedback_block(self, kernel: Kernel) -> Block | None:
        """The block of the kernel's feedback loop."""
        feedback = kernel.options.get("feedback")
        name = feedback.get("block") if isinstance(feedback, dict) else None
        return self.draft.blocks.get(str(name))

    def declared_resources(self) -> list[JSONValue] | None:
        """`requires.resources`; empty when absent, None when not read."""
        if not self.draft.front_matter:
            return None
        requires = self.draft.front_matter.get("requires", {})
        resources = requires.get("resources", []) if isinstance(requires, dict) else None
        return resources if isinstance(resources, list) else None

    def permissions(self, kind: str) -> list[str] | None:
        """A list of patterns; empty when absent, None when not read."""
        permissions = self.draft.front_matter.get("permissions")
        patterns = permissions.get(kind, []) if isinstance(permissions, dict) else None
        return [str(p) for p in patterns] if isinstance(patterns, list) else None
