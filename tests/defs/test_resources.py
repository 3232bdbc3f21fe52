import re

import dagster as dg

from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.resources import RUN_TAG, chimera_run_id


@dg.op
def nothing():
    pass


@dg.job
def small():
    nothing()


def test_a_run_has_one_ulid_in_every_process_and_its_own_when_tried_again(instance):
    first = small.execute_in_process(instance=instance).run_id
    found = chimera_run_id(instance, first)
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", found)
    assert chimera_run_id(instance, first) == found
    assert instance.get_run_by_id(first).tags[RUN_TAG] == found

    again = small.execute_in_process(instance=instance, tags={RUN_TAG: found}).run_id
    other = chimera_run_id(instance, again)
    assert other > found
    assert instance.get_run_by_id(again).tags[RUN_TAG] == other


def test_run_inputs_stand_in_the_launchpad_with_their_defaults(write, chain):
    write("a.maml.md", chain())
    job = build_definitions().resolve_job_def("maml_a_1f6a7b10")
    config = job.partitioned_config or job.run_config
    assert config == {"resources": {"chimera": {"config": {"inputs": {"start": 1}}}}}
