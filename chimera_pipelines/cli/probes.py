"""What `chimera doctor` looks at. Each probe returns its checks; one that breaks is a failed check.

Probes ask files, drivers and package metadata; none imports Aer, torch or Dagster, so that doctor
answers at once, and also where one of these cannot be imported.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.settings import HOME_HINT, Settings, settings

_PYTHON = ((3, 11), (3, 14))
_LOW_DISK = 1024**3

# evidence/security.md §3: what a tier is worth, in words that promise no more.
_HEAD_KEY_TIERS = {
    "file": "Head keys: file, mode 0600, on this disk. Anyone who can read this account's files "
    "has the keys. This is not an HSM.",
    "scrypt": "Head keys: file, sealed with a passphrase (scrypt), on this disk; in memory during "
    "a run. This is not an HSM.",
}
_KEY_TIERS = {
    "file": "Keys: file, mode 0600, on this disk. Anyone who can read this account's files has "
    "the keys. This is not an HSM.",
    "scrypt": "Keys: file, sealed with a passphrase (scrypt), on this disk. Anyone who can read "
    "this account's files and the passphrase has the keys. This is not an HSM.",
    "absent": "A private key is missing.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of doctor. `fail` means that runs here will not work."""

    name: str
    status: Literal["ok", "warn", "fail"]
    value: str
    detail: str = ""
    hint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The `checks[]` object of `chimera.doctor/1`."""
        return {
            "name": self.name,
            "status": self.status,
            "value": self.value,
            "detail": self.detail,
            "hint": self.hint,
        }


def checks() -> list[Check]:
    """Every check, in the order in which they are shown.

    Raises:
        SettingsError: a `CHIMERA_*` variable cannot be used, so nothing else can be judged.
    """
    now = settings()
    return [check for name, probe in PROBES.items() for check in _guarded(name, probe, now)]


def _guarded(name: str, probe: Probe, now: Settings) -> Iterator[Check]:
    try:
        yield from probe(now)
    except ChimeraError as error:
        yield Check(name, "fail", error.code, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a probe that breaks is a finding, not the end
        yield Check(name, "fail", type(error).__name__, str(error), "run again with -vv; report it")


def _python(_: Settings) -> Iterator[Check]:
    version = platform.python_version()
    low, high = _PYTHON
    good = low <= tuple(map(int, platform.python_version_tuple()[:2])) < high
    hint = None if good else f"use Python {low[0]}.{low[1]} to {high[0]}.{high[1] - 1}"
    yield Check("python", "ok" if good else "fail", version, platform.python_implementation(), hint)


def _cpu(_: Settings) -> Iterator[Check]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check("cpu", "ok", f"{usable} cores", platform.machine())


def _cuda(now: Settings) -> Iterator[Check]:
    """Asks the driver: Aer and torch only know what they were built for."""
    wanted = now.device == "gpu"
    devices, detail = cuda_devices()
    if devices:
        yield Check("cuda", "ok", f"{len(devices)} devices", ", ".join(devices))
        return
    hint = "heads run on cpu"
    if wanted:
        hint = "CHIMERA_DEVICE=gpu needs an NVIDIA driver and a visible device; unset it for cpu"
    yield Check("cuda", "fail" if wanted else "ok", "no device", detail, hint)


def cuda_devices() -> tuple[list[str], str]:
    """Names of the CUDA devices that the driver shows, and why there are none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return [], "no NVIDIA driver (libcuda.so.1)"
    code = driver.cuInit(0)
    if code != 0:
        return [], f"cuInit returns {code}"
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for index in range(count.value):
        device = ctypes.c_int()
        driver.cuDeviceGet(ctypes.byref(device), index)
        name = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
    return names, "the driver shows no device"


def _aer(now: Settings) -> Iterator[Check]:
    found = {name: _version(name) for name in ("qiskit-aer", "qiskit-aer-gpu")}
    there = {name: version for name, version in found.items() if version}
    if len(there) == 2:  # noqa: PLR2004 - one import package in two distributions
        hint = "pip uninstall qiskit-aer qiskit-aer-gpu, then install one of the extras cpu, gpu"
        yield Check(
            "aer", "fail", "both", "qiskit-aer and qiskit-aer-gpu overwrite each other", hint
        )
    elif not there:
        yield Check("aer", "fail", "absent", "", "pip install 'chimera-pipelines[cpu]'")
    else:
        name, version = next(iter(there.items()))
        if now.device == "gpu" and name == "qiskit-aer":
            hint = "pip uninstall qiskit-aer, then pip install 'chimera-pipelines[gpu]'"
            yield Check("aer", "fail", f"{name} {version}", "built for cpu", hint)
        else:
            yield Check("aer", "ok", f"{name} {version}", f"qiskit {_version('qiskit')}")


def _torch(now: Settings) -> Iterator[Check]:
    version = _version("torch")
    if version is None:
        yield Check("torch", "fail", "absent", "", "pip install chimera-pipelines")
        return
    cpu_only = version.endswith("+cpu")
    bad = cpu_only and now.device == "gpu"
    hint = "install a CUDA build of torch" if bad else None
    detail = "built for cpu" if cpu_only else ""
    yield Check("torch", "fail" if bad else "ok", version, detail, hint)


def _sandbox(now: Settings) -> Iterator[Check]:
    from chimera_pipelines.sandbox import tiers

    reports = tiers.probe()
    try:
        tier = tiers.choose(now.sandbox, trusted=False)
    except ChimeraError as error:
        yield Check("sandbox", "fail", "none", error.message, error.hint)
    else:
        weak = tier is tiers.Tier.PROCESS
        hint = "unset CHIMERA_SANDBOX: tier process does not contain hostile code" if weak else None
        yield Check("sandbox", "warn" if weak else "ok", str(tier), f"setting {now.sandbox}", hint)
    for report in reports:
        hint = report.hint
        if str(report.tier) == "bubblewrap" and shutil.which("bwrap") is None:
            hint = "apt install bubblewrap"
        status: Literal["ok", "warn"] = "ok" if report.works else "warn"
        value = "works" if report.works else "does not work"
        yield Check(f"sandbox.{report.tier}", status, value, report.detail, hint)


def _signatures(now: Settings) -> Iterator[Check]:
    from chimera_pipelines.tickets import providers

    provider = providers.choose(now.signature_provider)
    yield Check("signatures", "ok", f"ML-DSA-65 by {provider.name}", provider.detail)


def _keys(now: Settings) -> Iterator[Check]:
    from chimera_pipelines.cli import evidence

    where = now.root / "keys"
    found = evidence.key_store(now).list()
    if not found:
        yield Check("keys", "ok", f"none yet in {where}", "made by the first run or keys init")
        return
    tiers = {info.protection for info in found if info.active}
    detail = " ".join(_KEY_TIERS[tier] for tier in sorted(tiers))
    lost = "absent" in tiers
    hint = "restore the folder private/, or rotate these keys" if lost else None
    yield Check("keys", "fail" if lost else "ok", f"{len(found)} keys in {where}", detail, hint)


def _head_keys(now: Settings) -> Iterator[Check]:
    from chimera_pipelines.tickets.head_keys import HeadKeyStore

    store = HeadKeyStore(now.root / "keys", passphrase_file=now.key_passphrase_file)
    found = store.protections()
    if not found:
        yield Check(
            "head_keys", "ok", f"none yet in {store.folder}", "made when something is sealed"
        )
        return
    detail = " ".join(_HEAD_KEY_TIERS[tier] for tier in sorted(set(found.values())))
    yield Check("head_keys", "ok", f"{len(found)} 512-bit keys in {store.folder}", detail)


def _ledger(now: Settings) -> Iterator[Check]:
    from sqlalchemy.engine import make_url

    from chimera_pipelines.ledger.ledger import Ledger

    url = make_url(now.ledger)
    shown = url.render_as_string(hide_password=True)
    if url.drivername.startswith("sqlite") and not Path(str(url.database)).exists():
        yield Check("ledger", "ok", shown, "made by the first run")
        return
    ledger = Ledger(now.ledger)
    try:
        rows = ledger.verify_chain()
        yield Check("ledger", "ok", shown, f"{rows} rows, their chain is whole")
    finally:
        ledger.close()


def _storage(now: Settings) -> Iterator[Check]:
    there = now.root
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    detail = f"{free / 1024**3:.1f} GiB free"
    if not os.access(there, os.W_OK | os.X_OK):
        yield Check("storage", "fail", str(now.root), f"'{there}' is not writable", HOME_HINT)
    elif free < _LOW_DISK:
        yield Check("storage", "warn", str(now.root), detail, "make room on this disk")
    else:
        yield Check("storage", "ok", str(now.root), detail)


def _dagster(_: Settings) -> Iterator[Check]:
    names = ("dagster", "dagster-webserver", "dagster-graphql", "dagster-pipes")
    found = {name: _version(name) for name in names}
    versions = {version for version in found.values() if version}
    value = found["dagster"] or "absent"
    if found["dagster"] is None:
        yield Check("dagster", "fail", value, "", "pip install chimera-pipelines")
    elif len(versions) > 1:
        detail = ", ".join(f"{name} {version}" for name, version in found.items() if version)
        yield Check("dagster", "fail", value, detail, "install the same version of all of them")
    else:
        yield Check("dagster", "ok", value, "all of its packages agree")


def _identity(now: Settings) -> Iterator[Check]:
    yield Check("identity", "ok", now.principal, f"served by {now.gateway}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


Probe = Callable[[Settings], Iterator[Check]]
PROBES: dict[str, Probe] = {
    "python": _python,
    "cpu": _cpu,
    "cuda": _cuda,
    "aer": _aer,
    "torch": _torch,
    "sandbox": _sandbox,
    "signatures": _signatures,
    "keys": _keys,
    "head_keys": _head_keys,
    "ledger": _ledger,
    "storage": _storage,
    "dagster": _dagster,
    "identity": _identity,
}
