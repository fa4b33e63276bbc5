"""A server on 127.0.0.1 that speaks the ElevenLabs Conversational AI wire with local ears, a local voice and a local brain.

It lets clients in or not and starts a conversation for each; the protocol is `session`, who is let in is `doors`.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Literal, Self, TypeAlias
from weakref import WeakKeyDictionary

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse
from websockets.typing import Subprotocol

from voicepipe.errors import PortTakenError, SettingsError, VoicepipeError
from voicepipe.local.address import checked_port, is_from_this_machine, loopback, netloc
from voicepipe.local.brain import Brain
from voicepipe.local.elevenlabs.agent import Agent
from voicepipe.local.elevenlabs.doors import CONVERSATION, Admitted, Decision, Doors, Refused, Reply
from voicepipe.local.elevenlabs.driver import Backstage, ConversationDriver
from voicepipe.local.elevenlabs.line import Line
from voicepipe.local.elevenlabs.pings import Patience
from voicepipe.local.elevenlabs.session import ConvAIServerSession
from voicepipe.local.elevenlabs.signing import Signer
from voicepipe.local.openai_ga.driver import OnEvent
from voicepipe.local.openai_ga.events import Ids
from voicepipe.local.openai_ga.faults import FaultPlan, Faults
from voicepipe.local.openai_ga.pace import Pace
from voicepipe.local.speech.engines import SpeechEngine

Refuses: TypeAlias = Literal["close", "status"]
"""How somebody is refused: by a close code after the handshake, or by an HTTP status in its place. The API does both."""

_LARGEST_MESSAGE: Final = 16 * 1024 * 1024
_THREADS: Final = 4
_SUBPROTOCOL: Final = Subprotocol("convai")


class LocalElevenLabsServer:
    """The server; an async context manager that has left nothing behind when it is done.

        agent = Agent("agent_1", first_message="Hello!")
        async with LocalElevenLabsServer([agent], speech=speech_engine("local"), brain=ScriptBrain()) as server:
            connect(f"{server.url}?agent_id=agent_1")

    Args:
        agents: Those that clients can talk with.
        speech: Ears, voice and voice activity. Not closed by the server.
        brain: What answers; it serves all conversations and is closed with the server.
        host: A loopback address; it takes no other.
        port: 0 takes a free one.
        api_key: The key that signed URLs and agents with `enable_auth` want; None: any will do.
        signed_url_secs: How long a signed URL is taken.
        pace: How sound goes out.
        patience: How long clients may take.
        max_sessions: More than these are refused with HTTP status 429.
        max_message_bytes: The largest message a client may send; a larger one ends its conversation with close code 1009.
        refuses: How somebody who may not talk with an agent is told so.
        marks_final: Whether audio events say which one is a reply's last, as newer servers of the API do.
        faults: What goes wrong. Sound from the client, which has no type, is `user_audio_chunk`.
        on_event: Called with every message of every conversation: "in" from the client, "out" to it.

    Raises:
        SettingsError: `host` is no loopback address, `port` is no port, or two agents have the same id.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        *,
        speech: SpeechEngine,
        brain: Brain,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        signed_url_secs: float = 900.0,
        pace: Pace | None = None,
        patience: Patience | None = None,
        max_sessions: int = 8,
        max_message_bytes: int = _LARGEST_MESSAGE,
        refuses: Refuses = "close",
        marks_final: bool = True,
        faults: Faults | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self.speech = speech
        self.brain = brain
        self._doors = Doors(_distinct(agents), api_key, Signer(secrets.token_bytes(), signed_url_secs))
        self._host = loopback(host)
        self._port = checked_port(port)
        self._pace = pace or Pace()
        self._patience = patience or Patience()
        self._max_sessions = max_sessions
        self._max_message_bytes = max_message_bytes
        self._refuses: Refuses = refuses
        self._marks_final = marks_final
        self._faults = FaultPlan(faults or Faults())
        self._on_event = on_event
        self._ids = Ids()
        # Weak: a handshake that fails after the decision leaves nothing behind.
        self._decisions: WeakKeyDictionary[ServerConnection, Decision] = WeakKeyDictionary()
        self._sessions = 0
        self._threads: ThreadPoolExecutor | None = None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """The address of the conversations; `?agent_id=...` follows."""
        return f"ws://{netloc(self._host, self._port)}{CONVERSATION}"

    @property
    def api_url(self) -> str:
        """The address for a client's `base_url`, of which signed URLs are asked."""
        return f"http://{netloc(self._host, self._port)}"

    @property
    def sessions(self) -> int:
        """How many conversations there are now."""
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
                process_request=self._open_door,
                select_subprotocol=_subprotocol,
                compression=None,
                max_size=self._max_message_bytes,
                # A dead client shows by the wire's own pings.
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
        """End all conversations and stop serving."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        if self._threads is not None:
            # It waits for one utterance at most, and no conversation is left that it could keep waiting.
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        await self.brain.aclose()

    # Who is let in.

    async def _open_door(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        if not is_from_this_machine(request.headers.get("Origin")):
            return connection.respond(HTTPStatus.FORBIDDEN, "Origin: that page is not of this machine.\n")
        if not self._doors.is_conversation(request):
            base_url = f"ws://{netloc(self._host, self._port)}"
            return _response(self._doors.reply(request, base_url, self._ids.new("conv"), self._now))
        if self._sessions >= self._max_sessions:
            message = f"This server has {self._max_sessions} conversations at once."
            return _refusal(
                Refused(HTTPStatus.TOO_MANY_REQUESTS, 1008, "too_many_concurrent_requests", message)
            )
        decision = self._doors.admit(request, self._now)
        if isinstance(decision, Refused) and self._refuses == "status":
            return _refusal(decision)
        # Kept here: a signed URL that is good for one conversation must be looked at once.
        self._decisions[connection] = decision
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        decision = self._decisions.pop(connection)
        self._sessions += 1
        try:
            if self._sessions > self._max_sessions:
                # Clients whose handshakes overlap get past the door together.
                await connection.close(1008, f"This server has {self._max_sessions} conversations at once.")
            elif isinstance(decision, Refused):
                await connection.close(decision.code, decision.message)
            else:
                await self._driver(connection, decision).run()
        except ConnectionClosed:
            pass
        finally:
            self._sessions -= 1

    def _driver(self, connection: ServerConnection, admitted: Admitted) -> ConversationDriver:
        session = ConvAIServerSession(
            admitted.agent,
            self.speech.activity(),
            conversation_id=admitted.conversation_id or self._ids.new("conv"),
            patience=self._patience,
            variables={"time_utc": datetime.fromtimestamp(time.time(), UTC).isoformat()},
            marks_final=self._marks_final,
            late_pieces=self._faults.late_deltas,
        )
        line = Line(connection, self._faults, self._on_event, session.error)
        stage = Backstage(self.speech, self.brain, self._pace, self._threads)
        return ConversationDriver(session, line, stage)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _distinct(agents: Sequence[Agent]) -> Sequence[Agent]:
    ids = [agent.agent_id for agent in agents]
    if len(ids) != len(set(ids)):
        raise SettingsError("agents", f"two of {', '.join(ids)} have the same id")
    return agents


def _subprotocol(_: object, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """A browser, which can give its token only as a subprotocol, wants to see one of those it offered again."""
    return _SUBPROTOCOL if _SUBPROTOCOL in offered else None


def _refusal(refused: Refused) -> HttpResponse:
    detail = {"status": refused.kind, "message": refused.message}
    return _response(Reply(refused.status, {"detail": detail}))


def _response(reply: Reply) -> HttpResponse:
    body = orjson.dumps(reply.body)
    headers = Headers(
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    )
    return HttpResponse(reply.status.value, reply.status.phrase, headers, body)
