"""What every session promises, whatever order things come in: the machine that a provider's own rules are added to."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from voicepipe.realtime.events import (
    AudioChunk,
    BotTranscript,
    Output,
    ResponseFinished,
    ResponseStarted,
    Send,
    ToolCall,
)
from voicepipe.realtime.session import Session

NUMBERS = st.integers(1, 4)


class AnyOrder(RuleBasedStateMachine):
    """Events with few ids in any order, twice, too late or never, between whatever a client may do.

    Who adds the rules of a wire sets `is_ready` as soon as its session is.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.is_ready = False
        self.drops = 0
        self.open_response: str | None = None
        self.responses: list[str] = []
        self.calls: list[str] = []

    def hear(self, message: bytes | str) -> None:
        """Let the server say something."""
        self.take(self.session.receive(message))

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.check_sent(json.loads(output.message))
            else:
                self.check_happened(output)

    def check_sent(self, event: dict[str, Any]) -> None:
        """Check what goes out; for a wire's own promises."""

    def check_happened(self, happening: Any) -> None:
        if isinstance(happening, ResponseStarted):
            assert self.open_response is None, "one response at a time"
            assert happening.response_id not in self.responses, "a response begins once"
            self.open_response = happening.response_id
            self.responses.append(happening.response_id)
        elif isinstance(happening, ResponseFinished):
            assert happening.response_id == self.open_response, "what ends has begun and not ended"
            self.open_response = None
        elif isinstance(happening, AudioChunk | BotTranscript | ToolCall):
            assert happening.response_id == self.open_response, "nothing outside of its response"
            if isinstance(happening, ToolCall):
                assert happening.call_id not in self.calls, "a call is made once"
                self.calls.append(happening.call_id)

    @initialize()
    def opens(self) -> None:
        self.take(self.session.open())

    @precondition(lambda self: self.is_ready)
    @rule()
    def drops_the_connection(self) -> None:
        self.take(self.session.closed())
        assert self.open_response is None, "nothing stays open"
        self.is_ready = False
        self.drops += 1
        self.take(self.session.open())

    @precondition(lambda self: self.is_ready)
    @rule(message=st.one_of(st.binary(max_size=20), st.text(max_size=20)))
    def nonsense_comes(self, message: bytes | str) -> None:
        self.hear(message)

    @rule(value=st.sampled_from(["a", "b", 3]))
    def changes_a_setting(self, value: Any) -> None:
        self.take(self.session.update({"instructions": value}))

    def teardown(self) -> None:
        self.take(self.session.closed())
        assert self.open_response is None
