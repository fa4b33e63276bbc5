"""Whatever a client sends and in whatever order things happen: the session does not raise, and its rules hold."""

from __future__ import annotations

import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.local.elevenlabs.stage import Stage, payload
from voicepipe.local.brain import Call
from voicepipe.local.elevenlabs import Agent, ClientTool, EndCallTool, Patience
from voicepipe.local.elevenlabs.agent import ALWAYS_SENT, DEFAULT_EVENTS, OVERRIDES
from voicepipe.local.elevenlabs.wishes import Answer, Close, Speak

KINDS = [
    "conversation_initiation_client_data",
    "pong",
    "client_tool_result",
    "contextual_update",
    "user_message",
    "user_activity",
    "feedback",
    "mcp_tool_approval_result",
    "multimodal_message",
]
FIELDS = [
    "text",
    "event_id",
    "tool_call_id",
    "result",
    "is_error",
    "score",
    "context_id",
    "dynamic_variables",
    "conversation_config_override",
    "custom_llm_extra_body",
    "user_audio_chunk",
    "files",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    JSON.map(json.dumps),
    st.builds(
        lambda kind, fields: json.dumps({"type": kind, **fields}),
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    ),
    st.sampled_from(sorted(OVERRIDES)).flatmap(
        lambda path: JSON.map(lambda value: json.dumps(_override(path, value)))
    ),
)
GOOD = st.one_of(
    st.sampled_from(["hi", "stop", "weather"]).map(lambda text: {"type": "user_message", "text": text}),
    st.just({"type": "user_activity"}),
    st.integers(1, 5).map(lambda number: {"type": "pong", "event_id": number}),
    st.integers(1, 4).map(
        lambda number: {
            "type": "client_tool_result",
            "tool_call_id": f"conv_1_call_{number}",
            "result": "done",
        }
    ),
    st.sampled_from(["a", None]).map(
        lambda context: {"type": "contextual_update", "text": "x", "context_id": context}
    ),
    st.binary(max_size=400).map(lambda pcm: {"user_audio_chunk": base64.b64encode(pcm).decode()}),
)
STEPS = st.lists(
    st.one_of(
        GOOD.map(lambda message: ("send", message)),
        st.integers(0, 4000).map(lambda ms: ("pass", ms)),
        st.sampled_from([("reply", "One two."), ("reply", Call("look")), ("reply", Call("end_call"))]),
        st.just(("begin to reply", "One two three four.")),
    ),
    max_size=30,
)
AGENT = Agent(
    "agent_1",
    first_message="Hello.",
    tools=[ClientTool("look", response_timeout_secs=2), EndCallTool()],
    allows=OVERRIDES,
    allows_extra_body=True,
    turn_timeout_secs=5,
    silence_end_call_secs=20,
    max_duration_secs=60,
    max_duration_message="Time is up.",
)


def _override(path: str, value: object) -> dict[str, object]:
    *parents, name = path.split(".")
    config: dict[str, object] = {name: value}
    for parent in reversed(parents):
        config = {parent: config}
    return {"type": "conversation_initiation_client_data", "conversation_config_override": config}


@given(st.lists(MESSAGES, max_size=6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_message_makes_the_session_raise(messages, has_begun):
    stage = Stage(AGENT)
    if has_begun:
        stage.begin()
    for message in messages:
        stage.send(message)
    stage.pass_ms(30_000)
    closes = [wish for wish in stage.wishes if isinstance(wish, Close)]
    assert len(closes) <= 1
    assert stage.session.is_over == bool(closes)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_the_rules_of_the_wire_hold_in_any_order_of_things(steps):
    stage = Stage(AGENT, patience=Patience(pong_within_ms=30_000))
    stage.begin()
    for what, value in steps:
        if what == "send":
            stage.send(value)
        elif what == "pass":
            stage.pass_ms(value)
        elif what == "reply" and (wish := stage.pop(Answer) or stage.pop(Speak)):
            stage.make(wish.reply, value)
        elif wish := stage.pop(Answer):
            stage.make(wish.reply, value, pieces=1)
    _check(stage)


def _check(stage: Stage) -> None:
    told = [payload(event) for event in stage.events if event["type"] not in ("ping", "error")]
    ids = [one["event_id"] for one in told if "event_id" in one]
    assert ids == sorted(set(ids))
    assert {event["type"] for event in stage.events} <= {*DEFAULT_EVENTS, *ALWAYS_SENT}
    said = [one["agent_response"] for one in stage.of("agent_response")]
    for one in stage.of("agent_response_correction"):
        assert one["original_agent_response"] in said
        assert one["original_agent_response"].startswith(one["corrected_agent_response"])
    calls = [one["tool_call_id"] for one in stage.of("client_tool_call")]
    answers = [one["tool_call_id"] for one in stage.of("agent_tool_response") if one["tool_type"] == "client"]
    assert sorted(answers) == sorted(set(answers))
    assert set(answers) <= set(calls)
