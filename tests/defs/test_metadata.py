import base64
from dataclasses import replace

import dagster as dg

from chimera_pipelines.defs.metadata import outcome_metadata, timeline_metadata
from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.scheduling.plan import load_plan

OUTCOME = Outcome(
    kernel="first",
    status="ok",
    attempts=1,
    head="HEAD_1",
    device="cpu",
    incarnation=1,
    tier="landlock",
    input_digest="sha256:1",
    output_digest="sha256:2",
    output={"energy": -1.5, "flag": True, "list": [1]},
    cuda_ns=None,
    seconds={"embed": 0.5, "measure": 0.25},
    series={"energy": [-1.0, -1.5], "step": [1.0]},
    ticket={"seq": 3, "key": "k", "timestamp": "t", "root": "r", "signature_digest": "s"},
    checkpoint={
        "id": "sha256:3",
        "bytes": 4,
        "shares": 4,
        "heads": ["HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4"],
    },
    drawing={"counts": {"00": 3, "11": 5}},
)


def _shown(write, chain, outcome=OUTCOME):
    return outcome_metadata(load_plan(write("a.maml.md", chain())), outcome)


def test_ticket_and_checkpoint_are_shown(write, chain):
    shown = _shown(write, chain)
    assert (shown["ticket"], shown["ticket/key"], shown["ticket/root"]) == (3, "k", "r")
    assert (shown["checkpoint"], shown["checkpoint/shares"]) == ("sha256:3", 4)
    assert shown["checkpoint/where"] == "HEAD_1, HEAD_2, HEAD_3, HEAD_4"
    assert "checkpoint" not in _shown(write, chain, replace(OUTCOME, checkpoint=None))


def test_numbers_are_plotted_and_flags_are_not(write, chain):
    shown = _shown(write, chain)
    assert shown["output/energy"] == -1.5
    assert "output/flag" not in shown
    assert shown["seconds"] == 0.75
    assert shown["series/energy"] == -1.5
    rows = [record.data for record in shown["series"].records]
    assert rows == [
        {"pass": 1, "energy": -1.0, "step": 1.0},
        {"pass": 2, "energy": -1.5, "step": None},
    ]


def test_pictures_are_png_in_markdown(write, chain):
    picture = _shown(write, chain)["plot/counts"]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    data = picture.value.partition("base64,")[2].removesuffix(")")
    assert base64.b64decode(data).startswith(b"\x89PNG")


def test_a_missing_cuda_time_is_left_out(write, chain):
    assert "cuda_ns" not in _shown(write, chain)
    assert _shown(write, chain, replace(OUTCOME, cuda_ns=12))["cuda_ns"] == 12


def test_a_regeneration_shows_its_stages_and_a_picture_in_its_place():
    timeline = Timeline(
        "HEAD_1", 1, 2, "killed by SIGKILL", {Stage.DETECT: 0.03, Stage.RESUME: 0.01}
    )
    shown = timeline_metadata(timeline)
    assert shown["seconds"] == 0.04
    assert (shown["seconds/detect"], shown["seconds/resume"]) == (0.03, 0.01)
    assert isinstance(shown["timeline"], dg.MarkdownMetadataValue)
    assert len(shown["timeline"].md_str) < 1000


def test_a_measured_phase_says_which_engine_and_why():
    from chimera_pipelines.defs.metadata import engine_metadata

    chosen = {"engine": "qsim", "method": "statevector", "reason": "it fits", "bytes": 8}
    payload = {"measurements": {"engines": [chosen, {**chosen, "reason": "asked for"}]}}
    assert engine_metadata(payload) == {
        "engine": "qsim statevector",
        "engine_reason": "it fits; asked for",
    }
    assert engine_metadata({}) == {}
