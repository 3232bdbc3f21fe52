"""Jobs for the executor's tests, and one function for each (job, executor) to make them again.

`twenty`: four kernels of five trivial phases, side by side. `serial`: four in a row. `assets`: the
product's shape, graph-backed assets with a blocking check. The rest are features to keep.
"""

import os
import time
from pathlib import Path

import dagster as dg

from chimera_pipelines.defs.executor.executor import chimera_head_executor
from chimera_pipelines.defs.ops import HEADS_TAG, TIMEOUT_TAG

MARKS = Path(os.environ.get("EXECUTOR_TEST_MARKS", "/nonexistent"))
SLEEP_S = float(os.environ.get("EXECUTOR_TEST_SLEEP", "0"))
QUANTUM = {HEADS_TAG: "HEAD_1,HEAD_2"}
PHASES = ("deserialize", "embed", "propagate", "measure", "feedback")


def nap():
    end = time.monotonic() + (0 if (MARKS / "fast").exists() else SLEEP_S)
    while time.monotonic() < end:
        time.sleep(0.01)


def _phase(name):
    @dg.op(
        name=name,
        out=dg.Out(int),
        ins={"x": dg.In(int, default_value=0)},
        tags={} if name in {"deserialize", "feedback"} else QUANTUM,
    )
    def run(x: int) -> int:
        nap()
        return x + 1

    return run


OPS = {name: _phase(name) for name in PHASES}


def _kernel(name, *, reads):
    def graph(**given):
        x = OPS["deserialize"](**given)
        for op in list(OPS.values())[1:]:
            x = op(x)
        return x

    return dg.graph(name=name, ins={"x": dg.GraphIn()} if reads else {}, out=dg.GraphOut())(graph)


@dg.graph
def twenty():
    for i in range(4):
        _kernel(f"k{i}", reads=False)()


@dg.graph
def serial():
    x = _kernel("k0", reads=False)()
    for i in range(1, 4):
        x = _kernel(f"k{i}", reads=True)(x)


@dg.op(out=dg.Out(int))
def source() -> int:
    return 0


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=0.1), out=dg.Out(int))
def flaky(x: int) -> int:
    try:
        (MARKS / "flaky").touch(exist_ok=False)
    except FileExistsError:
        return x
    raise RuntimeError("the first attempt fails")


@dg.op(out={"a": dg.Out(int, is_required=False), "b": dg.Out(int, is_required=False)})
def branch(x: int):
    yield dg.Output(1, "a")


@dg.op
def after(x: int) -> int:
    return x


@dg.op(out=dg.DynamicOut(int))
def fan(x: int):
    for i in range(3):
        yield dg.DynamicOutput(i, mapping_key=f"s{i}")


@dg.op(pool="licence")
def pooled(x: int) -> int:
    time.sleep(0.3)
    return x


@dg.op
def gather(xs: list) -> int:
    return sum(xs)


@dg.op
def boom(x: int) -> int:
    raise ValueError("boom")


@dg.op
def long_sleep() -> int:
    for _ in range(600):
        time.sleep(0.1)
    return 1


@dg.op(tags={TIMEOUT_TAG: "0.5"})
def overdue() -> int:
    for _ in range(600):
        time.sleep(0.1)
    return 1


@dg.op(tags={TIMEOUT_TAG: "0.5"})
def overdue_and_deaf() -> int:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            time.sleep(0.1)
        except BaseException:  # noqa: BLE001, S112 - what C code does that never looks
            continue
    return 1


@dg.op(tags={HEADS_TAG: "HEAD_1"})
def holds_head_1() -> int:
    while not (MARKS / "let_go").exists():
        time.sleep(0.05)
    return 1


@dg.graph
def occupied():
    holds_head_1()


@dg.op(tags={HEADS_TAG: "HEAD_1"})
def wants_head_1() -> int:
    return 1


@dg.graph
def wanting():
    wants_head_1()


@dg.op(tags=QUANTUM, retry_policy=dg.RetryPolicy(max_retries=1), out=dg.Out(str))
def fails_on_its_first_head(context) -> str:
    if context.retry_number == 0:
        raise RuntimeError("the first attempt fails")
    return ""


@dg.graph
def retried():
    fails_on_its_first_head()


@dg.op(tags={HEADS_TAG: "HEAD_9"})
def nowhere() -> int:
    return 1


@dg.graph
def retry_and_skip():  # all in one kernel, so that all of it could be one chain
    a, b = branch(flaky(after.alias("start")(source())))
    after.alias("taken")(a)
    after.alias("skipped")(b)


@dg.graph
def features():
    retry_and_skip()
    gather(fan(source.alias("s2")()).map(pooled).collect())


@dg.graph
def failing():
    after.alias("never")(boom(source()))


@dg.op
def both(x: int, y: int) -> int:
    return x + y


@dg.graph
def half_yielded():
    a, b = branch(source())
    after.alias("taken")(a)
    both(after(source.alias("s2")()), b)


@dg.graph
def half():
    half_yielded()


@dg.graph
def two_failing():
    failing()


@dg.graph
def sleeping():
    long_sleep()


@dg.graph
def two_sleeping():
    sleeping.alias("s0")()
    sleeping.alias("s1")()


@dg.graph
def late():
    overdue()
    source()


@dg.graph
def late_and_deaf():
    overdue_and_deaf()


@dg.graph
def homeless():
    after(nowhere())
    source()


@dg.graph
def in_a_pool():
    pooled(source())


def _read_document(arity):
    @dg.op(name=f"deserialize_{arity}", ins={f"up{i}": dg.In() for i in range(arity)})
    def run(context, **upstream) -> dict:
        return {"asset": context.asset_key.to_user_string(), "x": float(len(upstream))}

    return run


FIRST = {n: _read_document(n) for n in range(3)}


def _middle(name):
    @dg.op(name=name, tags=QUANTUM)
    def run(x: dict) -> dict:
        nap()
        return x

    return run


MIDDLE = [_middle(name) for name in PHASES[1:4]]


@dg.op(name="feedback", out={"result": dg.Out(dict), "check": dg.Out()})
def feedback_op(context, x: dict):
    key = context.asset_key_for_output("result")
    yield dg.Output({**x, "fidelity": 0.99}, "result")
    forged = (MARKS / f"forge_{key.path[-1]}").exists()
    yield dg.AssetCheckResult(check_name="ticket_valid", asset_key=key, passed=not forged)


def _asset(name, upstream):
    key = dg.AssetKey(["doc", name])
    check = f"doc__{name}_ticket_valid"

    def compose(**inputs):
        values = {f"up{i}": x for i, x in enumerate(inputs.values())}
        x = FIRST[len(inputs)].alias("deserialize")(**values)
        for op in MIDDLE:
            x = op(x)
        result, passed = feedback_op(x)
        return {"result": result, check: passed}

    graph = dg.graph(
        name=f"doc__{name}",
        ins={u: dg.GraphIn() for u in upstream},
        out={"result": dg.GraphOut(), check: dg.GraphOut()},
    )
    return dg.AssetsDefinition.from_graph(
        graph(compose),
        keys_by_input_name={u: dg.AssetKey(["doc", u]) for u in upstream},
        keys_by_output_name={"result": key},
        check_specs=[dg.AssetCheckSpec("ticket_valid", asset=key, blocking=True)],
    )


def _assets(executor):
    kernels = {"a": [], "b": [], "join": ["a", "b"], "end": ["join"]}
    made = [_asset(name, upstream) for name, upstream in kernels.items()]
    job = dg.define_asset_job(
        "doc", selection=dg.AssetSelection.assets(*made), executor_def=executor
    )
    return dg.Definitions(assets=made, jobs=[job]).resolve_job_def("doc")


EXECUTORS = {
    "steps": lambda: chimera_head_executor.configured({"chain": False}, name="steps"),
    "chains": lambda: chimera_head_executor,
    "in_process": lambda: dg.in_process_executor,
    "multiprocess": lambda: dg.multiprocess_executor,
}


def build(job, executor):
    made = EXECUTORS[executor]()
    if job == "assets":
        return _assets(made)
    return globals()[job].to_job(name=job, executor_def=made)


def reconstructable(job, executor="chains"):
    return dg.build_reconstructable_job("tests.defs.executor.jobs", "build", (job, executor))
