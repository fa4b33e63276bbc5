"""Rows S004-1..37 and C25 that no other test here names. S004-9, the JavaScript twins, is no goal."""

from __future__ import annotations

import json
from enum import Enum
from typing import Literal

import pytest
from loguru import logger
from pydantic import BaseModel, ValidationError

from tests.agents.calls import call, caller, local, watch
from tests.support.tones import heard_in
from voicepipe.agents import (
    Agent,
    AgentSession,
    AgentStateChangedEvent,
    ChatMessage,
    ConversationItemAddedEvent,
    RunContext,
    StopResponse,
    UserInputTranscribedEvent,
    function_tool,
    realtime,
)
from voicepipe.agents.realtime import VOICES
from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SemanticTurnDetection, TurnDetection


def test_c25_an_event_serves_the_documents_shape_and_livekits():
    state = AgentStateChangedEvent("listening", "thinking")
    assert state == "thinking"
    assert f"{state}" == "thinking"
    assert {state: 1}["thinking"] == 1
    assert (state.old_state, state.new_state, state.type) == ("listening", "thinking", "agent_state_changed")
    assert state.created_at > 0
    words = UserInputTranscribedEvent(transcript="hello")
    assert words.text == words.transcript == "hello"
    item = ChatMessage(role="user", content=["hello"])
    added = ConversationItemAddedEvent(item=item)
    assert added.item is item
    assert (added.role, added.text_content, added.content, added.id) == ("user", "hello", ["hello"], item.id)
    assert str(added) == str(item)


@pytest.mark.virtual_time
async def test_s004_12_a_service_is_taken_as_llm_as_well_and_session_and_start_take_the_same(tmp_path):
    async with local() as here:
        llm = OpenAIRealtimeLLMService(
            api_key="k", base_url=here.server.url, session_properties=here.model().properties
        )
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        session = AgentSession(llm=llm)
        await call(session, Agent(instructions="You help."), room)
        assert here.wire.sent("session.update")[0]["session"]["instructions"] == "You help."
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
    assert llm in session.pipeline.processors


async def test_s004_36_what_is_no_model_is_refused_by_name():
    for llm in (None, "gpt-realtime"):
        with pytest.raises(SettingsError, match=r"llm: is .*RealtimeModel"):
            await AgentSession().start(Agent(instructions=""), room=caller("hello"), llm=llm)


def test_s004_13_14_what_a_model_is_without_being_told():
    model = realtime.RealtimeModel(api_key="k")
    assert model.model == "gpt-realtime"
    assert model.properties.audio.output.voice == "marin"
    detection = model.properties.audio.input.turn_detection
    assert (detection.type, detection.eagerness) == ("semantic_vad", "medium")
    assert model.properties.audio.input.transcription.model == "gpt-4o-mini-transcribe"
    assert "sk" not in repr(realtime.RealtimeModel(api_key="sk-secret"))


def test_s004_15_temperature_is_left_out_with_one_warning():
    told: list[str] = []
    sink = logger.add(lambda line: told.append(str(line)), level="WARNING", format="{message}")
    try:
        service = realtime.RealtimeModel(api_key="k", temperature=0.6).service()
    finally:
        logger.remove(sink)
    assert [line.split(":")[0] for line in told] == ["temperature"]
    assert "temperature" not in service.session_properties.model_dump(exclude_none=True)


@pytest.mark.virtual_time
async def test_s004_17_audio_alone_tells_nobody_the_models_words(tmp_path):
    session = AgentSession()
    seen = watch(session)
    async with local() as here:
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        await call(session, Agent(instructions=""), room, here.model(modalities=["audio"]))
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
    user, assistant = session.history.messages()
    assert user.text_content == "hello"
    assert assistant.text_content is None
    assert [event.text_content for event in seen.of("conversation_item_added")] == ["hello", None]


def test_s004_16_modalities_are_checked():
    assert realtime.RealtimeModel(modalities=["text"]).properties.output_modalities == ["text"]
    for wrong in ([], ["video"]):
        with pytest.raises(SettingsError, match="modalities"):
            realtime.RealtimeModel(modalities=wrong)


def test_s004_18_19_the_voices_of_the_document_have_their_characters():
    for voice in ("alloy", "echo", "fable", "onyx", "nova", "shimmer"):
        assert VOICES[voice]
        assert realtime.RealtimeModel(voice=voice).properties.audio.output.voice == voice


def test_s004_20_21_turn_detection_by_class_by_dict_and_off():
    assert realtime.ServerVad is TurnDetection
    assert realtime.SemanticVad is SemanticTurnDetection
    by_dict = realtime.RealtimeModel(turn_detection={"type": "server_vad", "threshold": 0.7})
    assert by_dict.properties.audio.input.turn_detection.threshold == 0.7
    off = realtime.RealtimeModel(turn_detection=None)
    assert off.properties.audio.input.turn_detection is False
    with pytest.raises(ValidationError, match="threshold"):
        realtime.ServerVad(threshold=2)


def test_s004_33_key_and_address_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    model = realtime.RealtimeModel()
    with pytest.raises(SettingsError, match=r"api_key: is empty.*OPENAI_API_KEY"):
        model.service()
    assert model.base_url == "wss://api.openai.com/v1/realtime"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/")
    assert realtime.RealtimeModel().base_url == "ws://127.0.0.1:8000/v1/realtime"
    assert realtime.RealtimeModel(base_url="wss://x.test/v1/realtime").base_url == "wss://x.test/v1/realtime"
    with pytest.raises(SettingsError, match="base_url"):
        realtime.RealtimeModel(base_url="x.test")


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Topping(BaseModel):
    title: str
    grams: int = 10


class Knot(BaseModel):
    inner: list[Knot]


class Odd:
    pass


def test_s004_22_a_schema_comes_from_type_hints_and_docstring():
    class Kitchen(Agent):
        @function_tool()
        async def order(
            self,
            ctx: RunContext,
            size: Size,
            toppings: list[Topping],
            crust: Literal["thin", "thick"] = "thin",
            note: str | None = None,
        ) -> str:
            """Order a pizza.

            It is baked at once.

            Args:
                size: How large it is.
                note: For the cook.
            """
            self.got = (size, toppings, crust, note, ctx)
            return "done"

    [tool] = Kitchen(instructions="").tools
    assert (tool.name, tool.description) == ("order", "Order a pizza.\n\nIt is baked at once.")
    properties = tool.parameters["properties"]
    assert list(properties) == ["size", "toppings", "crust", "note"]
    assert tool.parameters["required"] == ["size", "toppings"]
    assert properties["size"] == {
        "enum": ["small", "large"],
        "type": "string",
        "description": "How large it is.",
    }
    assert properties["toppings"]["items"]["properties"] == {
        "title": {"type": "string"},
        "grams": {"type": "integer", "default": 10},
    }
    assert properties["crust"]["default"] == "thin"
    assert properties["note"]["description"] == "For the cook."
    assert "$" not in json.dumps(tool.parameters)


async def test_a_tool_gets_values_of_the_types_that_it_says():
    got = []

    @function_tool
    async def order(ctx: RunContext, size: Size, toppings: list[Topping]) -> None:
        """Order."""
        got.append((ctx, size, toppings))

    await order.run("context", {"size": "small", "toppings": [{"title": "olives"}]})
    assert got == [("context", Size.SMALL, [Topping(title="olives")])]


def test_a_function_that_cannot_be_a_tool_is_refused_by_name():
    def no_hint(x):
        pass

    def no_json(x: Odd) -> None:
        pass

    def endless(x: Knot) -> None:
        pass

    for function, why in (
        (no_hint, "no_hint.x: needs a type hint"),
        (no_json, "no_json: a parameter's type has no JSON"),
        (endless, "endless: the type Knot contains itself"),
    ):
        with pytest.raises(SettingsError, match=why):
            function_tool(function)

    def first(x: int) -> None: ...

    with pytest.raises(SettingsError, match="there are two of the name 'first'"):
        Agent(instructions="", tools=[first, first])
    with pytest.raises(SettingsError, match="raw_schema"):
        function_tool(raw_schema={})(first)


async def test_a_schema_by_hand_gives_all_arguments_as_one():
    @function_tool(raw_schema={"name": "any", "description": "Anything.", "parameters": {"type": "object"}})
    async def anything(raw_arguments: dict) -> dict:
        return raw_arguments

    assert anything.wire == {
        "type": "function",
        "name": "any",
        "description": "Anything.",
        "parameters": {"type": "object"},
    }
    assert await anything.run(None, {"a": 1}) == {"a": 1}


@pytest.mark.virtual_time
async def test_a_tool_that_stops_the_response_is_not_spoken_to(tmp_path):
    @function_tool
    async def get_order_status(order_id: str) -> str:
        """Look up."""
        raise StopResponse

    async with local() as here:
        room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav", answer_timeout_secs=2)
        await call(AgentSession(tools=[get_order_status]), Agent(instructions=""), room, here.model())
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_s004_29_32_a_transcript_says_which_item_it_is_of(tmp_path):
    session = AgentSession()
    seen = watch(session)
    async with local() as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    final = seen.of("user_input_transcribed")[-1]
    assert final.is_final
    assert final.item_id == session.history.messages()[0].id


@pytest.mark.virtual_time
async def test_s004_35_usage_is_counted_by_model_in_tokens(tmp_path):
    session = AgentSession()
    seen = watch(session)
    async with local() as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    usage = next(part for part in session.usage.model_usage if part.model == "gpt-realtime")
    assert usage.input_audio_tokens > 0
    assert usage.output_audio_tokens > 0
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_text_tokens + usage.input_audio_tokens == usage.input_tokens
    assert usage.output_text_tokens + usage.output_audio_tokens == usage.output_tokens
    assert seen.of("session_usage_updated")[-1].usage is session.usage
    assert len({type(event.metrics).__name__ for event in seen.of("metrics_collected")}) > 1


def test_s004_31_handlers_are_synchronous_and_events_have_names():
    session = AgentSession()
    told = []
    with pytest.raises(SettingsError, match="not async"):

        @session.on("close")
        async def on_close(event):
            pass

    with pytest.raises(SettingsError, match="agent_state_changed"):
        session.on("agent_state", print)

    def broken(payload):
        raise ValueError("handler")

    session.on("error", broken)
    session.on("error", told.append)
    session.once("error", told.append)
    session.emit("error", 1)
    session.emit("error", 2)
    session.off("error", told.append)
    session.emit("error", 3)
    assert told == [1, 1, 2]


@pytest.mark.virtual_time
async def test_a_user_who_says_nothing_is_away_and_comes_back(tmp_path):
    from tests.agents.calls import after

    session = AgentSession(user_away_timeout=3.0)
    seen = watch(session)
    async with local() as here:
        await call(session, Agent(instructions=""), caller(after(5, "hello")), here.model())
    assert seen.of("user_state_changed") == ["away", "speaking", "listening"]


@pytest.mark.virtual_time
async def test_close_ends_everything_at_once_and_a_session_starts_once(tmp_path):
    session = AgentSession(userdata={"name": "Ada"})
    seen = watch(session)
    async with local() as here:
        agent = Agent(instructions="")
        await session.start(agent, room=caller("hello"), llm=here.model())
        assert session.userdata["name"] == "Ada"
        speech = session.say("Never heard to its end.")
        with pytest.raises(VoicepipeError, match="started once"):
            await session.start(agent, room=caller("hello"), llm=here.model())
        await session.aclose()
        await session.aclose()
    assert speech.interrupted
    assert [event.reason for event in seen.of("close")] == ["user_initiated"]
    with pytest.raises(VoicepipeError, match="in no session"):
        _ = agent.session
    with pytest.raises(VoicepipeError, match="does not run"):
        session.say("Too late.")


@pytest.mark.virtual_time
async def test_processors_of_ones_own_stand_on_either_side_of_the_model(tmp_path):
    from pipecat.processors.frame_processor import FrameDirection

    from tests.support.pipelines import Recorder
    from voicepipe.frames import InputAudioRawFrame, TTSAudioRawFrame

    before, behind = (Recorder(keep=FrameDirection.DOWNSTREAM) for _ in range(2))
    session = AgentSession(input_processors=[before], output_processors=[behind])
    async with local() as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    processors = session.pipeline.processors
    assert processors.index(before) < processors.index(behind)
    assert before.of(InputAudioRawFrame)
    assert behind.of(TTSAudioRawFrame)
    assert not before.of(TTSAudioRawFrame)
