"""A server on 127.0.0.1 that speaks the ElevenLabs Conversational AI wire with local ears, a local voice and a local brain.

It lets clients in or not and starts a conversation for each; the protocol is `session`, who is let in is `doors`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.http11 import Response as HttpResponse

from voicepipe.errors import SettingsError
from voicepipe.local.brain import Brain
from voicepipe.local.driving import Backstage
from voicepipe.local.elevenlabs.agent import Agent
from voicepipe.local.elevenlabs.doors import CONVERSATION, Admitted, Decision, Doors, Refused, Reply
from voicepipe.local.elevenlabs.driver import ConversationDriver
from voicepipe.local.elevenlabs.pings import Patience
from voicepipe.local.elevenlabs.session import ConvAIServerSession
from voicepipe.local.elevenlabs.signing import Signer
from voicepipe.local.faults import FaultPlan, Faults
from voicepipe.local.line import OnEvent
from voicepipe.local.openai_ga.events import Ids
from voicepipe.local.pace import Pace
from voicepipe.local.serving import SessionServer
from voicepipe.local.speech.engines import SpeechEngine

Refuses: TypeAlias = Literal["close", "status"]
"""How somebody is refused: by a close code after the handshake, or by an HTTP status in its place. The API does both."""

_LARGEST_MESSAGE: Final = 16 * 1024 * 1024


class LocalElevenLabsServer(SessionServer):
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

    SUBPROTOCOL = "convai"

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
        super().__init__(
            Backstage(speech, brain, pace or Pace(), FaultPlan(faults or Faults()), on_event),
            host=host,
            port=port,
            max_sessions=max_sessions,
            max_message_bytes=max_message_bytes,
        )
        self._doors = Doors(_distinct(agents), api_key, Signer(secrets.token_bytes(), signed_url_secs))
        self._patience = patience or Patience()
        self._refuses: Refuses = refuses
        self._marks_final = marks_final
        self._ids = Ids()
        # Weak: a handshake that fails after the decision leaves nothing behind.
        self._decisions: WeakKeyDictionary[ServerConnection, Decision] = WeakKeyDictionary()

    @property
    def url(self) -> str:
        """The address of the conversations; `?agent_id=...` follows."""
        return f"ws://{self._netloc}{CONVERSATION}"

    @property
    def api_url(self) -> str:
        """The address for a client's `base_url`, of which signed URLs are asked."""
        return f"http://{self._netloc}"

    def _admit(self, connection: ServerConnection, request: Request) -> HttpResponse | None:
        if not self._doors.is_conversation(request):
            reply = self._doors.reply(request, f"ws://{self._netloc}", self._ids.new("conv"), self._now)
            return _response(reply)
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

    async def _talk(self, connection: ServerConnection) -> None:
        decision = self._decisions.pop(connection)
        if self._sessions > self._max_sessions:
            await connection.close(1008, f"This server has {self._max_sessions} conversations at once.")
        elif isinstance(decision, Refused):
            await connection.close(decision.code, decision.message)
        else:
            await self._driver(connection, decision).run()

    def _driver(self, connection: ServerConnection, admitted: Admitted) -> ConversationDriver:
        session = ConvAIServerSession(
            admitted.agent,
            self.speech.activity(),
            conversation_id=admitted.conversation_id or self._ids.new("conv"),
            patience=self._patience,
            variables={"time_utc": datetime.fromtimestamp(time.time(), UTC).isoformat()},
            marks_final=self._marks_final,
            late_pieces=self._stage.faults.late_deltas,
        )
        return ConversationDriver(session, connection, self._stage)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _distinct(agents: Sequence[Agent]) -> Sequence[Agent]:
    ids = [agent.agent_id for agent in agents]
    if len(ids) != len(set(ids)):
        raise SettingsError("agents", f"two of {', '.join(ids)} have the same id")
    return agents


def _refusal(refused: Refused) -> HttpResponse:
    detail = {"status": refused.kind, "message": refused.message}
    return _response(Reply(refused.status, {"detail": detail}))


def _response(reply: Reply) -> HttpResponse:
    body = orjson.dumps(reply.body)
    headers = Headers(
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    )
    return HttpResponse(reply.status.value, reply.status.phrase, headers, body)
