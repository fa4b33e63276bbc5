"""A WebSocket server on 127.0.0.1 that speaks the OpenAI Realtime API with local ears, a local voice and a local brain.

It lets clients in or not and starts a session for each; the protocol is `voicepipe.local.openai_ga`, and for the beta wire
`voicepipe.local.openai_beta` around it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import count
from typing import Final, Literal, Self
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse
from websockets.typing import Subprotocol

from voicepipe.errors import PortTakenError, SettingsError, VoicepipeError
from voicepipe.local.address import checked_port, is_from_this_machine, loopback, netloc
from voicepipe.local.brain import Brain
from voicepipe.local.openai_beta.session import BetaServerSession
from voicepipe.local.openai_ga.driver import Backstage, OnEvent, SessionDriver
from voicepipe.local.openai_ga.events import Events, Ids
from voicepipe.local.openai_ga.faults import FaultPlan, Faults
from voicepipe.local.openai_ga.pace import Pace
from voicepipe.local.openai_ga.session import GAServerSession
from voicepipe.local.speech.engines import SpeechEngine

_LARGEST_MESSAGE: Final = 24 * 1024 * 1024
"""The API takes 15 MiB of sound in one event, which base64 and JSON make a third longer."""
_THREADS: Final = 4
_SUBPROTOCOL: Final = Subprotocol("realtime")
_KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
_BETA_SUBPROTOCOL: Final = "openai-beta.realtime-v1"
_WRONG_WIRE: Final = {
    "ga": (
        "beta_api_shape_disabled",
        4000,
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
    ),
    "beta": (
        "missing_beta_header",
        4000,
        "To access the Realtime Beta API, provide the header 'OpenAI-Beta: realtime=v1'.",
    ),
}


class LocalServer:
    """The server; an async context manager that has left nothing behind when it is done.

        async with LocalServer(speech=speech_engine("local"), brain=ScriptBrain()) as server:
            llm = OpenAIRealtimeLLMService(api_key="any", base_url=server.url)

    Args:
        speech: Ears, voice and voice activity. Not closed by the server.
        brain: What answers; it serves all sessions and is closed with the server.
        host: A loopback address; it takes no other.
        port: 0 takes a free one.
        wire: Which of the API's wires it speaks. As OpenAI's own, the GA server refuses the beta's header; the beta server
            refuses those who do not send it.
        api_key: The key a client must have; without it, any key will do.
        pace: How sound goes out.
        max_sessions: More than these are refused with HTTP status 503.
        max_message_bytes: The largest message a client may send; a larger one ends its session with close code 1009.
        session_secs: The longest a session may last.
        faults: What goes wrong.
        on_event: Called with every event of every session: "in" from the client, "out" to it.

    Raises:
        SettingsError: `host` is no loopback address, `port` is no port, or there is no such `wire`.
    """

    def __init__(
        self,
        *,
        speech: SpeechEngine,
        brain: Brain,
        host: str = "127.0.0.1",
        port: int = 0,
        wire: Literal["ga", "beta"] = "ga",
        api_key: str | None = None,
        pace: Pace | None = None,
        max_sessions: int = 8,
        max_message_bytes: int = _LARGEST_MESSAGE,
        session_secs: float = 3600.0,
        faults: Faults | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        if wire not in ("ga", "beta"):
            raise SettingsError("wire", f"is 'ga' or 'beta', not {wire!r}")
        self.speech = speech
        self.brain = brain
        self._host = loopback(host)
        self._port = checked_port(port)
        self._wire = wire
        self._api_key = api_key
        self._pace = pace or Pace()
        self._max_sessions = max_sessions
        self._max_message_bytes = max_message_bytes
        self._session_secs = session_secs
        self._faults = FaultPlan(faults or Faults())
        self._on_event = on_event
        self._session_numbers = count(1)
        self._sessions = 0
        self._threads: ThreadPoolExecutor | None = None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """The address for a client's `base_url`."""
        return f"ws://{netloc(self._host, self._port)}/v1/realtime"

    @property
    def sessions(self) -> int:
        """How many sessions there are now."""
        return self._sessions

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            PortTakenError: Another program has the port.
            VoicepipeError: The port cannot be used for another reason.
        """
        try:
            self._server = await serve(
                self._serve,
                self._host,
                self._port,
                process_request=self._admit,
                select_subprotocol=_subprotocol,
                compression=None,
                max_size=self._max_message_bytes,
                # A dead client shows on loopback by itself, and on a virtual clock a ping would come too late.
                ping_interval=None,
            )
        except OSError as error:
            await self.brain.aclose()
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(self._host, self._port) from None
            raise VoicepipeError(f"cannot serve at {self._host}:{self._port}: {error}") from error
        if self.speech.blocking:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="voicepipe-local")
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all sessions and stop serving."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        if self._threads is not None:
            # It waits for one utterance at most, and no session is left that it could keep waiting.
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        await self.brain.aclose()

    async def _admit(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        if not is_from_this_machine(request.headers.get("Origin")):
            return connection.respond(HTTPStatus.FORBIDDEN, "Origin: that page is not of this machine.\n")
        if not urlsplit(request.path).path.endswith("/realtime"):
            return connection.respond(HTTPStatus.NOT_FOUND, "The Realtime API is at /v1/realtime.\n")
        if self._sessions >= self._max_sessions:
            message = f"This server serves {self._max_sessions} sessions at once.\n"
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, message)
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        self._sessions += 1
        try:
            refusal = self._refusal(connection)
            if refusal is not None:
                await _refuse(connection, *refusal)
                return
            await self._driver(connection).run()
        except ConnectionClosed:
            pass
        finally:
            self._sessions -= 1

    def _driver(self, connection: ServerConnection) -> SessionDriver:
        ids = Ids(next(self._session_numbers))
        session = GAServerSession(
            _model(connection),
            self.speech.activity(),
            ids=ids,
            expires_at=int(time.time() + self._session_secs),
            late_deltas=self._faults.late_deltas,
        )
        stage = Backstage(
            speech=self.speech,
            brain=self.brain,
            pace=self._pace,
            faults=self._faults,
            session_secs=self._session_secs,
            on_event=self._on_event,
            threads=self._threads,
        )
        served = session if self._wire == "ga" else BetaServerSession(session, ids)
        return SessionDriver(served, connection, stage)

    def _refusal(self, connection: ServerConnection) -> tuple[str, int, str] | None:
        """Return code, close code and message if the client may not have a session (protocol page, section 1)."""
        assert connection.request is not None
        if _wants_beta(connection.request) != (self._wire == "beta"):
            return _WRONG_WIRE[self._wire]
        if self._sessions > self._max_sessions:
            # Clients whose handshakes overlap get past `_admit` together.
            return "rate_limit_exceeded", 1013, f"This server serves {self._max_sessions} sessions at once."
        key = _key(connection.request)
        if not key or (self._api_key is not None and key != self._api_key):
            return "invalid_api_key", 3000, "Incorrect API key provided."
        model = _model(connection)
        if not model:
            return "missing_model", 4000, "You must provide a model parameter."
        if "translate" in model:
            return "invalid_model", 4000, f"Model '{model}' is not supported in realtime conversations."
        return None


async def _refuse(connection: ServerConnection, code: str, close_code: int, message: str) -> None:
    error = Events(Ids()).error("invalid_request_error", code, message)
    await connection.send(orjson.dumps(error).decode())
    await connection.close(close_code, f"invalid_request_error.{code}")


def _wants_beta(request: Request) -> bool:
    in_header = any("realtime=v1" in value for value in request.headers.get_all("OpenAI-Beta"))
    return in_header or _BETA_SUBPROTOCOL in _offered(request)


def _subprotocol(_: object, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """A browser, which can give its key only as a subprotocol, wants to see one of those it offered again."""
    return _SUBPROTOCOL if _SUBPROTOCOL in offered else None


def _key(request: Request) -> str:
    headers = request.headers
    for value in headers.get_all("Authorization"):
        return value.removeprefix("Bearer ").strip()
    for value in headers.get_all("api-key"):
        return value.strip()
    offered = _offered(request)
    keys = (name.removeprefix(_KEY_SUBPROTOCOL) for name in offered if name.startswith(_KEY_SUBPROTOCOL))
    return next(keys, "")


def _offered(request: Request) -> list[str]:
    lines = request.headers.get_all("Sec-WebSocket-Protocol")
    return [name.strip() for line in lines for name in line.split(",")]


def _model(connection: ServerConnection) -> str:
    assert connection.request is not None
    return parse_qs(urlsplit(connection.request.path).query).get("model", [""])[0]
