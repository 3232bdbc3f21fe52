"""The folder of an agent: its lock, what it publishes, and whose it is.

`lock` is held by the agent for life, so that a state file without it is what a dead agent left.
`incarnations.json` goes on across agents: a number names one process of a head for ever, and one
that finds a newer number there is fenced. Folder and files belong to one user alone; others are
refused, since the state file holds the secret that opens every head.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chimera_pipelines.errors import HeadUnavailableError, UsageError, Where
from chimera_pipelines.heads.performer import INCARNATIONS
from chimera_pipelines.heads.proc import alive, look
from chimera_pipelines.heads.state import State

LOCK_S = 1.0
LOG_BYTES = 16 * 1024 * 1024
_STATE = "state.json"
_LOCK = "lock"


class HeadsDirectory:
    """An agent's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log(self) -> Path:
        """What the agent and its heads print."""
        return self.path / "agent.log"

    def tend_log(self) -> None:
        """Begin the log anew when it is long; one older part is kept.

        It is copied and emptied, not renamed: agent and heads have it open to add to it.
        """
        with suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.old"))
                os.truncate(self.log, 0)

    def ensure(self) -> None:
        """Make the folder, for our user alone.

        Raises:
            UsageError: CHIM711, it belongs to another user or others may enter it.
            OSError: it cannot be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        self.check()

    def check(self) -> None:
        """See that the folder is ours alone.

        Raises:
            UsageError: CHIM711.
            FileNotFoundError: there is none.
        """
        _private(self.path, self.path.lstat(), folder=True)

    def lock(self) -> int:
        """Become the agent of this folder; the handle of the lock, to be kept for life.

        Raises:
            HeadUnavailableError: CHIM710, another agent lives here.
        """
        handle = _open_lock(self.path / _LOCK, os.O_CREAT)
        until = time.monotonic() + LOCK_S  # who looks whether it is held holds it for a moment
        while not _try_lock(handle, fcntl.LOCK_EX):
            if time.monotonic() > until:
                os.close(handle)
                raise HeadUnavailableError(
                    "CHIM710",
                    f"another agent runs in '{self.path}'",
                    hint="'chimera heads status' shows it, 'chimera heads down' ends it",
                )
            time.sleep(0.01)
        mine = look(os.getpid())
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps([os.getpid(), mine.created if mine else 0]).encode(), 0)
        return handle

    def exists(self) -> bool:
        """Whether there is a folder, and it is ours.

        Raises:
            UsageError: CHIM711, it is not.
        """
        try:
            self.check()
        except FileNotFoundError:
            return False
        return True

    def holder(self) -> tuple[int, int] | None:
        """Pid and start of the agent that took the lock last."""
        try:
            pid, created = json.loads((self.path / _LOCK).read_bytes())
            return int(pid), int(created)
        except (OSError, ValueError, TypeError):
            return None

    def held(self) -> bool:
        """Whether an agent lives here, answering or not."""
        try:
            handle = _open_lock(self.path / _LOCK, 0)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)

    def publish(self, state: State) -> None:
        """Replace the state file; whoever reads it sees the old one or the new one."""
        self._write(_STATE, state.as_json(secret=True))

    def read(self) -> State | None:
        """What the agent that lives here publishes; None when none does, or it is starting.

        Raises:
            UsageError: CHIM711, the folder or the file belongs to another user; CHIM717, the file
                is no state.
            HeadUnavailableError: CHIM712, the agent speaks another version of the protocol.
        """
        path = self.path / _STATE
        try:
            self.check()
            if not self.held():
                return None
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _foreign(path, "is a link") from None
            raise
        with open(handle, "rb") as file:  # noqa: PTH123 - of a handle
            _private(path, os.fstat(handle), folder=False)
            text = file.read()
        try:
            value = json.loads(text)
        except ValueError as error:
            raise _unreadable(path, str(error)) from None
        try:
            state = State.from_json(value)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from None
        # Who has just taken the lock of a dead agent has not yet removed what that one left.
        return state if alive(state.pid, state.created) else None

    def next_incarnation(self, head: str) -> int:
        """Count a new incarnation; from now on every older one finds itself fenced."""
        numbers = self.incarnations()
        numbers[head] = numbers.get(head, 0) + 1
        self._write(INCARNATIONS, numbers)
        return numbers[head]

    def note_incarnation(self, head: str, number: int) -> None:
        """Remember an incarnation that was counted elsewhere."""
        numbers = self.incarnations()
        if number > numbers.get(head, 0):
            self._write(INCARNATIONS, {**numbers, head: number})

    def incarnations(self) -> dict[str, int]:
        """The newest incarnation of each head that ever ran here."""
        try:
            found = json.loads((self.path / INCARNATIONS).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {str(head): number for head, number in found.items() if isinstance(number, int)}

    def clean(self) -> None:
        """Remove what a dead agent left: state and sockets. Call with the lock held."""
        with suppress(FileNotFoundError):
            (self.path / _STATE).unlink()
        for path in [*self.path.glob("*.sock"), *self.path.glob("*.new")]:
            with suppress(FileNotFoundError):
                path.unlink()

    def _write(self, name: str, value: Mapping[str, object]) -> None:
        temporary = self.path / f"{name}.{secrets.token_hex(4)}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
                json.dump(value, file)
            temporary.replace(self.path / name)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise


def _open_lock(path: Path, more: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | more, 0o600)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR}:
            raise _foreign(path, "is no file") from None
        raise


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True


def _private(path: Path, found: os.stat_result, *, folder: bool) -> None:
    if stat.S_ISDIR(found.st_mode) is not folder:
        raise _foreign(path, "is no folder" if folder else "is no file")
    if found.st_uid != os.geteuid():
        raise _foreign(path, f"belongs to user {found.st_uid}, not to {os.geteuid()}")
    if found.st_mode & 0o077:
        raise _foreign(path, f"has mode {stat.S_IMODE(found.st_mode):04o}: others may use it")


def _foreign(path: Path, what: str) -> UsageError:
    return UsageError(
        "CHIM711",
        f"'{path}' {what}",
        where=Where(str(path)),
        hint="remove it, or set CHIMERA_HOME to a folder of your own",
    )


def _unreadable(path: Path, what: str) -> UsageError:
    return UsageError(
        "CHIM717",
        f"'{path}' is no state of an agent: {what}",
        where=Where(str(path)),
        hint="run 'chimera heads down', then 'chimera heads up'",
    )
