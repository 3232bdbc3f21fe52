from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from chimera_pipelines.errors import ChimeraError, SettingsError
from chimera_pipelines.heads import certificates, wire
from chimera_pipelines.heads.tls import PeerRefusedError, Tls, TlsFiles
from tests.heads.certified import GATEWAY, authority, files


def _meet(
    server: Callable[[socket.socket], object], client: Callable[[socket.socket], object]
) -> tuple[BaseException | None, BaseException | None]:
    """What both ends of one TCP connection raise."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        raised: list[BaseException | None] = [None, None]

        def act(which: int, work: Callable[[socket.socket], object], end: socket.socket) -> None:
            end.settimeout(2)
            try:
                found = work(end)
                getattr(found, "close", end.close)()
            except (ChimeraError, OSError) as error:
                raised[which] = error

        def accept() -> None:
            act(0, server, listener.accept()[0])

        thread = Thread(target=accept)
        thread.start()
        act(1, client, socket.create_connection(listener.getsockname()))
        thread.join(30)
    return raised[0], raised[1]


def _codes(
    server: Callable[[socket.socket], object], client: Callable[[socket.socket], object]
) -> tuple[str | None, str | None]:
    found = _meet(server, client)
    for error in found:
        if isinstance(error, ChimeraError):
            assert error.hint
    return getattr(found[0], "code", None), getattr(found[1], "code", None)


def test_a_head_and_its_client_meet(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_3")
    assert _meet(head.secure, client.secure) == (None, None)


def test_only_tls_1_3_is_spoken(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    context = files(folder, "client").context(server_side=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    old = Tls(context, False, "head://local/default/HEAD_1")
    assert _codes(head.secure, old.secure) == ("CHIM754", "CHIM754")


def test_a_certificate_of_another_authority_is_refused_on_both_sides(tmp_path: Path) -> None:
    ours, others = authority(tmp_path / "a", "node-a"), authority(tmp_path / "b", "node-a")
    head = Tls.of_head(files(ours, "node-a"), GATEWAY)
    stranger = Tls.of_client(files(others, "client"), GATEWAY, "HEAD_1")
    assert _codes(head.secure, stranger.secure) == ("CHIM751", "CHIM751")
    # A client that trusts our authority, and holds a certificate of another.
    mixed = TlsFiles(others / "client.pem", others / "client.key", ours / "authority.pem")
    assert _codes(head.secure, Tls.of_client(mixed, GATEWAY, "HEAD_1").secure) == (
        "CHIM751",
        "CHIM751",
    )


def test_an_expired_certificate_is_refused_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    monkeypatch.setattr(certificates, "_BACKDATED", datetime.timedelta(days=10))
    authority(folder, "old-node", days=-5)
    (folder / "client.pem").unlink()
    authority(folder, days=-5)
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    old_client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1")
    assert _codes(head.secure, old_client.secure) == ("CHIM752", "CHIM752")
    old_head = Tls.of_head(files(folder, "old-node"), GATEWAY)
    client = Tls.of_client(files(folder, "node-a"), GATEWAY, "HEAD_1")
    assert _codes(old_head.secure, client.secure) == ("CHIM752", "CHIM752")


def test_a_client_without_certificate_is_refused(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(folder / "authority.pem")
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    nobody = Tls(context, False, "head://local/default/HEAD_1")
    assert _codes(head.secure, nobody.secure) == ("CHIM753", "CHIM753")


def test_a_client_that_calls_itself_a_head_is_none(tmp_path: Path) -> None:
    """The client's certificate may not serve: whoever has it can call heads and be none."""
    folder = authority(tmp_path / "tls", "node-a")
    pretender = Tls.of_head(files(folder, "client"), GATEWAY)
    client = Tls.of_client(files(folder, "node-a"), GATEWAY, "HEAD_1")
    assert _codes(pretender.secure, client.secure)[1] == "CHIM751"


def test_another_gateway_of_the_same_authority_is_refused(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    (folder / "client.pem").unlink()
    authority(folder, "node-x", gateway="gateway://other/place")
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    stranger = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1")
    assert _codes(head.secure, stranger.secure) == ("CHIM755", "CHIM755")
    other_head = Tls.of_head(files(folder, "node-x"), GATEWAY)
    client = Tls.of_client(files(folder, "node-a"), GATEWAY, "HEAD_1")
    assert _codes(other_head.secure, client.secure)[1] == "CHIM755"


@pytest.mark.parametrize("says", [b"GET / HTTP/1.1\r\n\r\n", b"CHIM\x00\x01", b""])
def test_a_peer_without_tls_is_refused(tmp_path: Path, says: bytes) -> None:
    folder = authority(tmp_path / "tls", "node-a")

    def plain(end: socket.socket) -> None:
        end.sendall(says)
        while end.recv(4096):
            pass

    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    assert _codes(head.secure, plain)[0] == "CHIM754"
    client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1")
    assert _codes(plain, client.secure)[1] == "CHIM754"


def _settings(**paths: Path | None) -> SimpleNamespace:
    names = {"tls_certificate": None, "tls_key": None, "tls_authority": None}
    return SimpleNamespace(gateway=GATEWAY, **{**names, **paths})


def test_files_are_named_all_or_not_at_all(tmp_path: Path) -> None:
    assert TlsFiles.of(_settings()) is None
    with pytest.raises(SettingsError) as caught:
        TlsFiles.of(_settings(tls_certificate=tmp_path / "a", tls_authority=tmp_path / "b"))
    assert caught.value.code == "CHIM750"
    assert "CHIMERA_TLS_KEY" in caught.value.message


def _break_missing(folder: Path) -> None:
    (folder / "node-a.key").unlink()


def _break_mode(folder: Path) -> None:
    (folder / "node-a.key").chmod(0o640)


def _break_authority(folder: Path) -> None:
    (folder / "authority.pem").write_text("nothing")


def _break_pair(folder: Path) -> None:
    (folder / "node-a.key").write_bytes((folder / "client.key").read_bytes())


def _break_passphrase(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key((folder / "node-a.key").read_bytes(), None)
    (folder / "node-a.key").write_bytes(
        key.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"x")
        )
    )


@pytest.mark.parametrize(
    "damage", [_break_missing, _break_mode, _break_authority, _break_pair, _break_passphrase]
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    damage(folder)
    with pytest.raises(SettingsError) as caught:
        files(folder, "node-a").context(server_side=True)
    assert caught.value.code == "CHIM750"
    assert str(folder) in str(caught.value)


def test_the_errors_are_those_of_a_head_that_is_not_there() -> None:
    assert PeerRefusedError("CHIM751", "x").exit_code == 6


def _over_tcp(
    tmp_path: Path, head: Tls | None, client: Tls | None, *, theirs: bytes = b"s" * 32
) -> tuple[list[wire.Message], BaseException | None, BaseException | None]:
    """Frames that a head gets and gives back over the wire, and what both sides raise."""
    listener = wire.Listener("tcp:127.0.0.1:0", directory=tmp_path)
    back: list[wire.Message] = []
    raised: list[BaseException] = []

    def serve() -> None:
        try:
            with wire.accept(listener.accept(), b"s" * 32, timeout_s=5, tls=head) as one:
                one.settimeout(30)
                message = one.receive()
                one.send({"again": message.frame}, message.buffers)
        except (ChimeraError, OSError, EOFError) as error:
            raised.append(error)

    thread = Thread(target=serve)
    thread.start()
    caught: BaseException | None = None
    try:
        with wire.connect(
            listener.address, theirs, directory=tmp_path, timeout_s=5, tls=client
        ) as one:
            one.settimeout(30)
            one.send({"n": 1}, [b"small", bytes(3 << 20)])
            back.append(one.receive())
    except (ChimeraError, OSError, EOFError) as error:
        caught = error
    thread.join(30)
    listener.close()
    return back, raised[0] if raised else None, caught


def test_frames_and_buffers_cross_tcp(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1")
    back, at_head, at_client = _over_tcp(tmp_path, head, client)
    assert (at_head, at_client) == (None, None)
    assert back[0].frame == {"again": {"n": 1}}
    assert [bytes(buffer[:5]) for buffer in back[0].buffers] == [b"small", bytes(5)]
    assert [len(buffer) for buffer in back[0].buffers] == [5, 3 << 20]


def test_a_certificate_does_not_stand_in_for_the_secret(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1")
    back, at_head, _ = _over_tcp(tmp_path, head, client, theirs=b"x" * 32)
    assert back == []
    assert isinstance(at_head, wire.WireError)
    assert at_head.code == "CHIM713"


def test_a_machine_that_is_gone_is_noticed_by_both_sides(tmp_path: Path) -> None:
    seen = []

    def secure(sock: socket.socket) -> None:
        alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        seen.append((alive, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)))
        raise ConnectionError

    looks: Any = SimpleNamespace(secure=secure)
    _over_tcp(tmp_path, looks, looks)
    assert seen == [(1, 1000 * wire.GONE_S)] * 2


def test_tcp_without_certificates_is_refused(tmp_path: Path) -> None:
    _, at_head, at_client = _over_tcp(tmp_path, None, None)
    assert getattr(at_head, "code", None) == getattr(at_client, "code", None) == "CHIM750"
