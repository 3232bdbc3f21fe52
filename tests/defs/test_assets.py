from dataclasses import replace

import dagster as dg
import pytest

from chimera_pipelines.defs.assets import document_assets, maml_assets
from chimera_pipelines.defs.project import MamlProject, PreparedPlan
from chimera_pipelines.defs.translator import ChimeraTranslator


class LabTranslator(ChimeraTranslator):
    def get_asset_key(self, plan, kernel):
        return dg.AssetKey(["lab", plan.document.slug, kernel])

    def get_group_name(self, plan, kernel):
        return "lab"

    def get_pool(self, plan, kernel):
        return "slow/one" if kernel.name == "second" else None


def _assets(translator=None, body=None):
    decorate = maml_assets(MamlProject(), translator=translator)

    def lab(context, step):
        return step.run()

    return decorate(body or lab)


def test_each_kernel_is_one_graph_of_five_ops(write, chain):
    write("a.maml.md", chain())
    kernels = _assets()[:-1]
    assert [asset.key.path for asset in kernels] == [
        ["a", "first"],
        ["a", "second"],
        ["a", "third"],
    ]
    for asset in kernels:
        names = {node.name for node in asset.node_def.nodes}
        assert names == {"deserialize", "embed", "propagate", "measure", "feedback"}


def test_edges_of_data_and_of_order(write, chain):
    write("a.maml.md", chain())
    third = next(asset for asset in _assets() if asset.key.path == ["a", "third"])
    assert {key.path[-1] for key in third.dependency_keys} == {"first", "second"}
    types = {name: d.dagster_type.key for name, d in third.node_def.input_dict.items()}
    assert types == {"second": "Any", "needs__first": "Nothing"}


def test_another_document_is_upstream(write, chain):
    write("a.maml.md", chain())
    write("b.maml.md", chain(number=1))
    b = MamlProject().prepare(["b"]).plans[0].plan
    kernels = [
        replace(k, inputs={**k.inputs, "old": "document://a#third.value"}) for k in b.kernels
    ]
    plan = PreparedPlan(replace(b, kernels=tuple(kernels)), "sha256:0")
    first, second, *_ = document_assets(plan, ChimeraTranslator())
    assert first.dependency_keys == {dg.AssetKey(["a", "third"])}
    assert second.dependency_keys == {dg.AssetKey(["a", "third"]), dg.AssetKey(["b", "first"])}


def test_step_keys_read_as_the_language_says(write, chain):
    write("a.maml.md", chain())
    job = dg.Definitions(
        assets=_assets(), jobs=[dg.define_asset_job("all")], resources=_stubs()
    ).resolve_job_def("all")
    from dagster._core.execution.api import create_execution_plan

    keys = set(create_execution_plan(job).step_keys_to_execute)
    assert "a__second.propagate" in keys
    assert len(keys) == 3 * 5 + 1


def test_a_translator_of_ones_own_names_everything(write, chain):
    write("a.maml.md", chain())
    found = {asset.key.path[-1]: asset for asset in _assets(LabTranslator())[:-1]}
    second = found["second"]
    assert second.key.path == ["lab", "a", "second"]
    assert second.dependency_keys == {dg.AssetKey(["lab", "a", "first"])}
    assert set(second.group_names_by_key.values()) == {"lab"}
    assert {node.definition.pool for node in second.node_def.nodes} == {"slow/one"}
    assert {node.definition.pool for node in found["first"].node_def.nodes} == {None}


def test_two_bodies_live_in_one_location(write, chain):
    write("a.maml.md", chain())
    write("b.maml.md", chain(number=1))

    def one(context, step):
        return step.run()

    def two(context, step):
        return step.run()

    assets = [
        *maml_assets(MamlProject(), select=["a"])(one),
        *maml_assets(MamlProject(), select=["b"])(two),
    ]
    definitions = dg.Definitions(assets=assets, resources=_stubs())
    dg.Definitions.validate_loadable(definitions)
    assert len(definitions.resolve_asset_graph().get_all_asset_keys()) == 8


@pytest.mark.parametrize("head", ["", "partitions: {static: [p, q]}\n"])
def test_the_same_text_is_the_same_job(write, chain, head):
    write("a.maml.md", chain(head=head))

    def snapshot():
        job = dg.Definitions(
            assets=_assets(), jobs=[dg.define_asset_job("all")], resources=_stubs()
        ).resolve_job_def("all")
        return job.get_job_snapshot_id()

    assert snapshot() == snapshot()


def _stubs():
    from chimera_pipelines.defs.location import default_resources

    return default_resources()
