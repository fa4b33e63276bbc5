"""Whatever a client sends, in whatever order: nothing is raised, and what was begun is ended once."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.ga_session import GASession, of
from tests.support.tones import spoken
from voicepipe.local.openai_ga.events import Event
from voicepipe.local.openai_ga.wishes import Answer

REPLIES = {
    "session.update": "session.updated",
    "input_audio_buffer.append": None,
    "input_audio_buffer.commit": "input_audio_buffer.committed",
    "input_audio_buffer.clear": "input_audio_buffer.cleared",
    "conversation.item.create": "conversation.item.added",
    "conversation.item.delete": "conversation.item.deleted",
    "conversation.item.retrieve": "conversation.item.retrieved",
    "conversation.item.truncate": "conversation.item.truncated",
    "response.create": "response.created",
    "response.cancel": "response.done",
}


def base64(sound: bytes) -> str:
    return b64encode(sound).decode()


SOUND = {
    "~finished": base64(spoken("good morning to you").pcm),
    "~unfinished": base64(spoken("I want to").pcm),
    "~pause": base64(bytes(48 * 400)),
    "~silence": base64(bytes(48 * 4500)),
    "~odd": base64(b"\x01"),
    "~none": "",
}
SOUNDS = st.sampled_from(list(SOUND))
# "@n" stands for the n-th item or response that there is, counted from the newest.
ITEM_IDS = st.sampled_from(["mine", "other", "@0", "@1", "@2", "i" * 33])
FORMATS = st.sampled_from([{"type": "audio/pcm"}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}])
TEXTS = st.sampled_from(["", "Hello.", "One two three."])
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("input_text"), "text": TEXTS}),
    st.fixed_dictionaries({"type": st.just("input_audio"), "audio": SOUNDS}),
    st.just({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}),
    st.fixed_dictionaries({"type": st.just("output_text"), "text": TEXTS}),
)
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "role": st.sampled_from(["user", "assistant", "system"]),
            "content": st.lists(PARTS, max_size=2),
        },
        optional={"id": ITEM_IDS, "status": st.sampled_from(["completed", "incomplete"])},
    ),
    st.just({"type": "function_call", "name": "f", "call_id": "c", "arguments": "[1]"}),
    st.just({"type": "function_call_output", "call_id": "c", "output": ""}),
)
DETECTIONS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"type": st.just("server_vad")},
        optional={
            "create_response": st.booleans(),
            "interrupt_response": st.booleans(),
            "silence_duration_ms": st.integers(0, 500),
            "prefix_padding_ms": st.integers(0, 500),
            "threshold": st.floats(0, 1),
            "idle_timeout_ms": st.one_of(st.none(), st.integers(5000, 30000)),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("semantic_vad")}, optional={"eagerness": st.sampled_from(["low", "high"])}
    ),
)
SESSIONS = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "instructions": TEXTS,
        "output_modalities": st.sampled_from([["audio"], ["text"]]),
        "max_output_tokens": st.one_of(st.integers(1, 20), st.just("inf")),
        "tracing": st.sampled_from([None, "auto"]),
        "include": st.sampled_from([None, ["item.input_audio_transcription.logprobs"]]),
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries(
                    {},
                    optional={
                        "format": FORMATS,
                        "turn_detection": DETECTIONS,
                        "transcription": st.sampled_from(
                            [None, {"model": "whisper-1"}, {"model": "gpt-4o-transcribe"}]
                        ),
                    },
                ),
                "output": st.fixed_dictionaries(
                    {},
                    optional={
                        "format": FORMATS,
                        "voice": st.sampled_from(["marin", "ash"]),
                        "speed": st.floats(0.25, 1.5),
                    },
                ),
            },
        ),
    },
)
REFERENCES = st.fixed_dictionaries({"type": st.just("item_reference"), "id": ITEM_IDS})
RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none"]),
        "input": st.lists(st.one_of(ITEMS, REFERENCES), max_size=2),
        "output_modalities": st.sampled_from([["audio"], ["text"]]),
        "max_output_tokens": st.integers(1, 20),
        "metadata": st.just({"token": "1"}),
    },
)
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "session.update": {"session": SESSIONS},
    "input_audio_buffer.append": {"audio": SOUNDS},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "conversation.item.create": {"item": ITEMS, "previous_item_id": st.one_of(st.none(), ITEM_IDS)},
    "conversation.item.delete": {"item_id": ITEM_IDS},
    "conversation.item.retrieve": {"item_id": ITEM_IDS},
    "conversation.item.truncate": {
        "item_id": ITEM_IDS,
        "content_index": st.integers(0, 1),
        "audio_end_ms": st.integers(-1, 1000),
    },
    "response.create": {"response": RESPONSES},
    "response.cancel": {"response_id": st.one_of(st.none(), ITEM_IDS)},
}
EVENTS = st.one_of(
    *(st.fixed_dictionaries({"type": st.just(type_), **fields}) for type_, fields in FIELDS.items())
)
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """An event with junk in the place of something, or with something missing or too much."""
    # A copy, since some parts are the same object each time they are drawn.
    event = deepcopy(draw(EVENTS))
    within: Any = event
    while True:
        names = list(within) if isinstance(within, dict) else list(range(len(within)))
        if not names:
            break
        name = draw(st.sampled_from(names))
        if isinstance(within[name], dict | list) and draw(st.booleans()):
            within = within[name]
            continue
        if draw(st.booleans()):
            within[name] = draw(JUNK)
        else:
            del within[name]
        return event
    if isinstance(within, dict):
        within[draw(st.text(max_size=5))] = draw(JUNK)
    return event


class AnyEvents(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.session = GASession(late_deltas=1)
        self.sent = 0

    def resolved(self, value: Any) -> Any:
        """Put real ids and sounds in the places of those that stand for some."""
        if isinstance(value, dict):
            return {name: self.resolved(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.resolved(part) for part in value]
        if isinstance(value, str) and value in SOUND:
            return SOUND[value]
        if isinstance(value, str) and value.startswith("@"):
            ids = [event["item"]["id"] for event in of(self.session.events, "conversation.item.added")]
            ids += [event["response"]["id"] for event in of(self.session.events, "response.created")]
            return ids[-1 - int(value[1:]) % len(ids)] if value[1:].isdigit() and ids else value
        return value

    # What a client may do.

    @rule(event=EVENTS)
    def send(self, event: dict[str, Any]) -> None:
        self.sent += 1
        event_id = f"mine {self.sent}"
        self.check(event, event_id, self.session.send(**renamed(self.resolved(event)), event_id=event_id))

    @rule(sounds=st.lists(SOUNDS, min_size=1, max_size=4))
    def user_speaks(self, sounds: list[str]) -> None:
        for sound in sounds:
            self.send({"type": "input_audio_buffer.append", "audio": sound})

    @rule(event=broken())
    def send_broken(self, event: Any) -> None:
        self.sent += 1
        event_id = f"mine {self.sent}"
        message = json.dumps({**self.resolved(event), "event_id": event_id})
        self.check(event, event_id, self.session.receive(message))

    @rule(message=st.one_of(st.text(max_size=20), st.binary(max_size=5), JUNK.map(json.dumps)))
    def send_anything(self, message: str | bytes) -> None:
        events = self.session.receive(message)
        assert [event["type"] for event in events] == ["error"]

    def check(self, event: dict[str, Any], event_id: str, events: list[Event]) -> None:
        errors = [one for one in of(events, "error") if one["error"]["event_id"] is not None]
        if errors:
            assert [one["error"]["event_id"] for one in errors] == [event_id]
            assert len(events) == 1, "a refused event changes nothing"
            return
        reply = REPLIES[event["type"]]
        assert reply is None or reply in [one["type"] for one in events]

    # What the server's driver may do.

    @rule()
    def listen(self) -> None:
        self.session.listen()

    @rule()
    def hear_nothing(self) -> None:
        if self.session.hears:
            self.session.heard(self.session.hears.pop(0), None)

    @rule(newest=st.booleans(), text=st.sampled_from(["", "Yes.", "One two three four five six."]))
    def speak(self, newest: bool, text: str) -> None:
        if answer := self.wish(newest):
            response = self.session.begin(text, answer)
            if response.has_more:
                self.advance(newest)

    @rule(newest=st.booleans())
    def advance(self, newest: bool) -> None:
        answer = self.wish(newest)
        if answer and answer.response.has_more:
            self.session.advance(answer.response)
            self.forget_what_is_over()

    @rule(newest=st.booleans())
    def call(self, newest: bool) -> None:
        answer = self.wish(newest)
        if answer and not answer.response.has_more:
            self.session.call(answer.response, "f", a=1)

    @rule(newest=st.booleans(), fails=st.booleans())
    def end(self, newest: bool, fails: bool) -> None:
        if answer := self.wish(newest):
            if fails:
                self.session.fail(answer.response, "Away.")
            else:
                self.session.finish(answer.response)
            self.forget_what_is_over()

    @rule(ms=st.integers(0, 40_000))
    def time_goes_by(self, ms: int) -> None:
        self.session.wake(self.session.now_ms + ms)

    def wish(self, newest: bool) -> Answer | None:
        answers = self.session.answers
        return answers[-1 if newest else 0] if answers else None

    def forget_what_is_over(self) -> None:
        self.session.answers = [one for one in self.session.answers if not one.response.is_over]

    # What always holds.

    @invariant()
    def one_response_runs_in_the_conversation_at_most(self) -> None:
        running: set[str] = set()
        for event in self.session.events:
            if event["type"] == "response.created" and event["response"]["conversation_id"]:
                running.add(event["response"]["id"])
            elif event["type"] == "response.done":
                running.discard(event["response"]["id"])
            assert len(running) <= 1

    def teardown(self) -> None:
        for _ in range(20):
            self.session.listen()
            while self.session.answers:
                self.session.finish(self.session.answers[0].response)
                self.forget_what_is_over()
        self.check_that_all_has_ended()

    def check_that_all_has_ended(self) -> None:
        events = self.session.events
        assert all(orjson.loads(orjson.dumps(event)) == event for event in events)
        ids = Counter(event["event_id"] for event in events)
        assert max(ids.values()) == 1
        assert order_of(events, "response.created", "response.done", "response") == "in order"
        assert order_of(events, "conversation.item.added", "conversation.item.done", "item") == "in order"
        assert order_of(events, "response.output_item.added", "response.output_item.done", "item") == (
            "in order"
        )


def order_of(events: list[Event], begins: str, ends: str, field: str) -> str:
    """Return "in order" if each thing begins once (or again after its end) and ends once for each time."""
    open_ids: set[str] = set()
    for event in events:
        if event["type"] not in (begins, ends):
            continue
        id_ = event[field]["id"]
        if (event["type"] == begins) == (id_ in open_ids):
            return f"{event['type']} of {id_}"
        open_ids ^= {id_}
    return f"{open_ids} never end" if open_ids else "in order"


def renamed(event: dict[str, Any]) -> dict[str, Any]:
    return {"type_" if name == "type" else name: value for name, value in event.items()}


TestAnyEvents = AnyEvents.TestCase
TestAnyEvents.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
