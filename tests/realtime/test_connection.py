"""The socket under a session: how it opens or does not, how it ends, and when silence is its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.realtime.connection import Closed, Connection, Endpoint, Limits
from voicepipe.realtime.events import Send
from voicepipe.rests import Rest

WITHIN_SECS = 5.0


class Client:
    """A connection, and what it reported."""

    def __init__(self, endpoint: Endpoint, limits: Limits | None = None) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.hold: asyncio.Event | None = None
        """While it is not set, the message that came is being handled."""
        self.connection = Connection(endpoint, self._message, self._on_closed, limits)

    def _message(self, message: bytes) -> Rest:
        self.messages.put_nowait(message)
        return None if self.hold is None else self.hold.wait

    async def _on_closed(self, closed: Closed) -> None:
        self.closed.set_result(closed)
        await self.connection.close()


class Peer:
    """A server for one connection, which a test can make deaf: then not even a ping is answered."""

    def __init__(self) -> None:
        self.connected: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()
        self.url = ""

    async def serve(self, connection: ServerConnection) -> None:
        self.connected.set_result(connection)
        await connection.wait_closed()

    async def go_deaf(self) -> None:
        (await self.connected).transport.pause_reading()


@asynccontextmanager
async def conversation(limits: Limits | None = None) -> AsyncIterator[tuple[Client, Peer]]:
    peer = Peer()
    async with serve(peer.serve, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        peer.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        client = Client(Endpoint(peer.url), limits)
        await client.connection.open()
        try:
            yield client, peer
        finally:
            await client.connection.close()
            (await peer.connected).transport.abort()


async def refused(endpoint: Endpoint, limits: Limits | None = None) -> ConnectionRefused:
    client = Client(endpoint, limits)
    with pytest.raises(ConnectionRefused) as caught:
        await client.connection.open()
    await client.connection.close()
    return caught.value


@asynccontextmanager
async def answering(status: int, headers: dict[str, str]) -> AsyncIterator[str]:
    """A server that refuses every handshake; yields its URL."""

    def refuse(connection: ServerConnection, _request: Request) -> Response:
        response = connection.respond(HTTPStatus(status), "no\n")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def never(_connection: ServerConnection) -> None: ...

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime?model=m"


@asynccontextmanager
async def tcp(
    answer: bytes | None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that reads something and gives `answer`, or nothing; yields its port and what it read."""
    heard: list[bytes] = []
    ended: list[asyncio.Future[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.get_running_loop().create_future())
        with suppress(ConnectionError, ssl.SSLError):
            heard.append(await reader.read(4096))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        ended[-1].set_result(None)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
        await asyncio.gather(*ended)


class TestSilence:
    @pytest.mark.virtual_time
    async def test_a_peer_of_whom_nothing_comes_is_taken_as_lost(self):
        loop = asyncio.get_running_loop()
        async with conversation(Limits(idle_secs=30)) as (client, peer):
            await peer.go_deaf()
            began = loop.time()
            assert await client.closed == Closed(1006, "nothing came for 30 s")
            assert loop.time() - began == pytest.approx(30, abs=0.1)

    @pytest.mark.virtual_time
    async def test_a_peer_that_answers_pings_is_not_however_long_it_says_nothing(self):
        async with conversation(Limits(idle_secs=30)) as (client, peer):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(600):
                    await asyncio.shield(client.closed)
            await (await peer.connected).send(b"still there")
            assert await client.messages.get() == b"still there"

    @pytest.mark.virtual_time
    async def test_silence_counts_from_what_came_last(self):
        loop = asyncio.get_running_loop()
        async with conversation(Limits(idle_secs=30)) as (client, peer):
            connection = await peer.connected
            await peer.go_deaf()
            last = loop.create_future()
            loop.call_later(20, last.set_result, None)
            await last
            await connection.send(b"the last word")
            await client.messages.get()
            assert (await client.closed).reason == "nothing came for 30 s"
            assert loop.time() == pytest.approx(50, abs=0.2)

    @pytest.mark.virtual_time
    async def test_while_a_message_is_being_handled_silence_means_nothing(self):
        loop = asyncio.get_running_loop()
        async with conversation(Limits(idle_secs=30)) as (client, peer):
            client.hold = asyncio.Event()
            loop.call_later(100, client.hold.set)
            await (await peer.connected).send(b"hard to handle")
            await peer.go_deaf()
            assert (await client.closed).reason == "nothing came for 30 s"
            assert 129 <= loop.time() <= 161

    @pytest.mark.virtual_time
    async def test_without_a_limit_a_silent_peer_is_waited_for(self):
        async with conversation(Limits(idle_secs=None)) as (client, peer):
            await peer.go_deaf()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3600):
                    await asyncio.shield(client.closed)

    @pytest.mark.virtual_time
    async def test_a_connection_that_was_closed_here_reports_nothing(self):
        async with conversation(Limits(idle_secs=5)) as (client, _peer):
            await client.connection.close()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await asyncio.shield(client.closed)


@pytest.mark.parametrize(
    ("name", "value"), [("connect_secs", 0), ("idle_secs", -1), ("idle_secs", float("nan"))]
)
def test_a_time_to_wait_is_more_than_nothing(name, value):
    with pytest.raises(SettingsError) as caught:
        Limits(**{name: value})
    assert caught.value.field == name


class TestEnds:
    async def test_the_peers_close_is_reported_with_its_words(self):
        async with conversation() as (client, peer):
            await (await peer.connected).close(4000, "beta_api_shape_disabled")
            assert await client.closed == Closed(4000, "beta_api_shape_disabled")

    async def test_a_peer_that_vanishes_is_1006(self):
        async with conversation() as (client, peer):
            (await peer.connected).transport.abort()
            assert (await client.closed).code == 1006

    async def test_what_is_sent_arrives_as_text_in_order(self):
        async with conversation() as (client, peer):
            for number in range(3):
                client.connection.send(Send(b"%d" % number))
            connection = await peer.connected
            assert [await connection.recv() for _ in range(3)] == ["0", "1", "2"]


class TestRefusedHandshakes:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (401, "authentication"),
            (402, "quota"),
            (403, "authentication"),
            (404, "model"),
            (429, "rate_limit"),
            (400, "connection"),
            (503, "server"),
        ],
    )
    async def test_the_status_says_of_what_sort_it_is(self, status, kind):
        async with answering(status, {}) as url:
            error = await refused(Endpoint(url))
        assert error.kind == kind
        assert error.retry_after is None
        assert str(error).endswith(f"/v1/realtime answered with HTTP status {status}")

    @pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-3", 0.0)])
    async def test_it_says_in_how_many_seconds_to_try_again(self, header, seconds):
        async with answering(429, {"Retry-After": header}) as url:
            error = await refused(Endpoint(url))
        assert error.retry_after == seconds
        assert f"tried again in {seconds:g} s" in str(error)

    @pytest.mark.parametrize(("ahead_secs", "least", "most"), [(120, 110, 120), (-120, 0, 0)])
    async def test_it_may_say_when_instead(self, ahead_secs, least, most):
        when = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_secs), usegmt=True)
        async with answering(503, {"Retry-After": when}) as url:
            error = await refused(Endpoint(url))
        assert error.retry_after is not None
        assert least <= error.retry_after <= most

    @pytest.mark.parametrize("header", ["soon", "inf", "nan", "99 Foo 2026"])
    async def test_what_cannot_be_read_is_as_if_it_were_not_there(self, header):
        async with answering(429, {"Retry-After": header}) as url:
            assert (await refused(Endpoint(url))).retry_after is None

    async def test_the_key_does_not_go_to_another_host(self):
        async with tcp(b"HTTP/1.1 500 no\r\n\r\n") as (port, heard):
            location = f"ws://127.0.0.1:{port}/v1"
            async with answering(307, {"Location": location}) as url:
                error = await refused(Endpoint(url, {"Authorization": "Bearer s3cret"}))
        assert "HTTP status 307, a redirect that is not followed" in str(error)
        assert not heard

    @pytest.mark.virtual_time
    async def test_a_server_that_never_answers_is_given_up(self):
        async with tcp(None) as (port, _):
            error = await refused(Endpoint(f"ws://127.0.0.1:{port}/v1"), Limits(connect_secs=4))
        assert str(error) == f"ws://127.0.0.1:{port}/v1 did not answer within 4 s"


class TestUnreachable:
    async def test_nothing_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            error = await refused(Endpoint(f"ws://127.0.0.1:{port}/v1?model=m"))
        assert error.kind == "connection"
        assert f"ws://127.0.0.1:{port}/v1 cannot be reached" in str(error)

    async def test_a_name_that_is_not_known(self, monkeypatch):
        async def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        error = await refused(Endpoint("wss://realtime.example/v1", proxy=None))
        assert str(error) == (
            "wss://realtime.example/v1 cannot be reached: the name of the host is not known: Name or service not known"
        )

    async def test_a_plain_websocket_where_tls_was_wanted(self):
        async def hold(connection: ServerConnection) -> None:
            await connection.wait_closed()

        async with serve(hold, "127.0.0.1", 0, open_timeout=0.1) as server:
            port = server.sockets[0].getsockname()[1]
            error = await refused(Endpoint(f"wss://127.0.0.1:{port}/v1", proxy=None))
        assert "is there a wss:// server at this port?" in str(error)

    async def test_no_tls_where_tls_was_wanted(self):
        async with tcp(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
            error = await refused(Endpoint(f"wss://127.0.0.1:{port}/v1"))
        assert "TLS failed" in str(error)
        assert "is there a wss:// server at this port?" in str(error)

    async def test_a_certificate_that_is_not_trusted(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        async with tcp(None, tls=context) as (port, _):
            error = await refused(Endpoint(f"wss://localhost:{port}/v1"))
        assert "its certificate is not trusted: self" in str(error)

    async def test_something_that_is_no_websocket_server(self):
        async with tcp(b"220 mail.example ESMTP\r\n") as (port, _):
            error = await refused(Endpoint(f"ws://127.0.0.1:{port}/v1"))
        assert "cannot be reached" in str(error)

    async def test_an_address_of_something_else(self):
        error = await refused(Endpoint("https://127.0.0.1/v1?key=s3cret"))
        assert "this is no address of a WebSocket" in str(error)
        assert "s3cret" not in str(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for localhost that nobody has signed."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    to = ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    try:
        subprocess.run(["openssl", "req", "-x509", *kind, *name, *to], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("makes its certificate with the openssl command")
    path.write_bytes(path.read_bytes() + path.with_suffix(".key").read_bytes())
    return path


class TestProxy:
    @asynccontextmanager
    async def tunnel(self) -> AsyncIterator[tuple[int, list[bytes]]]:
        """A proxy that tunnels to wherever it is told; yields its port and the requests it had."""
        requests: list[bytes] = []
        tunnels: list[asyncio.Task[None]] = []

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(4096):
                writer.write(data)
            writer.close()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            host, _, port = requests[0].split()[1].decode().rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            tunnels.extend(
                [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))]
            )

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1], requests
            async with asyncio.timeout(WITHIN_SECS):
                await asyncio.gather(*tunnels, return_exceptions=True)

    async def test_the_connection_goes_through_the_proxy_that_was_named(self):
        peer = Peer()
        async with (
            self.tunnel() as (proxy_port, requests),
            serve(peer.serve, "127.0.0.1", 0, compression=None) as server,
        ):
            port = server.sockets[0].getsockname()[1]
            client = Client(
                Endpoint(f"ws://127.0.0.1:{port}/v1", proxy=f"http://me:s3cret@127.0.0.1:{proxy_port}")
            )
            await client.connection.open()
            await (await peer.connected).send(b"through")
            assert await client.messages.get() == b"through"
            await client.connection.close()
        assert requests[0].startswith(b"CONNECT 127.0.0.1:%d " % port)

    @pytest.mark.parametrize(("proxy", "reaches_it"), [(True, True), (None, False)])
    async def test_the_environments_proxy_is_taken_unless_it_is_off(self, monkeypatch, proxy, reaches_it):
        for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "socks_proxy", "SOCKS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        peer = Peer()
        async with self.tunnel() as (proxy_port, requests), serve(peer.serve, "127.0.0.1", 0) as server:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy_port}")
            port = server.sockets[0].getsockname()[1]
            client = Client(Endpoint(f"ws://127.0.0.1:{port}/v1", proxy=proxy))
            await client.connection.open()
            await client.connection.close()
        assert bool(requests) == reaches_it

    async def test_a_proxy_that_refuses(self):
        async with tcp(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (port, _):
            error = await refused(Endpoint("ws://127.0.0.1:1/v1", proxy=f"http://me:s3cret@127.0.0.1:{port}"))
        assert str(error).endswith("the proxy answered with HTTP status 407")

    @pytest.mark.parametrize(
        ("proxy", "why"),
        [
            ("ftp://me:s3cret@127.0.0.1:1", "the proxy's address cannot be used"),
            ("socks5://127.0.0.1:1", "SOCKS|proxy"),
        ],
    )
    async def test_a_proxy_that_cannot_be_used_is_told_without_its_password(self, proxy, why):
        error = await refused(Endpoint("ws://127.0.0.1:1/v1", proxy=proxy))
        assert error.kind == "connection"
        assert "s3cret" not in str(error)
        assert any(words in str(error) for words in why.split("|"))
