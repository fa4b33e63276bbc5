"""Whatever comes over the wire in whatever order, and whatever is asked meanwhile: what has to hold, holds."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

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
    sent,
    tool_call,
    user_may_say,
    user_says,
)
from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Output,
    ResponseFinished,
    ResponseStarted,
    ToolCall,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAISession

STEPS = 300


class Chaos:
    """A session to which anything happens."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.playing = False
        self.session = ElevenLabsConvAISession(restart_on_update=True, is_playing=lambda: self.playing)
        self.event_id = 0
        self.outputs: list[Output] = []
        self.calls: list[str] = []
        self.items: list[str] = []

    def next_id(self) -> int:
        """Mostly the next one, now and then one that is late."""
        self.event_id += 1
        return max(1, self.event_id - self.random.choice([0, 0, 0, 0, 3]))

    def line(self) -> bytes:
        number, text = self.next_id(), self.random.choice(["Yes.", "No, it is late.", "", "Hm."])
        final = self.random.choice([None, False, True])
        lines: list[Callable[[], bytes]] = [
            lambda: metadata(self.random.choice(["pcm_16000", "ulaw_8000", "mp3_1"])),
            lambda: audio(number, self.random.choice([0, 20, 500]), is_final=final),
            lambda: audio(number, 100),
            lambda: agent_says(text, number),
            lambda: complete(number),
            lambda: corrected(text, text[:3], number),
            lambda: interruption(number),
            lambda: user_says(text, number),
            lambda: user_may_say(text, number),
            lambda: part(self.random.choice(["start", "delta", "stop"]), text, number),
            lambda: tool_call(f"call_{self.random.randrange(99)}", "f", number),
            lambda: failed("llm_timeout", "slow"),
            lambda: line("audio", audio_event={"event_id": "x"}),
            lambda: b"{",
        ]
        return self.random.choice(lines)()

    def ask(self) -> list[Output]:
        session = self.session
        part_of = [Heard("r", item, 100.0 * self.random.randrange(9), 500.0) for item in self.items[-2:]]
        wishes: list[Callable[[], list[Output]]] = [
            lambda: session.append_audio(bytes(self.random.randrange(1, 700))),
            lambda: session.interrupt(part_of),
            lambda: session.add_message("user", "hello"),
            session.create_response,
            session.reply_ended,
            lambda: session.send_tool_result(self.random.choice([*self.calls, "none"]), "1"),
            lambda: session.update({"voice": self.random.choice("abc")}),
            lambda: [*session.closed(), *session.open(), *session.receive(metadata())],
        ]
        return self.random.choice(wishes)()

    def step(self) -> None:
        self.playing = self.random.random() < 0.3
        new = self.ask() if self.random.random() < 0.3 else self.session.receive(self.line())
        self.outputs += new
        self.calls += [one.call_id for one in new if isinstance(one, ToolCall)]
        self.items += [one.item_id for one in new if isinstance(one, AudioChunk)]


@pytest.mark.parametrize("seed", range(60))
def test_brackets_turns_and_answers_hold_in_any_order(seed):
    chaos = Chaos(seed)
    chaos.outputs += [*chaos.session.open(), *chaos.session.receive(metadata())]
    for _ in range(STEPS):
        chaos.step()
    chaos.outputs += chaos.session.closed()

    running, speaks, seen = None, False, set()
    for one in chaos.outputs:
        if isinstance(one, ResponseStarted):
            assert running is None, "a response began within another one"
            assert one.response_id not in seen
            running = one.response_id
            seen.add(running)
        elif isinstance(one, ResponseFinished):
            assert one.response_id == running, "the end of a response that does not run"
            running = None
        elif isinstance(one, AudioChunk | BotTranscript | ToolCall):
            assert one.response_id == running, f"{type(one).__name__} outside of its response"
        elif isinstance(one, UserSpeechStarted):
            assert not speaks
            speaks = True
        elif isinstance(one, UserSpeechStopped):
            assert speaks
            speaks = False
    assert running is None
    results = [one["tool_call_id"] for one in sent(chaos.outputs) if one.get("type") == "client_tool_result"]
    assert len(results) == len(set(results)), "a call was answered twice"


@pytest.mark.parametrize("seed", range(20))
def test_p18_no_sound_up_to_an_interruption_is_let_through_after_it(seed):
    chaos = Chaos(seed)
    chaos.session.open()
    chaos.session.receive(metadata())
    stopped = 0
    for _ in range(STEPS):
        number = chaos.next_id()
        if chaos.random.random() < 0.2:
            chaos.session.receive(interruption(number))
            stopped = max(stopped, number)
            continue
        outputs = chaos.session.receive(audio(number, 20))
        if number <= stopped:
            assert not any(isinstance(one, AudioChunk) for one in outputs)
