"""A WebSocket server on 127.0.0.1 that speaks the OpenAI Realtime GA wire with local ears, a local voice and a local brain.

It only drives: the protocol is `voicepipe.local.openai_ga.session`. All time is the event loop's, so that with speech that
does not block (tones) it runs on a virtual clock.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, Self, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
from loguru import logger
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse

from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import PortTakenError, SettingsError, VoicepipeError
from voicepipe.local.brain import Brain, Call
from voicepipe.local.openai_ga.events import Event, Events, Ids
from voicepipe.local.openai_ga.response import Response
from voicepipe.local.openai_ga.session import Answer, GAServerSession, Hear, Out, StopAnswer
from voicepipe.local.speech.engines import SpeechEngine

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_WIRE_RATE = 24000
_LARGEST_MESSAGE = 24 * 1024 * 1024
"""The API takes 15 MiB of sound in one event, which base64 and JSON make a third longer."""

OnEvent: TypeAlias = Callable[[Literal["in", "out"], Mapping[str, Any]], None]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How sound goes out.

    Parameters:
        first_delta_ms: How long an answer takes to begin, besides what brain and voice take.
        delta_ms: How much sound a delta holds.
        speed: How much faster than it plays sound goes out; None is as fast as the socket takes it.
    """

    first_delta_ms: float = 0.0
    delta_ms: int = 200
    speed: float | None = 8.0


class LocalServer:
    """The server; an async context manager that has left nothing behind when it is done.

        async with LocalServer(speech=speech_engine("local"), brain=ScriptBrain()) as server:
            llm = OpenAIRealtimeLLMService(api_key="any", base_url=server.url)

    Args:
        speech: Ears, voice and voice activity. Not closed by the server.
        brain: What answers; it serves all sessions and is closed with the server.
        host: A loopback address; it takes no other.
        port: 0 takes a free one.
        api_key: The key a client must have; without it, any key will do.
        pace: How sound goes out.
        max_sessions: More than these are refused with HTTP status 503.
        session_secs: The longest a session may last.
        on_event: Called with every event of every session: "in" from the client, "out" to it.

    Raises:
        SettingsError: `host` is no loopback address.
    """

    def __init__(
        self,
        *,
        speech: SpeechEngine,
        brain: Brain,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        pace: Pace | None = None,
        max_sessions: int = 8,
        session_secs: float = 3600.0,
        on_event: OnEvent | None = None,
    ) -> None:
        if host not in LOOPBACK:
            raise SettingsError(
                "host", f"{host!r} is no loopback address; the local server serves this machine alone"
            )
        self.speech = speech
        self.brain = brain
        self.pace = pace or Pace()
        self.session_secs = session_secs
        self.on_event = on_event
        self._host = host
        self._port = port
        self._api_key = api_key
        self._max_sessions = max_sessions
        self._sessions = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """The address for a client's `base_url`."""
        return f"ws://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}/v1/realtime"

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            PortTakenError: Another program has the port.
        """
        try:
            self._server = await serve(
                self._serve,
                self._host,
                self._port,
                process_request=self._admit,
                compression=None,
                max_size=_LARGEST_MESSAGE,
                ping_interval=None,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(self._host, self._port) from None
            raise
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all sessions and stop serving."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await self.brain.aclose()

    async def _admit(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
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
                code, close_code, message = refusal
                error = Events(Ids()).error("invalid_request_error", code, message)
                await connection.send(orjson.dumps(error).decode())
                await connection.close(close_code, f"invalid_request_error.{code}")
                return
            await _Driver(self, connection, _model(connection)).run()
        except ConnectionClosed:
            logger.debug("a client of the local server left")
        finally:
            self._sessions -= 1

    def _refusal(self, connection: ServerConnection) -> tuple[str, int, str] | None:
        """Return code, close code and message if the client may not have a session (protocol page, section 1)."""
        assert connection.request is not None
        headers = connection.request.headers
        if "OpenAI-Beta" in headers:
            return (
                "beta_api_shape_disabled",
                4000,
                "The Realtime beta API is no longer supported. Use the GA API.",
            )
        key = _key(headers.get_all("Authorization"), headers.get_all("Sec-WebSocket-Protocol"))
        if not key or (self._api_key is not None and key != self._api_key):
            return "invalid_api_key", 3000, "Incorrect API key provided."
        model = _model(connection)
        if not model:
            return "missing_model", 4000, "You must provide a model parameter."
        if "translate" in model:
            return "invalid_model", 4000, f"Model '{model}' is not supported in conversations."
        return None


def _key(authorization: list[str], subprotocols: list[str]) -> str:
    if authorization:
        return authorization[0].removeprefix("Bearer ").strip()
    offered = [name.strip() for line in subprotocols for name in line.split(",")]
    marker = "openai-insecure-api-key."
    return next((name.removeprefix(marker) for name in offered if name.startswith(marker)), "")


def _model(connection: ServerConnection) -> str:
    assert connection.request is not None
    return parse_qs(urlsplit(connection.request.path).query).get("model", [""])[0]


class _Driver:
    """Drives one session: grants its wishes and carries its events."""

    def __init__(self, server: LocalServer, connection: ServerConnection, model: str) -> None:
        self._server = server
        self._connection = connection
        self._session = GAServerSession(model, server.speech.activity())
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._to_send: asyncio.Queue[Event] = asyncio.Queue()

    async def run(self) -> None:
        sender = asyncio.create_task(self._send(), name="local server: send")
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._handle(self._session.open())
                try:
                    async with asyncio.timeout(self._server.session_secs):
                        await self._receive()
                except TimeoutError:
                    await self._expire()
                for task in self._answers.values():
                    task.cancel()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _receive(self) -> None:
        try:
            async for message in self._connection:
                self._watch("in", message)
                self._handle(self._session.receive(message))
        except ConnectionClosed:
            return

    async def _expire(self) -> None:
        minutes = round(self._server.session_secs / 60)
        message = f"Your session hit the maximum duration of {minutes} minutes."
        event = Events(Ids()).error("invalid_request_error", "session_expired", message)
        await self._connection.send(orjson.dumps(event).decode())
        await self._connection.close(1001, message)

    async def _send(self) -> None:
        try:
            while True:
                event = await self._to_send.get()
                await self._connection.send(orjson.dumps(event).decode())
        except ConnectionClosed:
            return

    def _watch(self, way: Literal["in", "out"], message: str | bytes | Event) -> None:
        if self._server.on_event is None:
            return
        if isinstance(message, dict):
            self._server.on_event(way, message)
            return
        try:
            self._server.on_event(way, orjson.loads(message))
        except orjson.JSONDecodeError:
            self._server.on_event(way, {"type": "unreadable"})

    def _handle(self, outputs: Iterable[Out]) -> None:
        for output in outputs:
            if isinstance(output, Hear):
                self._tasks.create_task(self._hear(output))
            elif isinstance(output, Answer):
                task = self._tasks.create_task(self._answer(output))
                self._answers[output.response.id] = task
            elif isinstance(output, StopAnswer):
                task = self._answers.pop(output.response_id, None)
                if task is not None:
                    task.cancel()
            else:
                self._watch("out", output)
                self._to_send.put_nowait(output)

    async def _hear(self, wish: Hear) -> None:
        ears = self._server.speech.ears
        text = await self._in_its_place(lambda: ears.listen(wish.pcm, _WIRE_RATE))
        self._handle(self._session.heard(wish.item_id, text))

    async def _answer(self, wish: Answer) -> None:
        response, pace = wish.response, self._server.pace
        await asyncio.sleep(pace.first_delta_ms / 1000)
        try:
            async with aclosing(self._server.brain.reply(wish.conversation)) as parts:
                async for part in parts:
                    if isinstance(part, Call):
                        self._handle(self._session.call(response, part))
                    else:
                        await self._say(response, part.text)
        except VoicepipeError as error:
            self._handle(self._session.fail(response, str(error)))
        else:
            self._handle(self._session.finish(response))
        self._answers.pop(response.id, None)

    async def _say(self, response: Response, text: str) -> None:
        pace = self._server.pace
        pcm = await self._in_its_place(lambda: self._speak(text)) if response.speaks else b""
        for events in self._session.say(response, text, pcm, pace.delta_ms):
            self._handle(events)
            wait_secs = pace.delta_ms / 1000 / pace.speed if pace.speed else 0.0
            await asyncio.sleep(wait_secs)

    def _speak(self, text: str) -> bytes:
        voice = self._server.speech.voice
        sound = np.concatenate([np.empty(0, np.int16), *voice.speak(text)]).tobytes()
        if voice.sample_rate == _WIRE_RATE:
            return sound
        resampler = StreamResampler(voice.sample_rate, _WIRE_RATE)
        return resampler.process(sound) + resampler.flush()

    async def _in_its_place(self, work: Callable[[], _T]) -> _T:
        """Do work of ears or voice on a thread if it takes long, else here and now."""
        if self._server.speech.blocking:
            return await asyncio.to_thread(work)
        return work()
