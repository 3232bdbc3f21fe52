"""`MamlProjectComponent`: a folder of documents by a `defs.yaml`.

type: chimera_pipelines.defs.component.MamlProjectComponent
attributes:
  documents: documents
  translator: my_project.names.LabTranslator
  inbox: false
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import dagster as dg
from pydantic import Field

from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.project import MamlProject
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.errors import SettingsError


class MamlProjectComponent(dg.Component, dg.Model, dg.Resolvable):
    """The documents of a folder as assets, jobs, schedules and sensors."""

    documents: str | None = Field(
        default=None,
        description="folder of documents, relative to defs.yaml; default CHIMERA_HOME/documents",
    )
    select: Sequence[str] | None = Field(default=None, description="slugs of those that are meant")
    translator: str | None = Field(
        default=None, description="dotted name of a ChimeraTranslator subclass"
    )
    inbox: bool = Field(default=True, description="whether to watch CHIMERA_HOME/inbox")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Compile the folder; Dagster calls it when the code location loads."""
        project = (
            MamlProject(Path(context.path) / self.documents) if self.documents else MamlProject()
        )
        prepared = project.prepare(self.select)
        return build_definitions(
            prepared, translator=_translator(self.translator), inbox=self.inbox
        )


def _translator(name: str | None) -> ChimeraTranslator | None:
    if name is None:
        return None
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError("CHIM610", f"no translator '{name}': {error}") from error
    if not (isinstance(found, type) and issubclass(found, ChimeraTranslator)):
        raise SettingsError("CHIM610", f"'{name}' is no subclass of ChimeraTranslator")
    return found()
