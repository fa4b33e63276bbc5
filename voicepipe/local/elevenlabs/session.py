"""The server's side of one conversation, without I/O: client messages in; server events and wishes out.

A wish is what the session cannot do itself: have an utterance heard, have a reply made, have a tool run. Whoever drives it
(the server, a test) grants wishes in its own time and reports back. It reads no clock: times are passed in, in
milliseconds from any beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeAlias

from voicepipe.local.brain import Call, Conversation, Message
from voicepipe.local.brain.sentences import sentences
from voicepipe.local.elevenlabs.agent import ALWAYS_SENT, Agent, Scalar
from voicepipe.local.elevenlabs.events import CloseCode, Ending, Event, Events, Refusal
from voicepipe.local.elevenlabs.history import History
from voicepipe.local.elevenlabs.listening import Began, Listening, Noticed, Said, SaidSoFar
from voicepipe.local.elevenlabs.pings import Patience, Pings
from voicepipe.local.elevenlabs.reply import Reply
from voicepipe.local.elevenlabs.shapes import (
    ClientMessage,
    ClientToolResult,
    ContextualUpdate,
    Feedback,
    InitiationData,
    McpToolApproval,
    MultimodalMessage,
    Pong,
    UserActivity,
    UserAudio,
    UserMessage,
    client_message,
)
from voicepipe.local.elevenlabs.silence import Silence
from voicepipe.local.elevenlabs.speaking import Speaking
from voicepipe.local.elevenlabs.terms import Terms, agree
from voicepipe.local.elevenlabs.timers import Timers
from voicepipe.local.elevenlabs.tools import Tools
from voicepipe.local.elevenlabs.wishes import Answer, Close, Out, Speak, StopReply
from voicepipe.local.speech import VoiceActivity

_NO_VARIABLES: Final[Mapping[str, Scalar]] = MappingProxyType({})
_ENDINGS: Final[Mapping[str, Ending]] = MappingProxyType(
    {
        "initiation": Ending(1008, "The first message did not come in time.", "transport_receive_timeout"),
        "pong": Ending(1002, "The answer to a ping did not come in time.", "transport_receive_timeout"),
    }
)
"""Of the timers that end the conversation when they are due."""
_Handler: TypeAlias = Callable[[Any, Any, float], list[Out]]


class ConvAIServerSession:
    """One conversation.

    Args:
        agent: Who talks.
        activity: Tells speech from silence.
        conversation_id: Its id.
        patience: How long the client may take.
        variables: The server's dynamic variables, without `system__`.
        marks_final: Whether audio events have `is_final`; older servers' have not.
        late_pieces: How many pieces of an interrupted reply still go out after the interruption.
    """

    def __init__(
        self,
        agent: Agent,
        activity: VoiceActivity,
        *,
        conversation_id: str = "conv_1",
        patience: Patience | None = None,
        variables: Mapping[str, Scalar] = _NO_VARIABLES,
        marks_final: bool = True,
        late_pieces: int = 0,
    ) -> None:
        self.is_over = False
        self._agent = agent
        self._conversation_id = conversation_id
        self._variables = {
            "agent_id": agent.agent_id,
            "conversation_id": conversation_id,
            **variables,
        }
        self._patience = patience or Patience()
        self._events = Events()
        self._timers = Timers()
        self._history = History()
        self._pings = Pings(self._events, self._timers, self._patience)
        self._silence = Silence(self._timers, agent)
        self._tools = Tools(agent, self._events, self._history, self._timers, conversation_id)
        self._listening = Listening(activity, agent)
        self._speaking = Speaking(
            self._events, agent.output_format, marks_final=marks_final, late_pieces=late_pieces
        )
        self._terms: Terms | None = None
        self._owes_reply = False
        self._last_words: Ending | None = None

    @property
    def terms(self) -> Terms | None:
        """What holds in this conversation; None before it has begun."""
        return self._terms

    @property
    def wakes_at_ms(self) -> float | None:
        """When `wake` wants to be called; it may change with every call."""
        return self._timers.next_ms

    def open(self, now_ms: float = 0.0) -> list[Out]:
        """Begin to wait for the client's first message."""
        self._timers.set("initiation", now_ms + self._patience.initiation_ms)
        return []

    def receive(self, message: str | bytes, now_ms: float = 0.0) -> list[Out]:
        """Take a client's message. What the API refuses gives an `error` event and ends the conversation.

        Args:
            message: What came over the wire.
            now_ms: The time.
        """
        if self.is_over:
            return []
        try:
            parsed = client_message(message)
            outputs: list[Out] = []
            if self._terms is None:
                outputs += self._begin(parsed if isinstance(parsed, InitiationData) else None, now_ms)
            elif isinstance(parsed, InitiationData):
                raise Refusal("invalid_message", "The conversation has begun; it cannot be initiated again.")
            outputs += self._HANDLERS[type(parsed)](self, parsed, now_ms)
        except Refusal as refusal:
            return self._end(refusal.ending)
        return self._told(outputs)

    # The beginning.

    def _begin(self, data: InitiationData | None, now_ms: float) -> list[Out]:
        self._terms = terms = agree(self._agent, data, self._variables)
        self._timers.stop("initiation")
        self._timers.set("duration", now_ms + 1000 * terms.max_duration_secs)
        outputs: list[Out] = [
            self._events.metadata(self._conversation_id, self._agent.output_format, self._agent.input_format)
        ]
        outputs.append(self._pings.ping(now_ms))
        self._user_is_active(now_ms)
        return [*outputs, *self._speak(terms.first_message)] if terms.first_message.strip() else outputs

    # The user.

    def _audio(self, message: UserAudio, now_ms: float) -> list[Out]:
        if self._agreed.text_only or self._last_words is not None:
            return []
        outputs = self._notice(self._listening.append(message.user_audio_chunk), now_ms)
        score = self._listening.score()
        return [*outputs, *([] if score is None else [self._events.vad_score(score)])]

    def _notice(self, noticed: Iterable[Noticed], now_ms: float) -> list[Out]:
        outputs: list[Out] = []
        for one in noticed:
            if isinstance(one, Began):
                self._silence.user_speaks()
                outputs += self._interrupt(now_ms)
            elif isinstance(one, SaidSoFar):
                outputs += [self._events.tentative_user_transcript(one.text)] if one.text else []
            elif isinstance(one, Said):
                outputs += self._said(one.text, now_ms)
            else:
                outputs.append(one)
        return outputs

    def _said(self, text: str, now_ms: float) -> list[Out]:
        self._user_is_active(now_ms)
        if not text:
            # A noise; but a reply may have been waiting for the user to end.
            return self._reply_if_due()
        told = self._events.user_transcript(text)
        return [told, *self._user_turn(text)]

    def _user_turn(self, text: str) -> list[Out]:
        self._history.add(Message("user", text))
        self._owes_reply = True
        return self._reply_if_due()

    def _write(self, message: UserMessage, now_ms: float) -> list[Out]:
        self._user_is_active(now_ms)
        if not (message.text or "").strip() or self._last_words is not None:
            return []
        return [*self._interrupt(now_ms), *self._user_turn(message.text or "")]

    def _write_with_files(self, message: MultimodalMessage, now_ms: float) -> list[Out]:
        return self._write(UserMessage(type="user_message", text=message.words), now_ms)

    def _inform(self, message: ContextualUpdate, _now_ms: float) -> list[Out]:
        self._history.inform(message.text, message.context_id)
        return []

    def _pong(self, message: Pong, now_ms: float) -> list[Out]:
        self._pings.pong(message.event_id, now_ms)
        return []

    def _activity(self, _message: UserActivity, now_ms: float) -> list[Out]:
        self._user_is_active(now_ms)
        return []

    def _pass_over(self, _message: InitiationData | Feedback | McpToolApproval, _now_ms: float) -> list[Out]:
        return []

    def heard(self, key: str, text: str | None, now_ms: float = 0.0) -> list[Out]:
        """Take the words found in what was to be heard.

        Args:
            key: Of the wish.
            text: The words; None if the ears failed, which is as if there were none.
            now_ms: The time.
        """
        if self.is_over:
            return []
        return self._told(self._notice(self._listening.heard(key, text or ""), now_ms))

    # Tools.

    def _tool_result(self, message: ClientToolResult, _now_ms: float) -> list[Out]:
        told = self._tools.result(message.tool_call_id, message.result, is_error=message.is_error)
        return [*told, *self._reply_if_due()]

    def ran(self, call_id: str, result: str, *, is_error: bool = False) -> list[Out]:
        """Take the result of a tool of the server."""
        if self.is_over:
            return []
        told = self._tools.result(call_id, result, is_error=is_error)
        return self._told([*told, *self._reply_if_due()])

    def call(self, reply: Reply, call: Call, now_ms: float = 0.0) -> list[Out]:
        """Call a tool as part of a reply."""
        if self.is_over or reply.is_over:
            return []
        if self._tools.ends_the_call(call):
            self._last_words = Ending(1000, "The agent ended the call.")
        reply.has_called = True
        return self._told(self._tools.call(call, now_ms))

    # Replies.

    def _reply_if_due(self) -> list[Out]:
        """Begin the reply that is wanted, unless something has to come before it."""
        waits = self._tools.are_pending or self._listening.goes_on or self._last_words is not None
        if not self._owes_reply or waits or self._speaking.reply is not None:
            return []
        self._owes_reply = False
        terms = self._agreed
        conversation = Conversation(
            instructions=terms.prompt,
            turns=self._history.turns,
            tools=self._tools.offered(terms.tool_descriptions),
            extra_body=terms.extra_body,
        )
        return [Answer(self._new_reply(), conversation)]

    def _speak(self, text: str) -> list[Out]:
        return [Speak(self._new_reply(), sentences(text))]

    def _new_reply(self) -> Reply:
        self._silence.agent_replies()
        terms = self._agreed
        return self._speaking.begin(speaks=not terms.text_only and "audio" in terms.client_events)

    def think(self, reply: Reply, text: str, *, is_first: bool) -> list[Out]:
        """Take words of a reply as the brain finds them; they are said later."""
        if self.is_over or reply.is_over:
            return []
        started = [self._events.chat_part("start")] if is_first else []
        return self._told([*started, self._events.chat_part("delta", text if is_first else f" {text}")])

    def say(self, reply: Reply, text: str, now_ms: float = 0.0) -> list[Out]:
        """Say words; if the reply has sound, `voice` and `advance` follow."""
        if self.is_over or reply.is_over:
            return []
        stopped = self._events.chat_part("stop")
        utterance, told = self._speaking.say(reply, text, now_ms)
        self._history.say(utterance.id, text)
        return self._told([stopped, *told])

    def voice(self, reply: Reply, text: str, pcm: bytes, sample_rate: int, *, is_last: bool) -> None:
        """Take the sound of a sentence, s16le mono at `sample_rate` hertz; `advance` lets it out."""
        if reply.utterance is not None and reply.speaks and not reply.is_over:
            reply.utterance.voice(text, pcm, sample_rate, is_last=is_last)

    def advance(self, reply: Reply, piece_ms: int, now_ms: float = 0.0) -> list[Out]:
        """Return the events of a reply's next `piece_ms` of sound."""
        if self.is_over or not reply.has_more:
            return []
        return self._told(self._speaking.advance(reply, piece_ms, now_ms))

    def finish(self, reply: Reply, now_ms: float = 0.0) -> list[Out]:
        """End a reply that is complete."""
        if self.is_over or reply.is_over:
            return []
        self._speaking.finish(reply)
        self._owes_reply = self._owes_reply or reply.has_called
        if self._last_words is not None:
            self._timers.set("end", self._speaking.silent_from_ms(now_ms))
            return []
        self._silence.agent_is_done(self._speaking.silent_from_ms(now_ms))
        return self._told(self._reply_if_due())

    def fail(self, reply: Reply, message: str) -> list[Out]:
        """End the conversation because a reply could not be made."""
        if self.is_over or reply.is_over:
            return []
        self._speaking.finish(reply)
        return self._end(Ending(1011, message, "custom_llm_error"))

    def _interrupt(self, now_ms: float) -> list[Out]:
        """Stop speaking because the user does, if the agent can be interrupted."""
        if "interruption" not in self._agreed.client_events:
            return []
        cut = self._speaking.cut(now_ms)
        for utterance_id, heard in cut.heard.items():
            self._history.cut(utterance_id, heard)
        if cut.reply is not None and (cut.reply.has_called or not cut.events):
            # Nothing of it was said, so what it would have answered is still unanswered; or it called a tool, whose
            # result is.
            self._owes_reply = True
        return [*([StopReply(cut.reply.id)] if cut.reply else []), *cut.events]

    # Time.

    def wake(self, now_ms: float) -> list[Out]:
        """Take that it is `now_ms`."""
        outputs: list[Out] = []
        for name in self._timers.take(now_ms):
            if not self.is_over:
                outputs += self._due(name, now_ms)
        return outputs

    def _due(self, name: str, now_ms: float) -> list[Out]:
        if name in _ENDINGS:
            return self._end(_ENDINGS[name])
        if name in self._ALARMS:
            return self._ALARMS[name](self, now_ms)
        return self._told([*self._tools.time_out(name), *self._reply_if_due()])

    def _ping(self, now_ms: float) -> list[Out]:
        return self._told([self._pings.ping(now_ms)])

    def _turn_timeout(self, now_ms: float) -> list[Out]:
        if self._is_busy(now_ms):
            self._silence.agent_is_done(self._speaking.silent_from_ms(now_ms))
            return []
        return self._told(self._user_turn(""))

    def _silence_timeout(self, now_ms: float) -> list[Out]:
        if self._is_busy(now_ms):
            self._silence.put_off_the_end(self._speaking.silent_from_ms(now_ms))
            return []
        return self._end(Ending(1000, "The user was silent for too long."))

    def _duration_reached(self, now_ms: float) -> list[Out]:
        seconds = f"{self._agreed.max_duration_secs:g}"
        over = Ending(1000, f"The conversation reached {seconds} seconds.", "max_duration_exceeded")
        if not self._agreed.max_duration_message.strip():
            return self._end(over)
        outputs = self._interrupt(now_ms)
        if self._speaking.reply is not None:
            outputs.append(StopReply(self._speaking.reply.id))
            self._speaking.finish(self._speaking.reply)
        self._last_words = over
        return self._told([*outputs, *self._speak(self._agreed.max_duration_message)])

    def _all_was_heard(self, _now_ms: float) -> list[Out]:
        assert self._last_words is not None
        return self._end(self._last_words)

    def _is_busy(self, now_ms: float) -> bool:
        speaks = self._speaking.reply is not None or self._speaking.is_playing(now_ms)
        return speaks or self._tools.are_pending or self._listening.goes_on

    def _user_is_active(self, now_ms: float) -> None:
        self._silence.user_was_active(now_ms, self._speaking.silent_from_ms(now_ms))

    # The end.

    def error(self, error_type: str | None, message: str, code: CloseCode = 1011) -> Event:
        """Return an `error` event that no message of the client is the cause of."""
        return self._events.error(error_type, message, code)

    def _end(self, why: Ending) -> list[Out]:
        self.is_over = True
        self._timers.clear()
        reply = self._speaking.reply
        outputs: list[Out] = []
        if reply is not None:
            self._speaking.finish(reply)
            outputs.append(StopReply(reply.id))
        if why.error_type is not None:
            outputs.append(self._events.error(why.error_type, why.reason, why.code))
        return [*outputs, Close(why.code, why.reason)]

    @property
    def _agreed(self) -> Terms:
        assert self._terms is not None, "nothing is handled before the conversation has begun"
        return self._terms

    def _told(self, outputs: Iterable[Out]) -> list[Out]:
        """Return outputs without the events that the client is not to be told."""
        told = self._agreed.client_events | ALWAYS_SENT
        return [one for one in outputs if not isinstance(one, dict) or one["type"] in told]

    _HANDLERS: ClassVar[Mapping[type[ClientMessage], _Handler]] = {
        InitiationData: _pass_over,
        UserAudio: _audio,
        Pong: _pong,
        ClientToolResult: _tool_result,
        ContextualUpdate: _inform,
        UserMessage: _write,
        MultimodalMessage: _write_with_files,
        UserActivity: _activity,
        Feedback: _pass_over,
        McpToolApproval: _pass_over,
    }
    _ALARMS: ClassVar[Mapping[str, Callable[[Any, float], list[Out]]]] = {
        "ping": _ping,
        "turn": _turn_timeout,
        "silence": _silence_timeout,
        "duration": _duration_reached,
        "end": _all_was_heard,
    }
