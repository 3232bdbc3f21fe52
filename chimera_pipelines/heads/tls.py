"""Mutual TLS between heads and their clients on several machines.

TLS 1.3 alone. Both sides present certificates of one private authority, and each looks in the
other's for a URI: a client wants `head://local/default/HEAD_2` of the head that it calls, a head
wants `gateway://local/default` of whoever calls it. Host names prove nothing here, because a head
may come back on another machine, so they are not looked at. `certificates.py` makes the files.

The secret of the state file is asked for as well: a certificate lets a machine take part, the
secret lets a process of this very cluster do so.
"""

from __future__ import annotations

import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from chimera_pipelines.errors import HeadUnavailableError, SettingsError, Where
from chimera_pipelines.heads.secure_socket import ACCEPTED, PlaintextError, SecureSocket

_NOT_YET, _EXPIRED = 9, 10
_MAKE = "'chimera heads certificates init DIR' makes them"
# What OpenSSL calls a peer's alert, or its own finding, and what it means to a reader.
_REASONS = (
    ("CERTIFICATE_EXPIRED", "CHIM752", "says that our certificate has expired"),
    ("CERTIFICATE_REQUIRED", "CHIM753", "wants a certificate and got none"),
    ("DID_NOT_RETURN_A_CERTIFICATE", "CHIM753", "shows no certificate"),
    ("UNKNOWN_CA", "CHIM751", "does not trust the authority of our certificate"),
    ("BAD_CERTIFICATE", "CHIM751", "refuses our certificate"),
    ("CERTIFICATE_UNKNOWN", "CHIM751", "refuses our certificate"),
    ("WRONG_VERSION_NUMBER", "CHIM754", "does not speak tls 1.3"),
    ("PROTOCOL_VERSION", "CHIM754", "does not speak tls 1.3"),
    ("UNSUPPORTED_PROTOCOL", "CHIM754", "does not speak tls 1.3"),
)
_HINTS = {
    "CHIM751": "use certificates of one authority on all machines",
    "CHIM752": "make a new certificate, and look at both machines' clocks",
    "CHIM753": "set CHIMERA_TLS_CERTIFICATE and CHIMERA_TLS_KEY there",
    "CHIM754": "heads on tcp addresses speak tls; see docs/cluster.md",
    "CHIM755": "make a certificate for the gateway and heads of this CHIMERA_GATEWAY",
}


class TlsSettings(Protocol):
    """The part of the settings that this module reads."""

    @property
    def gateway(self) -> str: ...  # noqa: D102
    @property
    def tls_certificate(self) -> Path | None: ...  # noqa: D102
    @property
    def tls_key(self) -> Path | None: ...  # noqa: D102
    @property
    def tls_authority(self) -> Path | None: ...  # noqa: D102


class PeerRefusedError(HeadUnavailableError):
    """A connection between machines that one side refuses: CHIM751 to CHIM755."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where this machine's certificate, its private key, and the authority's certificate lie."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of(cls, settings: TlsSettings) -> Self | None:
        """The files that settings name; None when they name none.

        Raises:
            SettingsError: CHIM750, they name one or two of the three.
        """
        given = {
            "CHIMERA_TLS_CERTIFICATE": settings.tls_certificate,
            "CHIMERA_TLS_KEY": settings.tls_key,
            "CHIMERA_TLS_AUTHORITY": settings.tls_authority,
        }
        paths = [path.expanduser().absolute() for path in given.values() if path is not None]
        if not paths:
            return None
        if len(paths) < len(given):
            missing = next(name for name, path in given.items() if path is None)
            raise SettingsError("CHIM750", f"{missing} is not set, the others are", hint=_MAKE)
        return cls(*paths)

    @classmethod
    def wanted(cls, settings: TlsSettings) -> Self:
        """The files that settings name, where heads cannot do without.

        Raises:
            SettingsError: CHIM750, they do not name all three.
        """
        found = cls.of(settings)
        if found is None:
            raise SettingsError("CHIM750", "CHIMERA_TLS_CERTIFICATE is not set", hint=_MAKE)
        return found

    def context(self, *, server_side: bool) -> ssl.SSLContext:
        """A context of one side that speaks TLS 1.3 and asks the other side for a certificate.

        Raises:
            SettingsError: CHIM750, a file cannot be read or used, or others may read the key.
        """
        self._check_key()
        kind = ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
        context = ssl.SSLContext(kind)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if server_side:
            context.num_tickets = 0  # nobody resumes, and tickets arrive where none is read
        try:
            context.load_verify_locations(cafile=self.authority)
        except (OSError, ssl.SSLError) as error:
            raise self._unusable(self.authority, error) from None
        try:
            # A key under a passphrase would be asked for on the terminal; a daemon has none.
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise self._unusable(self.certificate, error) from None
        return context

    def _check_key(self) -> None:
        try:
            mode = self.key.stat().st_mode
        except OSError as error:
            raise self._unusable(self.key, error) from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                "CHIM750",
                f"private key has mode {stat.S_IMODE(mode):04o}: others may read it",
                where=Where(str(self.key)),
                hint=f"chmod 600 {self.key}",
            )

    def _unusable(self, path: Path, error: Exception) -> SettingsError:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        text = str(reason).lower().replace("_", " ")
        return SettingsError(
            "CHIM750", f"cannot use tls file: {text}", where=Where(str(path)), hint=_MAKE
        )


def _no_passphrase() -> bytes:
    raise ValueError("the key is under a passphrase")


@dataclass(frozen=True, slots=True)
class Tls:
    """One side's TLS: its context, and who must be at the other end.

    Attributes:
        context: of `TlsFiles.context`.
        server_side: whether this side accepts connections.
        peer: URI that the other side's certificate must hold.
    """

    context: ssl.SSLContext
    server_side: bool
    peer: str

    @classmethod
    def of_head(cls, files: TlsFiles, gateway: str) -> Self:
        """For a head: whoever calls must be of the gateway."""
        return cls(files.context(server_side=True), server_side=True, peer=gateway)

    @classmethod
    def of_client(cls, files: TlsFiles, gateway: str, head: str) -> Self:
        """For a client of a head: the other side must be that very head of the gateway."""
        return cls(files.context(server_side=False), False, head_uri(gateway, head))

    @classmethod
    def calling(cls, address: str, head: str, settings: TlsSettings) -> Self | None:
        """For a client, what the address of a head asks for: nothing on Unix sockets.

        Raises:
            SettingsError: CHIM750, as `TlsFiles`.
        """
        files = TlsFiles.of(settings) if address.startswith("tcp:") else None
        return None if files is None else cls.of_client(files, settings.gateway, head)

    def secure(self, raw: socket.socket) -> SecureSocket:
        """Shake hands over a connected socket, whose timeout bounds the handshake.

        Takes the socket over: it is closed when this fails.

        Raises:
            PeerRefusedError: CHIM751 another authority, CHIM752 expired, CHIM753 no certificate,
                CHIM754 no TLS, CHIM755 a certificate of somebody else.
            OSError: the connection failed for another reason.
        """
        secured = SecureSocket(raw, self.context, server_side=self.server_side)
        try:
            secured.shake_hands()
            self._check(secured)
            self._agree(secured)
        except BaseException as error:
            secured.close()
            coded = _coded(error)
            if coded is None:
                raise
            raise coded from None
        return secured

    def _check(self, secured: SecureSocket) -> None:
        names = secured.identities()
        if self.peer not in names:
            shown = ", ".join(f"'{name}'" for name in sorted(names)) or "nobody"
            raise _refused("CHIM755", f"certificate is of {shown}, not of '{self.peer}'")

    def _agree(self, secured: SecureSocket) -> None:
        if self.server_side:
            secured.sendall(ACCEPTED)
        elif secured.recv(1) != ACCEPTED:
            raise _refused("CHIM755", "the head refuses our certificate: it is of somebody else")


def head_uri(gateway: str, head: str) -> str:
    """`head://local/default/HEAD_1` of `gateway://local/default` and `HEAD_1`."""
    return f"head://{gateway.removeprefix('gateway://')}/{head}"


def _refused(code: str, message: str) -> PeerRefusedError:
    return PeerRefusedError(code, message, hint=_HINTS[code])


def _coded(error: BaseException) -> PeerRefusedError | None:
    """The error of this module for one of `ssl` or the system; None for others."""
    if isinstance(error, PlaintextError | TimeoutError):
        return _refused("CHIM754", "the other side does not speak tls")
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (_EXPIRED, _NOT_YET):
            return _refused("CHIM752", f"certificate of the other side: {error.verify_message}")
        return _refused("CHIM751", f"certificate of the other side: {error.verify_message}")
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    for name, code, meaning in _REASONS:
        if name in reason:
            return _refused(code, f"the other side {meaning}")
    return _refused("CHIM754", f"tls fails: {reason.lower().replace('_', ' ')}")
