import dagster as dg
import pytest

from chimera_pipelines.defs.component import MamlProjectComponent
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.errors import SettingsError


class Translator(ChimeraTranslator):
    def get_group_name(self, plan, kernel):
        return "mine"


def _load(tmp_path, attributes):
    from dagster.components.testing import create_defs_folder_sandbox

    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            component_cls=MamlProjectComponent,
            defs_path="documents_here",
            defs_yaml_contents={
                "type": "chimera_pipelines.defs.component.MamlProjectComponent",
                "attributes": attributes(sandbox) if callable(attributes) else attributes,
            },
        )
        with sandbox.load_component_and_build_defs(defs_path=path) as (component, found):
            assert isinstance(component, MamlProjectComponent)
            dg.Definitions.validate_loadable(found)
            return found


def test_a_defs_yaml_is_the_documents_of_a_folder(tmp_path, write, chain):
    write("a.maml.md", chain())
    write("b.maml.md", chain(number=1))
    folder = str(write("a.maml.md", chain()).parent)
    found = _load(tmp_path, {"documents": folder, "select": ["a"], "inbox": False})
    keys = {key.to_user_string() for key in found.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"a/first", "a/second", "a/third", "a/ledger"}
    assert not list(found.sensors or ())


def test_a_translator_is_named_by_its_dotted_name(tmp_path, write, chain, monkeypatch):
    import sys
    import types

    module = types.ModuleType("lab_names")
    module.Translator = Translator
    monkeypatch.setitem(sys.modules, "lab_names", module)
    write("a.maml.md", chain())
    found = _load(tmp_path, {"translator": "lab_names.Translator", "inbox": False})
    graph = found.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["a", "first"])).group_name == "mine"


@pytest.mark.parametrize("name", ["nowhere.Thing", "json.dumps", "plain"])
def test_a_wrong_translator_is_told(home, name):
    component = MamlProjectComponent(translator=name)
    context = type("Context", (), {"path": home})()
    with pytest.raises(SettingsError, match=r"translator|subclass"):
        component.build_defs(context)
