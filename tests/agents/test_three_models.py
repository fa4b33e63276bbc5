"""One agent on three realtime APIs: OpenAI's, its beta wire and ElevenLabs; and what ElevenLabs' wire cannot do."""

from __future__ import annotations

import pytest

from tests.agents.calls import ENGINES, after, call, caller, engine, watch
from tests.support.tones import heard_in, spoken
from voicepipe.agents import (
    Agent,
    AgentSession,
    RunContext,
    elevenlabs,
    function_tool,
    realtime,
    realtime_beta,
)
from voicepipe.agents.history import AgentHandoff
from voicepipe.errors import SettingsError
from voicepipe.local import Pace
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from voicepipe.transports.wav_file import Question

pytestmark = pytest.mark.virtual_time
each_engine = pytest.mark.parametrize("name", ENGINES)


class Orders(Agent):
    """Has a tool of the local script's; hands over if there is somebody to hand over to."""

    def __init__(self, then: Agent | None = None) -> None:
        super().__init__(instructions="You help with orders.")
        self.then = then
        self.asked: list[str] = []

    @function_tool
    async def get_order_status(self, ctx: RunContext, order_id: str) -> object:
        """Look up an order."""
        self.asked.append(order_id)
        return self.then or {"status": "on its way"}


class Greeter(Orders):
    """Greets as its API can: in words of its own, or, at ElevenLabs, by the first message."""

    async def on_enter(self) -> None:
        if self.session.capabilities.supports_say:
            await self.session.say("Good morning.")


@each_engine
async def test_a_greeting_a_question_and_a_tool_are_the_same_to_the_application(tmp_path, name):
    agent, session = Greeter(), AgentSession()
    seen = watch(session)
    async with engine(name, "get_order_status") as here:
        room = caller(after(2, "hello"), "where is order four two", answer_path=tmp_path / "answer.wav")
        greeting = {"first_message": "Good morning."} if here.is_elevenlabs else {}
        closed = await call(session, agent, room, here.model(**greeting))
        assert not here.wire.errors()
    assert heard_in(tmp_path / "answer.wav") == (
        "Good morning. Hello! How can I help you? Your order 42 is on its way."
    )
    assert agent.asked == ["42"]
    assert [str(item) for item in session.history.items] == [
        "assistant: Good morning.",
        "user: hello",
        "assistant: Hello! How can I help you?",
        "user: where is order four two",
        'get_order_status({"order_id":"42"})',
        'get_order_status = {"status":"on its way"}',
        "assistant: Your order 42 is on its way.",
    ]
    [executed] = seen.of("function_tools_executed")
    assert executed.function_calls[0].name == "get_order_status"
    assert [event.text for event in seen.of("user_input_transcribed") if event.is_final] == [
        "hello",
        "where is order four two",
    ]
    assert seen.of("agent_state_changed")[-3:] == ["thinking", "speaking", "listening"]
    assert closed.reason == "participant_disconnected"
    assert not seen.of("error")


@each_engine
async def test_a_barge_in_leaves_in_history_what_was_heard(tmp_path, name):
    session = AgentSession()
    async with engine(name, pace=Pace(delta_ms=100, speed=1.1)) as here:
        room = caller(
            "count to twenty",
            Question(spoken("hello"), barge_in_after_ms=1000),
            answer_path=tmp_path / "answer.wav",
        )
        await call(session, Agent(instructions=""), room, here.model())
    counted, _, answered = heard_in(tmp_path / "answer.wav").partition(" Hello")
    messages = session.history.messages()
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    assert [message.interrupted for message in messages] == [False, True, False, False]
    assert counted.startswith(messages[1].text_content)
    assert len(counted) - len(messages[1].text_content) < 12
    assert answered


@each_engine
async def test_a_tool_hands_over_to_another_agent(tmp_path, name):
    sales, session = Agent(instructions="answer: This is sales.", id="sales"), AgentSession()
    async with engine(name, "get_order_status") as here:
        room = caller("order four two", "hello", answer_path=tmp_path / "answer.wav")
        await call(session, Orders(sales), room, here.model())
        assert not here.wire.errors()
        told = [event["text"] for event in here.wire.sent("contextual_update")]
    assert session.current_agent is sales
    [handoff] = [item for item in session.history.items if isinstance(item, AgentHandoff)]
    assert (handoff.old_agent_id, handoff.new_agent_id) == ("Orders", "sales")
    if name == "elevenlabs":
        # The wire can add to a prompt and not change it; what the model makes of that is up to it.
        assert told == [
            "From here on this counts, also where you were told otherwise before: answer: This is sales."
        ]
    else:
        assert heard_in(tmp_path / "answer.wav") == "This is sales. This is sales."


async def test_at_elevenlabs_a_hand_over_can_be_a_new_conversation_with_the_other_prompt(tmp_path):
    sales, session = Agent(instructions="answer: This is sales.", id="sales"), AgentSession()
    async with engine("elevenlabs", "get_order_status") as here:
        room = caller("order four two", after(1, "hello"), answer_path=tmp_path / "answer.wav")
        await call(session, Orders(sales), room, here.model(restart_on_update=True))
        begun = here.wire.sent("conversation_initiation_client_data")
    prompts = [one["conversation_config_override"]["agent"]["prompt"]["prompt"] for one in begun]
    assert prompts == ["You help with orders.", "answer: This is sales."]
    assert heard_in(tmp_path / "answer.wav").endswith("This is sales.")


@each_engine
async def test_text_of_the_users_is_answered(tmp_path, name):
    session, done = AgentSession(), []

    class Reader(Agent):
        async def on_enter(self) -> None:
            handle = await self.session.generate_reply(user_input="who are you")
            done.append((handle.interrupted, handle.exception()))

    async with engine(name) as here:
        room = caller(after(9, "hello"), answer_path=tmp_path / "answer.wav")
        await call(session, Reader(instructions=""), room, here.model())
    assert done == [(False, None)]
    assert heard_in(tmp_path / "answer.wav").startswith("I am the local voicepipe bot.")
    assert str(session.history.messages()[0]) == "user: who are you"


@each_engine
async def test_usage_is_counted_where_the_wire_counts_it(tmp_path, name):
    session = AgentSession()
    async with engine(name) as here:
        await call(session, Agent(instructions=""), caller("hello"), here.model())
    models = [usage for usage in session.usage.model_usage if usage.output_audio_tokens]
    assert len(models) == (0 if name == "elevenlabs" else 1)
    assert session.usage.session_secs > 1


async def test_what_elevenlabs_wire_has_no_message_for_is_refused_by_name_and_the_session_goes_on(tmp_path):
    session, refused = AgentSession(), []

    class Asker(Agent):
        async def on_enter(self) -> None:
            for handle in (
                self.session.say("Exactly this."),
                self.session.generate_reply(),
                self.session.generate_reply(user_input="hi", instructions="Be brief."),
            ):
                refused.append(str((await handle).exception()))
            with pytest.raises(SettingsError, match="turn_detection: is the server's"):
                await self.session.commit_user_turn()
            with pytest.raises(SettingsError, match="turn_detection: is the server's"):
                await self.session.clear_user_turn()

    async with engine("elevenlabs") as here:
        room = caller(after(1, "hello"), answer_path=tmp_path / "answer.wav")
        await call(session, Asker(instructions=""), room, here.model())
    assert [why.split(":")[0] for why in refused] == ["say", "user_input", "instructions"]
    assert "first_message" in refused[0]
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


def test_a_model_of_the_beta_has_its_settings_and_its_names():
    model = realtime_beta.RealtimeModel(
        api_key="k", voice="echo", temperature=0.7, modalities=["audio"], base_url="https://gate.test/v1"
    )
    service = model.service()
    assert isinstance(service, OpenAIRealtimeBetaLLMService)
    properties = service.session_properties
    assert (properties.voice, properties.temperature) == ("echo", 0.7)
    assert set(properties.modalities) == {"text", "audio"}
    assert not model.transcript
    assert model.base_url == "wss://gate.test/v1/realtime"
    assert properties.turn_detection.type == "server_vad"
    assert realtime_beta.ServerVad is realtime.ServerVad
    assert realtime_beta.RealtimeModel(turn_detection=None).properties.turn_detection is False
    assert realtime_beta.RealtimeModel(turn_detection={"type": "semantic_vad"}).properties
    assert "sk" not in repr(realtime_beta.RealtimeModel(api_key="sk-secret"))


def test_a_model_of_elevenlabs_has_its_settings_and_says_what_is_missing(monkeypatch):
    model = elevenlabs.RealtimeModel(
        api_key="k", agent_id="agent_1", voice="voice_1", language="de", first_message="Hallo!"
    )
    service = model.service()
    assert isinstance(service, ElevenLabsConvAIService)
    overrides = service.conversation_settings.overrides
    assert (overrides.tts.voice_id, overrides.agent.language, overrides.agent.first_message) == (
        "voice_1",
        "de",
        "Hallo!",
    )
    assert not model.capabilities.mutable_tools
    for variable in ("ELEVENLABS_API_KEY", "ELEVENLABS_AGENT_ID"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SettingsError, match=r"api_key.*ELEVENLABS_API_KEY"):
        elevenlabs.RealtimeModel(agent_id="agent_1").service()
    with pytest.raises(SettingsError, match=r"agent_id.*ELEVENLABS_AGENT_ID"):
        elevenlabs.RealtimeModel(api_key="k").service()
    with pytest.raises(SettingsError, match="modalities"):
        elevenlabs.RealtimeModel(modalities=["text"])
    assert "xi-secret" not in repr(elevenlabs.RealtimeModel(api_key="xi-secret"))


async def test_elevenlabs_sound_alone_tells_nobody_the_agents_words(tmp_path):
    session = AgentSession()
    async with engine("elevenlabs") as here:
        room = caller("hello", answer_path=tmp_path / "answer.wav")
        await call(session, Agent(instructions=""), room, here.model(modalities=["audio"]))
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
    assert [message.text_content for message in session.history.messages()] == ["hello", None]
