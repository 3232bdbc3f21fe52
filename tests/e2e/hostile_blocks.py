"""Blocks that go for secrets, keys, their own document and other processes, by many routes.

Each returns under `leak` what it got, or fails. `@NAME@` is filled in by the test.
"""

from __future__ import annotations

from tests.e2e.bad_blocks import FRONT, REACH

READING = (
    REACH
    + """def reading(name):
    opened = reach("io", "op" + "en")
    try:
        with opened(name, "rb") as file:
            return file.read(4096).decode("latin-1")
    except OSError as error:
        return error.errno


"""
)

WANTED = '("@SECRET@", "@KEY@", "@DOCUMENT@")'

# Attacks by files: what comes back is the reason for each file, see `hidden` in the test.
FILES = {
    "by_io": READING + f"def run():\n    return {{'leak': [reading(n) for n in {WANTED}]}}",
    "by_ctypes": READING
    + f"""def run():
    ctypes = load("ctypes")
    libc = ctypes.CDLL(None, use_errno=True)
    leak = []
    for name in {WANTED}:
        fd = libc.open(name.encode(), 0)
        text = MODULES["os"].read(fd, 4096).decode("latin-1") if fd >= 0 else ctypes.get_errno()
        leak.append(text)
    return {{"leak": leak}}""",
    "by_loader": READING
    + f"""def run():
    load("importlib.machinery")
    loader = reach("importlib.machinery", "SourceFileLoader")
    leak = []
    for name in {WANTED}:
        try:
            leak.append(loader("x", name).get_data(name).decode("latin-1"))
        except OSError as error:
            leak.append(error.errno)
    return {{"leak": leak}}""",
    "by_numpy": f"""import operator

import numpy


def run():
    leak = []
    for route in ("from" + "file", "mem" + "map", "load" + "txt"):
        for name in {WANTED}:
            try:
                leak.append(str(operator.attrgetter(route)(numpy)(name, dtype="u1")))
            except OSError as error:
                leak.append(error.errno or "not found")
    return {{"leak": leak}}""",
    "by_folders": READING
    + """def run():
    leak = []
    for top in ("@HOME@", "@HOME@/keys", "@HOME@/keys/private", "@HOME@/documents",
                "@PROJECT@/data", "@PROJECT@/tests", "@PROJECT@/.git"):
        try:
            leak.append(MODULES["os"].listdir(top))
        except OSError as error:
            leak.append(error.errno)
    files = ("@PROJECT@/pyproject.toml", "@PROJECT@/README.md")
    return {"leak": [*leak, *(reading(name) for name in files)]}""",
    "by_detours": READING
    + """def run():
    here = "@PROJECT@/chimera_pipelines"
    names = ["/proc/self/root@SECRET@", "/proc/self/cwd@DOCUMENT@", here + "/../pyproject.toml",
             here + "/cli/../../tests/conftest.py", "/proc/self/root@KEY@"]
    return {"leak": [reading(name) for name in names]}""",
}

OTHERS = {
    "links": READING
    + """def run():
    os, made = MODULES["os"], []
    for act in (os.symlink, os.link):
        try:
            act("@KEY@", f"/tmp/{len(made)}")
            made.append(reading(f"/tmp/{len(made)}"))
        except OSError as error:
            made.append(error.errno)
    return {"leak": made}""",
    "memory_of_others": READING
    + """def run():
    os, leak = MODULES["os"], []
    for pid in ("@PARENT@", str(os.getppid()), "1"):
        for name in ("mem", "maps", "environ", "cwd/x", "root@SECRET@", "task/1/environ"):
            text = reading(f"/proc/{pid}/{name}")
            leak += [] if isinstance(text, int) else [text]
    return {"leak": leak}""",
    "own_memory": READING
    + """def run():
    opened = reach("io", "op" + "en")
    with opened("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(id(memory))
        memory.write(b"PWNED")
    return {"leak": "through"}""",
    "frames": REACH
    + """def run():
    gc, seen = load("gc"), []
    frame = operator.attrgetter("_getframe")(statistics.sys)()
    while frame is not None:
        seen.append(repr(frame.f_locals)[:20000])
        frame = frame.f_back
    held = [o for o in gc.get_objects() if isinstance(o, dict) and "CHIMERA_HOME" in o]
    return {"leak": [seen, repr(held), repr(dict(MODULES["os"].environ))]}""",
    "unix_sockets": REACH
    + """def run():
    socket, leak = load("socket"), []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for address in ("\\0@TOKEN@", "@SOCKET@"):
            try:
                sock = socket.socket(socket.AF_UNIX, kind)
                sock.connect(address)
                leak.append("through")
            except OSError as error:
                leak.append(error.errno)
    return {"leak": leak}""",
    "shared_memory": REACH
    + """def run():
    mmap, kept = load("mmap"), []
    while True:
        kept.append(mmap.mmap(-1, 256 << 20))""",
    "attachments": """import numpy


def run():
    return {str(i): numpy.zeros((16384, 16384)) for i in range(8)}""",
    "forged_answer": REACH
    + """def run():
    text = b'{"id": 2, "outcome": "returned", "value": {"x": 1e999}, "attachments": []}'
    for fd in range(3, 64):
        try:
            MODULES["os"].write(fd, b"CHF1" + len(text).to_bytes(4, "big") + bytes(8) + text)
        except OSError:
            pass
    while True:
        pass""",
}


def document(identity: str, marker: str) -> str:
    """All attacks as kernels of one document; `marker` stands in its prose."""
    attacks = FILES | OTHERS
    rows = "".join(f"  {name}: {{timeout: 30}}\n" for name in attacks)
    blocks = "".join(f"```python {{#{name}}}\n{code}\n```\n\n" for name, code in attacks.items())
    front = FRONT.format(id=identity).replace("Bad input.", f"Hostile {marker}.")
    return f"{front}## Dependencies\n```yaml\nkernels:\n{rows}```\n\n## Code_Blocks\n{blocks}"
