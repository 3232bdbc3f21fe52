"""`chimera dev`: `dagster dev` on this project, with DAGSTER_HOME and signals set right."""

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from chimera_pipelines.defs.project import make_folders
from chimera_pipelines.defs.reload import WEBSERVER_VARIABLE
from chimera_pipelines.errors import UsageError

STOP_SECONDS = 30


def project_root(start: Path | None = None) -> Path | None:
    """The nearest folder from here upwards that holds a `dagster.yaml`."""
    here = (start or Path.cwd()).absolute()
    return next((p for p in (here, *here.parents) if (p / "dagster.yaml").is_file()), None)


def dagster_home() -> Path:
    """DAGSTER_HOME: from the environment, else the project's folder; set for this process.

    Raises:
        UsageError: CHIM609, there is neither.
    """
    given = os.environ.get("DAGSTER_HOME")
    home = Path(given).expanduser().absolute() if given else project_root()
    if home is None:
        raise UsageError(
            "CHIM609",
            f"no dagster.yaml in '{Path.cwd()}' or above it, and DAGSTER_HOME is not set",
            hint="run this in the project's folder, or set DAGSTER_HOME",
        )
    if not home.is_dir():
        raise UsageError(
            "CHIM609", f"DAGSTER_HOME '{home}' is no folder", hint="make it, or unset it"
        )
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def command(host: str, port: int) -> list[str]:
    """The `dagster dev` command: the project's workspace.yaml, else our definitions by module."""
    root = project_root()
    workspace = root / "workspace.yaml" if root else None
    source = (
        ["-w", str(workspace)]
        if workspace is not None and workspace.is_file()
        else ["-m", "chimera_pipelines.definitions"]
    )
    return [sys.executable, "-m", "dagster", "dev", *source, "-h", host, "-p", str(port)]


def check_port(host: str, port: int) -> None:
    """Try to listen: Dagster would report a taken port a minute later, in the middle of its log.

    Raises:
        UsageError: CHIM611, nothing can listen there.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = f"port {port} is in use" if taken else f"cannot listen on {host}:{port}: {error}"
        raise UsageError("CHIM611", reason, hint="choose another with --port") from None


def serve(*, host: str = "127.0.0.1", port: int = 3000) -> int:
    """Run `dagster dev` until it ends or this process is interrupted; returns its exit code.

    A script that starts us in the background has made us ignore SIGINT, and Dagster would copy that
    to SIGTERM: so the child begins with both at their defaults, and gets SIGINT when we get either.
    """
    dagster_home()
    check_port(host, port)
    make_folders()
    environment = {**os.environ, WEBSERVER_VARIABLE: f"http://{host}:{port}"}
    child = subprocess.Popen(
        command(host, port),
        env=environment,
        start_new_session=True,
        preexec_fn=_default_signals,  # noqa: PLW1509 - no thread has been started yet
    )

    def stop(*_: object) -> None:
        child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Leave no code server behind, whatever ended the wait."""
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
