"""A small private authority, and certificates of machines, as files.

A machine's certificate names all four heads and the gateway, because any head may come back on any
machine and a run worker there calls heads. `client` names the gateway alone: whoever has it can
call heads and be none. Keys are ECDSA P-256, mode 0600, and never leave the folder.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chimera_pipelines.errors import UsageError, Where
from chimera_pipelines.heads.tls import head_uri

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY, CLIENT = "authority", "client"
AUTHORITY_DAYS = 3650
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_BACKDATED = datetime.timedelta(minutes=5)  # clocks of two machines differ


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate in the folder.

    Attributes:
        name: of the files `<name>.pem` and `<name>.key`.
        uris: whom it names.
        expires: RFC 3339.
        new: made by this call.
    """

    name: str
    uris: tuple[str, ...]
    expires: str
    new: bool

    def as_json(self) -> dict[str, object]:
        """An element of `certificates[]` of `chimera.certificates/1`."""
        return {
            "name": self.name,
            "uris": list(self.uris),
            "expires": self.expires,
            "new": self.new,
        }


def init(
    folder: Path, machines: Sequence[str], *, gateway: str, heads: Iterable[str], days: int = 365
) -> list[Made]:
    """Make the authority, the client's and the machines' certificates that are not there yet.

    Args:
        folder: made with mode 0700 when missing.
        machines: names for files, not addresses.
        gateway: URI of the gateway that all of them belong to.
        heads: ids of the heads that a machine may run.
        days: how long a new certificate is valid; the authority's is for ten years.

    Raises:
        UsageError: CHIM202, the folder cannot be written or what is there cannot be used.
    """
    for name in machines:
        if not _NAME.match(name) or name in (AUTHORITY, CLIENT):
            raise UsageError(
                "CHIM201", f"'{name}' cannot name a machine", hint="letters, digits, _ . -"
            )
    uris = tuple(head_uri(gateway, head) for head in heads)
    wanted = {CLIENT: (gateway,), **dict.fromkeys(machines, (*uris, gateway))}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = [_authority(folder, gateway)]
        made += [_member(folder, name, names, days) for name, names in wanted.items()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            "CHIM202", f"cannot make certificates: {reason.lower()}", where=Where(str(folder))
        ) from None
    return made


def _authority(folder: Path, gateway: str) -> Made:
    from cryptography import x509

    if (folder / f"{AUTHORITY}.pem").exists():
        return _stored(folder, AUTHORITY, new=False)
    key = _new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"authority of {gateway}"[:64])])
    public = key.public_key()
    builder = (
        _builder(name, name, AUTHORITY_DAYS)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    _store(folder, AUTHORITY, builder, key, key)
    return _stored(folder, AUTHORITY, new=True)


def _member(folder: Path, name: str, uris: tuple[str, ...], days: int) -> Made:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID

    if (folder / f"{name}.pem").exists():
        return _stored(folder, name, new=False)
    issuer = _certificate(folder, AUTHORITY)
    signer = load_pem_private_key((folder / f"{AUTHORITY}.key").read_bytes(), None)
    key = _new_key()
    public = key.public_key()
    oids = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if name != CLIENT:
        oids.append(ExtendedKeyUsageOID.SERVER_AUTH)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
    builder = (
        _builder(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), issuer.subject, days
        )
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(oids), critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    _store(folder, name, builder, key, signer)  # type: ignore[arg-type]
    return _stored(folder, name, new=True)


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _store(
    folder: Path,
    name: str,
    builder: x509.CertificateBuilder,
    key: EllipticCurvePrivateKey,
    signer: EllipticCurvePrivateKey,
) -> None:
    """The key first: a certificate that lies there has its key beside it."""
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = builder.sign(signer, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(folder / f"{name}.key", private, 0o600)
    _write(folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - the mode is given to the descriptor
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _certificate(folder: Path, name: str) -> x509.Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def _stored(folder: Path, name: str, *, new: bool) -> Made:
    from cryptography import x509

    found = _certificate(folder, name)
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        uris = ()
    expires = found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Made(name, uris, expires, new)
