"""A WebSocket server on 127.0.0.1 that speaks the OpenAI Realtime API with local ears, a local voice and a local brain.

It lets clients in or not and starts a session for each; the protocol is `voicepipe.local.openai_ga`, and for the beta wire
`voicepipe.local.openai_beta` around it.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from itertools import count
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse

from voicepipe.errors import SettingsError
from voicepipe.local.brain import Brain
from voicepipe.local.driving import Backstage
from voicepipe.local.faults import FaultPlan, Faults
from voicepipe.local.line import OnEvent
from voicepipe.local.openai_beta.session import BetaServerSession
from voicepipe.local.openai_ga.driver import SessionDriver
from voicepipe.local.openai_ga.events import Events, Ids
from voicepipe.local.openai_ga.session import GAServerSession
from voicepipe.local.pace import Pace
from voicepipe.local.serving import SessionServer
from voicepipe.local.speech.engines import SpeechEngine

_LARGEST_MESSAGE: Final = 24 * 1024 * 1024
"""The API takes 15 MiB of sound in one event, which base64 and JSON make a third longer."""
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


class LocalServer(SessionServer):
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

    SUBPROTOCOL = "realtime"

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
        super().__init__(
            Backstage(speech, brain, pace or Pace(), FaultPlan(faults or Faults()), on_event),
            host=host,
            port=port,
            max_sessions=max_sessions,
            max_message_bytes=max_message_bytes,
        )
        self._wire = wire
        self._api_key = api_key
        self._session_secs = session_secs
        self._session_numbers = count(1)

    @property
    def url(self) -> str:
        """The address for a client's `base_url`."""
        return f"ws://{self._netloc}/v1/realtime"

    def _admit(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        if not urlsplit(request.path).path.endswith("/realtime"):
            return connection.respond(HTTPStatus.NOT_FOUND, "The Realtime API is at /v1/realtime.\n")
        if self._sessions >= self._max_sessions:
            message = f"This server serves {self._max_sessions} sessions at once.\n"
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, message)
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        refusal = self._refusal(connection)
        if refusal is not None:
            await _refuse(connection, *refusal)
        else:
            await self._driver(connection).run()

    def _driver(self, connection: ServerConnection) -> SessionDriver:
        ids = Ids(next(self._session_numbers))
        session = GAServerSession(
            _model(connection),
            self.speech.activity(),
            ids=ids,
            expires_at=int(time.time() + self._session_secs),
            late_deltas=self._stage.faults.late_deltas,
        )
        served = session if self._wire == "ga" else BetaServerSession(session, ids)
        return SessionDriver(served, connection, self._stage, self._session_secs)

    def _refusal(self, connection: ServerConnection) -> tuple[str, int, str] | None:
        """Return code, close code and message if the client may not have a session (protocol page, section 1)."""
        assert connection.request is not None
        if _wants_beta(connection.request) != (self._wire == "beta"):
            return _WRONG_WIRE[self._wire]
        if self._sessions > self._max_sessions:
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
