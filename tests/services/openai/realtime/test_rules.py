"""Whatever order things come in, the rules hold: random events, wishes and drops against the session object."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    audio_delta,
    created,
    error,
    item_added,
    item_done,
    line,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    updated,
    words_delta,
)
from tests.support.any_order import NUMBERS, AnyOrder
from tests.support.wires import Wire, dialect, read, speaking
from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import AudioChunk
from voicepipe.services.openai.realtime import OpenAIRealtimeSession


class OpenAIInAnyOrder(AnyOrder):
    """The rules of OpenAI's wires; those of GA, unless a subclass says otherwise."""

    wire: ClassVar[Wire] = "ga"

    session: OpenAIRealtimeSession

    def __init__(self) -> None:
        self._speaking = ExitStack()
        self._speaking.enter_context(speaking(self.wire))
        super().__init__(OpenAIRealtimeSession(dialect=dialect()))
        self.received_ms: dict[str, float] = {}
        self.messages: list[str] = []
        self.told: list[str] = []
        self.said = b""
        self.sent_sound = b""

    def check_sent(self, event: dict[str, Any]) -> None:
        event = read(event)
        if event["type"] == "session.update":
            self.told = []
        elif event["type"] == "conversation.item.truncate":
            assert 0 < event["audio_end_ms"] <= self.received_ms[event["item_id"]]
        elif event["type"] == "input_audio_buffer.append":
            self.sent_sound += base64.b64decode(event["audio"])
        elif event["type"] == "conversation.item.create" and event["item"].get("role") == "user":
            text = event["item"]["content"][0]["text"]
            assert text not in self.told, "a message is told once"
            if text in self.messages:
                self.told.append(text)

    def check_happened(self, happening: Any) -> None:
        super().check_happened(happening)
        if isinstance(happening, AudioChunk):
            ms = len(happening.pcm) / 48
            self.received_ms[happening.item_id] = self.received_ms.get(happening.item_id, 0.0) + ms

    # The connection.

    @precondition(lambda self: not self.is_ready)
    @rule()
    def connects(self) -> None:
        self.hear(created())
        self.hear(updated())
        self.is_ready = True
        assert self.told == self.messages, "every message is told, in order"

    # The server.

    @precondition(lambda self: self.is_ready)
    @rule(n=NUMBERS)
    def response_begins(self, n: int) -> None:
        self.hear(response_created(f"resp_{self.drops}_{n}"))

    @precondition(lambda self: self.is_ready)
    @rule(n=NUMBERS, status=st.sampled_from(["completed", "cancelled", "failed", "incomplete", "?"]))
    def response_ends(self, n: int, status: str) -> None:
        self.hear(response_done(f"resp_{self.drops}_{n}", status))

    @precondition(lambda self: self.is_ready)
    @rule(n=NUMBERS, item=NUMBERS, ms=st.sampled_from([20, 100, 500]))
    def sound_comes(self, n: int, item: int, ms: int) -> None:
        item_id = f"item_{self.drops}_{item}"
        self.hear(audio_delta(ms, f"resp_{self.drops}_{n}", item_id))

    @precondition(lambda self: self.is_ready)
    @rule(n=NUMBERS, item=NUMBERS)
    def words_come(self, n: int, item: int) -> None:
        self.hear(words_delta("Word ", f"resp_{self.drops}_{n}", f"item_{self.drops}_{item}"))

    @precondition(lambda self: self.is_ready)
    @rule(n=NUMBERS, call=NUMBERS, arguments=st.sampled_from(["{}", "{", "[]", '{"a": 1}']))
    def call_comes(self, n: int, call: int, arguments: str) -> None:
        one = arguments_done(f"call_{call}", "look", arguments, f"resp_{self.drops}_{n}")
        self.hear(one)

    @precondition(lambda self: self.is_ready)
    @rule(item=NUMBERS, which=st.sampled_from([speech_started, speech_stopped, item_added, item_done]))
    def item_event_comes(self, item: int, which: Any) -> None:
        self.hear(which(f"item_{self.drops}_{item}"))

    @precondition(lambda self: self.is_ready)
    @rule(item=NUMBERS)
    def transcript_comes(self, item: int) -> None:
        type_ = "conversation.item.input_audio_transcription.completed"
        fields = {"item_id": f"item_{self.drops}_{item}", "content_index": 0, "transcript": ""}
        self.hear(line(type_, **fields))

    @precondition(lambda self: self.is_ready)
    @rule(
        code=st.sampled_from(["conversation_already_has_active_response", "invalid_value", "server_error"]),
        n=st.one_of(st.none(), st.integers(1, 30)),
    )
    def error_comes(self, code: str, n: int | None) -> None:
        self.hear(error(code, n and f"vp_ask_{n}", message="no"))

    # The client.

    @rule(ms=st.integers(1, 60))
    def says(self, ms: int) -> None:
        pcm = ms.to_bytes(1, "little") * (2 * ms)
        self.said += pcm
        self.take(self.session.append_audio(pcm))

    @rule()
    def writes(self) -> None:
        text = f"message {len(self.messages)}"
        self.messages.append(text)
        self.take(self.session.add_message("user", text))

    @rule(instructions=st.one_of(st.none(), st.just("Shout.")))
    def wants_an_answer(self, instructions: str | None) -> None:
        self.take(self.session.create_response(instructions=instructions))

    @rule(item=NUMBERS, share=st.floats(0, 1))
    def interrupts(self, item: int, share: float) -> None:
        item_id = f"item_{self.drops}_{item}"
        sent_ms = self.received_ms.get(item_id, 0.0)
        heard = [Heard("r", item_id, share * sent_ms, sent_ms)] if sent_ms else []
        self.take(self.session.interrupt(heard))

    @rule(call=NUMBERS, respond=st.booleans())
    def answers_a_call(self, call: int, respond: bool) -> None:
        self.take(self.session.send_tool_result(f"call_{call}", "done", respond=respond))

    @invariant()
    def sound_is_neither_lost_nor_doubled(self) -> None:
        if self.is_ready and self.drops == 0:
            assert self.sent_sound == self.said

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self._speaking.close()


class BetaInAnyOrder(OpenAIInAnyOrder):
    """The same, with the same rules, in the words of the beta's wire."""

    wire = "beta"


SETTINGS = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyOrder = OpenAIInAnyOrder.TestCase
TestAnyOrder.settings = SETTINGS
TestAnyOrderOverTheBetasWire = BetaInAnyOrder.TestCase
TestAnyOrderOverTheBetasWire.settings = settings(SETTINGS, max_examples=50)
