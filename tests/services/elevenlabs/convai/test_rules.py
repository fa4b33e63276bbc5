"""Whatever order things come in, the rules hold: random events, wishes and drops against the session object."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.services.elevenlabs.convai.wire_lines import (
    agent_says,
    audio,
    complete,
    corrected,
    failed,
    interruption,
    line,
    metadata,
    part,
    tool_call,
    user_may_say,
    user_says,
)
from tests.support.any_order import NUMBERS, AnyOrder
from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import (
    SessionReady,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAISession

EVENTS = st.integers(-2, 6)
"""How far an event's id is from the newest one: ids grow, and some come late."""
WORDS = st.sampled_from(["Hello.", "Hello. And more.", "", "é"])


class ConvAIInAnyOrder(AnyOrder):
    """The rules of ElevenLabs' wire."""

    session: ElevenLabsConvAISession

    def __init__(self) -> None:
        super().__init__(ElevenLabsConvAISession())
        self.speaks = False
        self.readies = self.event_id = 0

    def check_sent(self, event: dict[str, Any]) -> None:
        is_first = event.get("type") == "conversation_initiation_client_data"
        assert is_first or self.is_ready, "nothing is said to a conversation that has not begun"

    def check_happened(self, happening: Any) -> None:
        super().check_happened(happening)
        if isinstance(happening, UserSpeechStarted | UserSpeechStopped):
            begins = isinstance(happening, UserSpeechStarted)
            assert self.speaks != begins, "turns begin and end by turns"
            self.speaks = begins
        elif isinstance(happening, SessionReady):
            self.readies += 1

    def id(self, ahead: int) -> int:
        self.event_id = max(self.event_id, self.event_id + ahead)
        return max(0, self.event_id + min(ahead, 0))

    # The connection.

    @precondition(lambda self: not self.is_ready)
    @rule(out=st.sampled_from(["pcm_16000", "ulaw_8000"]))
    def begins(self, out: str) -> None:
        self.is_ready = True
        self.event_id = 0
        self.hear(metadata(out, conversation_id=f"conv_{self.drops}"))
        assert self.readies == self.drops + 1, "a conversation begins once"

    @precondition(lambda self: self.is_ready)
    @rule()
    def begins_again(self) -> None:
        self.hear(metadata("pcm_48000", conversation_id="conv_again"))
        assert self.readies == self.drops + 1

    # The server.

    @precondition(lambda self: self.is_ready)
    @rule(ahead=EVENTS, is_final=st.sampled_from([None, True, False]))
    def sound_comes(self, ahead: int, is_final: bool | None) -> None:
        self.hear(audio(self.id(ahead), is_final=is_final))

    @precondition(lambda self: self.is_ready)
    @rule(ahead=EVENTS, text=WORDS)
    def words_come(self, ahead: int, text: str) -> None:
        self.hear(agent_says(text, self.id(ahead)))

    @precondition(lambda self: self.is_ready)
    @rule(ahead=EVENTS, kind=st.sampled_from(["start", "delta", "stop", "?"]), text=WORDS)
    def part_comes(self, ahead: int, kind: str, text: str) -> None:
        self.hear(part(kind, text, self.id(ahead)))

    @precondition(lambda self: self.is_ready)
    @rule(ahead=EVENTS, text=WORDS, said=WORDS)
    def correction_comes(self, ahead: int, text: str, said: str) -> None:
        self.hear(corrected(text, said, self.id(ahead)))

    @precondition(lambda self: self.is_ready)
    @rule(ahead=EVENTS, which=st.sampled_from([complete, interruption]))
    def end_comes(self, ahead: int, which: Any) -> None:
        self.hear(which(self.id(ahead)))

    @precondition(lambda self: self.is_ready)
    @rule(ahead=EVENTS, text=WORDS, which=st.sampled_from([user_says, user_may_say]))
    def user_is_heard(self, ahead: int, text: str, which: Any) -> None:
        self.hear(which(text, self.id(ahead)))

    @precondition(lambda self: self.is_ready)
    @rule(
        ahead=EVENTS,
        call=NUMBERS,
        expects=st.booleans(),
        parameters=st.sampled_from([{}, None, [], {"a": 1}]),
    )
    def call_comes(self, ahead: int, call: int, expects: bool, parameters: Any) -> None:
        fields = {"expects_response": expects, "parameters": parameters}
        self.hear(tool_call(f"call_{self.drops}_{call}", "look", self.id(ahead), **fields))

    @precondition(lambda self: self.is_ready)
    @rule(code=st.sampled_from(["llm_error", "unknown", None]))
    def error_comes(self, code: str | None) -> None:
        self.hear(failed(code, "no"))

    @precondition(lambda self: self.is_ready)
    @rule()
    def event_without_content_comes(self) -> None:
        self.hear(line("audio"))

    @rule()
    def nothing_comes_for_long(self) -> None:
        if self.session.ends_after_ms is not None:
            self.take(self.session.reply_ended())

    # The client.

    @rule(ms=st.integers(1, 60))
    def says(self, ms: int) -> None:
        self.take(self.session.append_audio(bytes(32 * ms + 1)))

    @rule(text=WORDS)
    def writes(self, text: str) -> None:
        self.take(self.session.add_message("user", text))

    @rule()
    def wants_an_answer(self) -> None:
        self.take(self.session.create_response())

    @rule(share=st.floats(0, 1))
    def interrupts(self, share: float) -> None:
        heard = (
            [Heard(self.open_response, f"vp_reply_{self.drops}", share * 100, 100.0)]
            if self.open_response
            else []
        )
        self.take(self.session.interrupt(heard))

    @rule(call=NUMBERS, drops=st.integers(0, 2))
    def answers_a_call(self, call: int, drops: int) -> None:
        self.take(self.session.send_tool_result(f"call_{max(0, self.drops - drops)}_{call}", "done"))


TestAnyOrder = ConvAIInAnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
