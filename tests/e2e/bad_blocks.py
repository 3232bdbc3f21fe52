"""Blocks that go wrong in every way of the issue's list, as kernels of one document.

`# HERE` marks the line that the error names; without it that is the block's first line.
"""

from __future__ import annotations

from dataclasses import dataclass

FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:{id}
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
permissions: {{execute: ["gateway://local/default"]}}
---
## Intent
Bad input.

"""

# Past the linter on purpose: the boundary is the sandbox.
REACH = """import operator
import statistics

MODULES = statistics.sys.modules


def reach(module, name):
    return operator.attrgetter(name)(MODULES[module])


def load(name):
    return reach("builtins", "__imp" + "ort__")(name)


"""

JSON_HINT = "return one object of JSON values; NaN, sets and objects of classes are none"
CRASH_HINT = "the block, or a library that it calls, crashed the interpreter"
PLAIN = FRONT.format(id="0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b78") + (
    "## Code_Blocks\n```python {#k}\ndef run():\n    return {'x': 1}\n```\n"
)


@dataclass(frozen=True)
class Bad:
    """One kernel: its code, and the error that it must end with."""

    name: str
    code: str
    error: str
    message: str
    hint: str | None = None
    timeout: int = 60


BLOCKS = (
    Bad(
        "segfault",
        REACH + 'def run():\n    load("ctypes").string_at(0)  # HERE',
        "MAML903",
        "the sandbox process ended: SIGSEGV",
        CRASH_HINT,
    ),
    Bad(
        "c_stack",
        "def run():\n    x = ()\n    for _ in range(1000000):\n        x = (x,)\n"
        '    return {"x": hash(x)}  # HERE',
        "MAML903",
        "the sandbox process ended: SIGSEGV",
        CRASH_HINT,
    ),
    Bad(
        "recursion",
        "def run():\n    def down(n):\n        return down(n + 1)  # HERE\n"
        '    return {"x": down(0)}',
        "MAML901",
        "RecursionError: maximum recursion depth exceeded",
    ),
    Bad(
        "forks",
        REACH + 'def run():\n    while True:\n        MODULES["os"].fork()',
        "MAML902",
        "limit of 32 threads and no further process",
        "blocks may not start processes",
    ),
    Bad(
        "threads",
        REACH + "def run():\n    while True:\n"
        '        MODULES["_thread"].start_new_thread(MODULES["time"].sleep, (100,))',
        "MAML902",
        "limit of 32 threads and no further process",
        "blocks may not start processes",
    ),
    Bad(
        "sleeps",
        "import time\n\n\ndef run():\n    time.sleep(100000)\n    return {}",
        "MAML902",
        "timeout of 6 s",
        "raise the kernel's timeout",
        timeout=6,
    ),
    Bad(
        "backtracks",
        'import re\n\n\ndef run():\n    return {"x": bool(re.match("(a+)+$", "a" * 50 + "b"))}',
        "MAML902",
        "timeout of 6 s",
        "raise the kernel's timeout",
        timeout=6,
    ),
    Bad(
        "prints",
        'def run():\n    for _ in range(1024):\n        print("x" * (1 << 20))\n    return {}',
        "MAML902",
        "output limit of 1 MiB",
        "print less",
    ),
    Bad(
        "allocates",
        'def run():\n    return {"x": len(bytearray(100 * 10**9))}',
        "MAML902",
        "memory limit of 1 GiB",
        "work on smaller pieces, or set CHIMERA_MEMORY_BYTES",
    ),
    Bad(
        "hoards",
        "def run():\n    kept = []\n    while True:\n        kept.append(bytearray(64 << 20))",
        "MAML902",
        "memory limit of 1 GiB",
        "work on smaller pieces, or set CHIMERA_MEMORY_BYTES",
    ),
    Bad(
        "exits",
        REACH + 'def run():\n    reach("os", "_exit")(0)',
        "MAML903",
        "the sandbox process ended: exit code 0 without an answer",
        "the block must return; it may not end its process",
    ),
    Bad(
        "nan",
        'def run():\n    return {"x": [1.0, float("nan")]}',
        "MAML904",
        "nan is not a JSON number at $.x[1]",
        JSON_HINT,
    ),
    Bad("system_exit", "def run():\n    raise SystemExit(0)  # HERE", "MAML901", "SystemExit: 0"),
    Bad(
        "interrupt",
        "def run():\n    raise KeyboardInterrupt  # HERE",
        "MAML901",
        "KeyboardInterrupt",
    ),
    Bad(
        "closes",
        REACH + 'def run():\n    MODULES["os"].closerange(0, 256)\n    return {"x": 1}',
        "MAML903",
        "the sandbox process ended: exit code ",
        "the block must return; it may not end its process",
    ),
    Bad(
        "scribbles",
        REACH + "def run():\n    for fd in range(3, 256):\n        try:\n"
        '            MODULES["os"].write(fd, b"\\xff\\x00garbage" * 100)\n'
        '        except OSError:\n            pass\n    return {"x": 1}',
        "MAML903",
        "the sandbox process ended: malformed answer",
        "the block must return; what it writes itself is no answer",
    ),
    Bad(
        "nests",
        "def run():\n    x = []\n    for _ in range(1000000):\n        x = [x]\n"
        '    return {"x": x}',
        "MAML904",
        "more than 64 levels at $.x[0][0]",
        JSON_HINT,
    ),
    Bad(
        "huge_text",
        'def run():\n    return {"x": "a" * (100 << 20)}',
        "MAML904",
        "104857651 bytes of JSON; at most 16777216 are allowed at $",
        JSON_HINT,
    ),
    Bad(
        "huge_integer",
        'def run():\n    return {"x": 10**100000}',
        "MAML904",
        "integer of 332193 bits is beyond ±(2^53−1) at $.x",
        JSON_HINT,
    ),
    Bad(
        "surrogate",
        'def run():\n    return {"x": "\\ud800"}',
        "MAML904",
        "lone surrogate at $.x",
        JSON_HINT,
    ),
    Bad(
        "odd_message",
        'def run():\n    raise ValueError("\\ud800 MAML905")  # HERE',
        "MAML901",
        "ValueError: \\ud800 MAML905",
    ),
    Bad(
        "kills",
        REACH + 'def run():\n    os = MODULES["os"]\n    os.kill(os.getppid(), 9)  # HERE',
        "MAML901",
        "PermissionError: [Errno 1] Operation not permitted",
    ),
    Bad(
        "unhinges",
        REACH + "def run():\n    os = MODULES['os']\n    os.read = os.write = None\n"
        "    return {'x': 1}",
        "MAML903",
        "the sandbox process ended: exit code 1 without an answer",
        "the block must return; it may not end its process",
    ),
    Bad("nothing", "def run():\n    pass", "MAML904", "'nothing' returned nothing", JSON_HINT),
    Bad(
        "pair", 'def run():\n    return [{"x": 1}]', "MAML904", "'pair' returned a list", JSON_HINT
    ),
)


def document(identity: str) -> str:
    """All of them as kernels that do not hang on each other, and one that is sound."""
    rows = "".join(f"  {bad.name}: {{timeout: {bad.timeout}}}\n" for bad in BLOCKS)
    blocks = "".join(f"```python {{#{bad.name}}}\n{bad.code}\n```\n\n" for bad in BLOCKS)
    sound = "```python {#sound}\ndef run():\n    return {'x': 1}\n```\n"
    return (
        f"{FRONT.format(id=identity)}## Dependencies\n```yaml\nkernels:\n{rows}  sound:\n```\n\n"
        f"## Code_Blocks\n{blocks}{sound}"
    )


def lines(text: str, bad: Bad) -> tuple[int, ...]:
    """Where the error may stand: the marked line, else the block's first or the kernel's."""
    found = text.split("\n")
    first = found.index(f"```python {{#{bad.name}}}") + 2
    if "# HERE" in bad.code:
        return (next(n for n in range(first, len(found)) if "# HERE" in found[n - 1]),)
    kernel = next(n for n, line in enumerate(found, 1) if line.startswith(f"  {bad.name}:"))
    return (first, kernel) if bad.message.startswith("timeout") else (first,)
