import pytest

from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.scheduling.plan import load_plan


@pytest.fixture
def plan(write, chain):
    return load_plan(write("Chain.One.maml.md", chain()))


@pytest.fixture
def names():
    return ChimeraTranslator()


def test_names_are_those_of_the_language(plan, names):
    assert names.get_asset_key(plan, "first").path == ["chain_one", "first"]
    assert names.get_graph_name(plan, "first") == "chain_one__first"
    assert names.get_job_name(plan) == "maml_chain_one_1f6a7b10"
    assert names.get_ledger_key(plan).path == ["chain_one", "ledger"]


def test_a_kernel_named_ledger_moves_the_ledger_aside(write, names, chain):
    text = chain().replace("first", "ledger")
    plan = load_plan(write("a.maml.md", text))
    assert names.get_ledger_key(plan).path != names.get_asset_key(plan, "ledger").path


def test_code_version_follows_code_options_and_inputs_and_nothing_else(write, names, chain):
    def version(text, kernel="second"):
        plan = load_plan(write("a.maml.md", text))
        return names.get_code_version(plan, plan.kernel(kernel))

    base = version(chain())
    assert version(chain().replace("Test.", "Other prose.")) == base
    assert version(chain().replace("value + 100", "value + 101")) == base
    assert version(chain(second='    return {"value": value * 11}')) != base
    assert version(chain(head="defaults: {seed: 3}\n")) != base
    assert version(chain(head="defaults: {timeout: 61}\n")) == base


@pytest.mark.parametrize(
    ("head", "keys"),
    [
        ("partitions: {static: ['0.735', b]}\n", ["0.735", "b"]),
        ("partitions: {daily: '2026-07-01'}\n", ["2026-07-01", "2026-07-02"]),
        ("partitions: {hourly: '2026-07-01-00:00'}\n", ["2026-07-01-00:00", "2026-07-01-01:00"]),
    ],
)
def test_partition_keys_are_as_the_language_writes_them(write, names, head, keys, chain):
    found = names.get_partitions_def(load_plan(write("a.maml.md", chain(head=head))))
    assert list(found.get_partition_keys())[:2] == keys


def test_owner_is_the_origin_as_a_team(plan, names):
    assert names.get_owners(plan, "first") == ["team:lab_ana"]


def test_metadata_points_at_the_line_of_the_kernel_and_its_block(plan, names):
    found = names.get_metadata(plan, plan.kernel("second"))["dagster/code_references"]
    lines = [one.line_number for one in found.code_references]
    text = open(plan.document.path, encoding="utf-8").read().splitlines()  # noqa: SIM115, PTH123
    assert text[lines[0] - 1] == "  second:"
    assert text[lines[1] - 1] == "def run(value):"
