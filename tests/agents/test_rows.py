"""Rows S004-1..37 and C25, each shown by a test of its number. S004-9, the JavaScript twins, is no goal."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from loguru import logger
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.ai_service import AIService
from pydantic import ValidationError

from tests.agents.calls import ENGINES, call, caller, engine, local, watch
from tests.agents.test_tools_in_session import Orders
from tests.agents.tone_services import ToneSTT, ToneTTS, cascade
from tests.support.pipelines import Recorder
from tests.support.tones import heard, heard_in, spoken
from voicepipe.agents import (
    Agent,
    AgentServer,
    AgentSession,
    AgentStateChangedEvent,
    ChatMessage,
    ConversationItemAddedEvent,
    UserInputTranscribedEvent,
    realtime,
)
from voicepipe.agents.commands import options_of
from voicepipe.agents.realtime import VOICES
from voicepipe.agents.rooms import rooms_for
from voicepipe.errors import MissingExtraError, SettingsError
from voicepipe.frames import InputAudioRawFrame
from voicepipe.realtime.fillers import Filler
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SemanticTurnDetection, TurnDetection
from voicepipe.transports.sound import Sound
from voicepipe.transports.wav_file import Question


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
async def test_s004_11_a_realtime_model_bypasses_stt_and_tts(tmp_path):
    parts = cascade()
    async with local() as here:
        parts["llm"] = here.model()
        session = AgentSession()
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        await call(session, Agent(instructions=""), room, **parts)
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
    assert parts["stt"].frames == 0
    assert parts["tts"].texts == []
    assert not [part for part in session.pipeline.processors if isinstance(part, ToneSTT | ToneTTS)]


@pytest.mark.virtual_time
async def test_s004_23_the_same_tools_run_in_a_chain(tmp_path):
    agent, session = Orders(), AgentSession()
    seen = watch(session)
    room = caller("where is order four two", answer_path=tmp_path / "answer.wav")
    await call(session, agent, room, **cascade())
    assert agent.asked == ["42"]
    assert heard_in(tmp_path / "answer.wav").split() == ["Your", "order", "42", "is", "on", "its", "way."]
    assert [type(item).__name__ for item in session.history.items] == [
        "ChatMessage",
        "FunctionCall",
        "FunctionCallOutput",
        "ChatMessage",
    ]
    assert len(seen.of("function_tools_executed")) == 1


async def spoken_to(tmp_path, llm, *questions: str | Question, agent: Agent | None = None, **parts: Any):
    """Hold a call; returns the session and what was heard of the agent."""
    session = AgentSession()
    room = caller(*(questions or ("hello",)), answer_path=tmp_path / "answer.wav")
    await call(session, agent or Agent(instructions="You help."), room, llm, **parts)
    return session, heard_in(tmp_path / "answer.wav")


HELLO = "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_s004_1_the_names_of_the_import_line_make_a_bot(tmp_path):
    from voicepipe.agents import Agent, AgentServer, RunContext, function_tool, rtc_session

    assert all((RunContext, function_tool, AgentServer))
    async with local() as here:

        @rtc_session
        async def entrypoint(session: AgentSession):
            await session.start(agent=Agent(instructions=""), room=session.room, llm=here.model())

        assert isinstance(entrypoint, AgentServer)
        await entrypoint.serve(caller("hello", answer_path=tmp_path / "answer.wav"))
    assert heard_in(tmp_path / "answer.wav") == HELLO


def test_s004_2_the_plugins_name_is_a_module_here():
    from voicepipe.agents import realtime

    assert {"RealtimeModel", "ServerVad", "SemanticVad", "VOICES"} <= set(vars(realtime))


@pytest.mark.virtual_time
async def test_s004_3_4_6_the_decorated_function_gets_a_session_with_its_room():
    for mark in (lambda server: server.rtc_session, lambda server: server.rtc_session()):
        server, room, given = AgentServer(), caller("hello"), []

        @mark(server)
        async def entrypoint(session: AgentSession, given=given):
            given.append((type(session), session.room))

        await server.serve(room)
        assert given == [(AgentSession, room)]


@pytest.mark.virtual_time
async def test_s004_5_7_start_takes_agent_room_and_llm_and_the_instructions_reach_the_model(tmp_path):
    async with local() as here:
        session, heard = await spoken_to(tmp_path, here.model())
        [first, *_] = here.wire.sent("session.update")
    assert first["session"]["instructions"] == "You help."
    assert heard == HELLO
    assert not session.room.unanswered


def test_s004_8_run_is_synchronous_and_returns_when_the_conversation_is_over(tmp_path):
    server, closed = AgentServer(room=lambda: caller("hello", answer_path=tmp_path / "a.wav")), []

    @server.rtc_session
    async def entrypoint(session: AgentSession):
        session.on("close", closed.append)
        async with local() as here:
            await session.start(agent=Agent(instructions=""), room=session.room, llm=here.model())
            await session.wait_closed()

    assert server.run(["start", "--log-level", "critical"]) is None
    assert [event.reason for event in closed] == ["participant_disconnected"]
    assert heard_in(tmp_path / "a.wav") == HELLO


@pytest.mark.virtual_time
async def test_s004_10_26_there_is_no_other_service_and_one_key_is_enough(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_SECRET")):
            monkeypatch.delenv(name)
    async with local() as here:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", here.server.url)
        session, heard = await spoken_to(tmp_path, realtime.RealtimeModel())
    assert heard == HELLO
    assert [part for part in session.pipeline.processors if isinstance(part, AIService)] == [
        part for part in session.pipeline.processors if isinstance(part, OpenAIRealtimeLLMService)
    ]


@pytest.mark.virtual_time
async def test_s004_13_14_16_21_27_the_models_settings_reach_the_server_as_a_whole(tmp_path):
    turns = realtime.ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    async with local() as here:
        model = here.model(
            model="gpt-4o-realtime-preview",
            voice="alloy",
            modalities=["audio", "text"],
            turn_detection=turns,
        )
        session, _ = await spoken_to(tmp_path, model)
        [created] = [event for _, event in here.wire.events if event["type"] == "session.created"]
        told = here.wire.sent("session.update")[0]["session"]
    assert created["session"]["model"] == "gpt-4o-realtime-preview"
    assert told["audio"]["output"]["voice"] == "alloy"
    assert told["output_modalities"] == ["audio"]
    detection = told["audio"]["input"]["turn_detection"]
    assert (detection["type"], detection["threshold"]) == ("server_vad", 0.5)
    assert (detection["prefix_padding_ms"], detection["silence_duration_ms"]) == (300, 500)
    assert [message.text_content for message in session.history.messages()] == ["hello", HELLO]


@pytest.mark.virtual_time
async def test_s004_15_temperature_is_sent_where_the_wire_has_one(tmp_path):
    async with engine("realtime_beta") as here:
        await spoken_to(tmp_path, here.model(temperature=0.7))
        assert here.wire.sent("session.update")[0]["session"]["temperature"] == 0.7


@pytest.mark.virtual_time
async def test_s004_19_another_voice_than_the_models_speaks_its_text(tmp_path):
    voice = ToneTTS()
    async with local() as here:
        _, heard = await spoken_to(tmp_path, here.model(modalities=["text"]), tts=voice)
    assert heard.split() == HELLO.split()
    assert voice.texts


@pytest.mark.virtual_time
@pytest.mark.parametrize("waits", [True, False])
async def test_s004_20_a_sentence_that_is_not_finished_is_waited_for_by_meaning_alone(tmp_path, waits):
    first, second = spoken("i want to order a"), spoken("pizza")
    pause = bytes(2 * first.sample_rate)
    question = Question(Sound(first.pcm + pause + second.pcm, first.sample_rate))
    detection = realtime.SemanticVad() if waits else realtime.ServerVad(silence_duration_ms=500)
    async with local() as here:
        session, _ = await spoken_to(tmp_path, here.model(turn_detection=detection), question)
    said = [message.text_content for message in session.history.messages() if message.role == "user"]
    assert said == (["i want to order a pizza"] if waits else ["i want to order a", "pizza"])


@pytest.mark.virtual_time
async def test_s004_22_a_method_marked_as_a_tool_is_called_with_its_context(tmp_path):
    agent = Orders()
    async with local() as here:
        _, heard = await spoken_to(tmp_path, here.model(), "order four two", agent=agent)
        [tool] = here.wire.sent("session.update")[0]["session"]["tools"]
    assert (tool["name"], tool["parameters"]["required"]) == ("get_order_status", ["order_id"])
    assert tool["description"] == "Look up the status of a customer order by order ID."
    assert agent.asked == ["42"]
    assert heard == "Your order 42 is on its way."


@pytest.mark.virtual_time
async def test_s004_24_a_tool_is_silence_for_as_long_as_it_takes_and_a_filler_breaks_it(tmp_path):
    silent_secs = {}
    for name, filler in {"silent": None, "filled": Filler(500)}.items():
        times = []
        session = AgentSession()

        @session.on("agent_state_changed")
        def on_state(state: str, times=times) -> None:
            times.append((str(state), asyncio.get_running_loop().time()))

        async with local() as here:
            room = caller("order four two", answer_path=tmp_path / "answer.wav")
            await call(session, Orders(secs=3.0), room, here.model(tool_filler=filler))
        thinks = next(at for state, at in times if state == "thinking")
        silent_secs[name] = next(at for state, at in times if state == "speaking") - thinks
    assert silent_secs["silent"] >= 3.0
    assert silent_secs["filled"] < 1.5


@pytest.mark.virtual_time
async def test_s004_25_a_chain_of_services_is_the_same_call(tmp_path):
    session, heard = await spoken_to(tmp_path, None, **cascade())
    assert heard.split() == HELLO.split()
    kinds = [type(part).__name__ for part in session.pipeline.processors]
    assert [kind for kind in kinds if kind in ("ToneSTT", "ScriptLLM", "ToneTTS")] == [
        "ToneSTT",
        "ScriptLLM",
        "ToneTTS",
    ]


@pytest.mark.virtual_time
async def test_s004_28_29_30_handlers_get_a_text_a_transcript_and_an_item(tmp_path):
    session, told = AgentSession(), []

    @session.on("agent_state_changed")
    def on_state(state: str):
        told.append(f"Agent state: {state}")
        assert state == state.new_state != state.old_state

    @session.on("user_input_transcribed")
    def on_transcript(transcript):
        told.append(f"User said: {transcript.text}")
        assert transcript.text == transcript.transcript

    @session.on("conversation_item_added")
    def on_item(item):
        told.append(f"Conversation item: {item}")
        assert (item.role, item.text_content) == (item.item.role, item.item.text_content)

    async with local() as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    assert {line.split(":")[0] for line in told} == {"Agent state", "User said", "Conversation item"}
    assert "User said: hello" in told
    assert f"Conversation item: assistant: {HELLO}" in told


@pytest.mark.virtual_time
async def test_s004_32_a_transcription_of_ones_own_runs_beside_the_models(tmp_path):
    class Tap(Recorder):
        """Hears what the model hears, and writes it down by itself."""

        @property
        def words(self) -> str:
            sound = [frame.audio for frame in self.of(InputAudioRawFrame)]
            return heard(Sound(b"".join(sound), self.of(InputAudioRawFrame)[0].sample_rate))

    tap = Tap(keep=FrameDirection.DOWNSTREAM)
    session = AgentSession(input_processors=[tap])
    seen = watch(session)
    async with local() as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    assert tap.words == seen.of("user_input_transcribed")[-1].text == "hello"


async def test_s004_34_a_livekit_room_is_made_from_the_three_variables(monkeypatch):
    from pipecat.transports.livekit.transport import LiveKitTransport

    names = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    secret = "s" * 32
    for name, value in zip(names, ("ws://127.0.0.1:7880", "key", secret), strict=True):
        monkeypatch.setenv(name, value)
    options = options_of(["start", "--room", "lobby"])
    [room] = [room async for room in rooms_for(options, None)]
    assert isinstance(room, LiveKitTransport)
    assert secret not in repr(room)
    for name in names:
        with monkeypatch.context() as without:
            without.delenv(name)
            with pytest.raises(SettingsError, match=f"{name}: is not set"):
                _ = [room async for room in rooms_for(options, None)]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"voicepipe\[livekit\]"):
        _ = [room async for room in rooms_for(options, None)]


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", [*ENGINES, "chain"])
async def test_s004_37_the_same_agent_on_several_engines(tmp_path, name):
    agent, question = Orders(), "where is order four two"
    if name == "chain":
        _, heard = await spoken_to(tmp_path, None, question, agent=agent, **cascade())
    else:
        async with engine(name, "get_order_status") as here:
            _, heard = await spoken_to(tmp_path, here.model(), question, agent=agent)
    assert agent.asked == ["42"]
    assert " ".join(heard.split()) == "Your order 42 is on its way."
