"""What an agent is made of besides its tools: variables, guardrails, hooks, engines of all sorts, one for each call."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.observers.base_observer import BaseObserver
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from tests.phone.agents import conversation, engine
from tests.support.phones import CALLER, NUMBER, FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import PhoneError, SettingsError
from voicepipe.frames import (
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from voicepipe.phone import (
    Caller,
    CallHooks,
    Guardrail,
    OpenAIRealtime,
    guardrail,
    tool,
    transfer_call,
)
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService

virtual_time = pytest.mark.virtual_time


class TestGuardrails:
    @virtual_time
    async def test_a_blocked_answer_is_stopped_and_something_else_said(self):
        errors = []
        async with tone_server() as server:
            words, result = await conversation(
                server,
                "hello",
                guardrails=[guardrail("no help", ["help"], replacement="I may not help.")],
                hooks=CallHooks(on_error=lambda call, message: errors.append(message)),
            )
        assert words.endswith("I may not help.")
        assert "you?" not in words
        assert errors == ["guardrail no help: blocked"]
        assert [turn.text for turn in result.transcript if turn.role == "assistant"] == ["I may not help."]

    @virtual_time
    async def test_blocked_words_of_the_callers_are_never_answered(self):
        events = []
        check = Guardrail(
            "polite", check=lambda text: "weather" in text, replacement="Ask me nicely.", applies_to="user"
        )
        async with tone_server(on_event=lambda way, e: events.append((way, dict(e)))) as server:
            words, _ = await conversation(server, "weather", "hello", guardrails=[check])
        assert words == "Ask me nicely. Hello! How can I help you?"
        created = [e for way, e in events if way == "in" and e["type"] == "response.create"]
        assert len(created) == 2

    async def test_a_check_may_be_async_and_blocks_if_it_fails(self):
        async def harmless(text: str) -> bool:
            return False

        def broken(text: str) -> bool:
            raise LookupError("no list")

        assert not await Guardrail("a", check=harmless).blocks("x")
        assert await Guardrail("b", check=broken).blocks("x")
        assert not await Guardrail("c", ["ass"]).blocks("class")
        with pytest.raises(SettingsError, match="blocked_terms"):
            Guardrail("d")

    async def test_a_term_is_found_also_if_it_begins_or_ends_with_what_is_in_no_word(self):
        check = guardrail("no prices", ["$100", "C++", "no.1"])
        assert await check.blocks("That is $100 and no more.")
        assert await check.blocks("Written in c++, of course")
        assert not await check.blocks("That is US$100")
        assert not await check.blocks("no 1")

    @pytest.mark.parametrize("make", [Guardrail, guardrail])
    def test_terms_that_are_one_text_are_no_list_of_letters(self, make):
        with pytest.raises(SettingsError, match=r"guardrails\.no help\.blocked_terms: is one text"):
            make("no help", "help")


class TestAgents:
    def test_gaps_are_filled_and_others_stay(self):
        phone = FakeCarrier("plivo").phone()
        agent = phone.agent(
            engine=OpenAIRealtime(api_key="k"),
            system_prompt='Say {"a": 1} to {name}, {unknown}.',
            variables={"name": "Ada"},
        )
        assert agent.system_prompt == 'Say {"a": 1} to Ada, {unknown}.'

    def test_the_gaps_of_all_texts_are_filled(self):
        names = ("system_prompt", "first_message", "voicemail_message", "max_call_message")
        made = (
            FakeCarrier("plivo")
            .phone()
            .agent(
                engine=OpenAIRealtime(api_key="k"),
                variables={"name": "Ada"},
                **dict.fromkeys(names, "{name}!"),
            )
        )
        assert [getattr(made, name) for name in names] == ["Ada!"] * 4

    def test_what_does_not_fit_together_is_said(self):
        phone = FakeCarrier("plivo").phone()
        made = OpenAIRealtime(api_key="k")
        with pytest.raises(SettingsError, match="pass either"):
            phone.agent(engine=made, stt=object())
        with pytest.raises(SettingsError, match="tts: is missing"):
            phone.agent(stt=FrameProcessor, llm=FrameProcessor)
        with pytest.raises(SettingsError, match="neither a service"):
            phone.agent(engine="gpt-realtime")
        with pytest.raises(SettingsError, match="twice"):
            phone.agent(engine=made, tools=[transfer_call({"a": NUMBER}), transfer_call({"b": NUMBER})])
        with pytest.raises(SettingsError, match="max_call_secs"):
            phone.agent(engine=made, max_call_secs=0)

    @virtual_time
    async def test_an_agent_is_chosen_for_each_call(self):
        async with tone_server() as server, FakeCarrier("twilio") as far:
            phone = far.phone()
            callers = []

            async def choose(caller: Caller):
                callers.append(caller)
                return phone.agent(engine=engine(server), first_message=f"Call {len(callers)}.")

            async with phone.serving(choose, port=0) as door:
                for number in (1, 2):
                    async with await far.call(door.local_url) as call:
                        await call.until_answered()
                    assert heard(call.heard) == f"Call {number}."
        assert callers == [Caller(CALLER, NUMBER, "inbound")] * 2

    @virtual_time
    async def test_a_hook_that_fails_or_takes_its_time_harms_nothing(self):
        async def slow(call, turn):
            await asyncio.sleep(60)

        def broken(call):
            raise LookupError("no database")

        async with tone_server() as server:
            words, result = await conversation(
                server, "hello", "hello", hooks=CallHooks(on_transcript=slow, on_call_start=broken)
            )
        assert words.count("Hello!") == 2
        assert result.outcome == "answered"

    @virtual_time
    async def test_observers_hear_of_all_calls_and_of_usage(self):
        heard_of = []

        class Observer(CallHooks):
            async def usage(self, call, metrics):
                heard_of.append(type(metrics).__name__)

        async with tone_server() as server, FakeCarrier("telnyx") as far:
            phone = far.phone(observers=[Observer()])
            async with (
                phone.serving(phone.agent(engine=engine(server)), port=0) as door,
                await far.call(door.local_url) as call,
            ):
                await call.say(spoken("hello"))
                await call.until_answered()
        assert "LLMUsageMetricsData" in heard_of

    @virtual_time
    async def test_an_observer_that_lacks_a_method_or_has_one_that_is_not_async_harms_no_other(self):
        told = []

        class Partial:
            def call_started(self, call):
                told.append("started")

            async def call_ended(self, call, result):
                told.append("ended")

        hooks = CallHooks(on_transcript=lambda call, turn: told.append(turn.text))
        async with tone_server() as server, FakeCarrier("twilio") as far:
            phone = far.phone(observers=[Partial()])
            agent = phone.agent(engine=engine(server), hooks=hooks)
            async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
        assert told == ["started", "hello", "Hello! How can I help you?", "ended"]

    @virtual_time
    async def test_pipeline_observers_see_every_frame_of_their_call(self):
        class Observer(BaseObserver):
            def __init__(self, call):
                super().__init__()
                self.call = call
                self.names = set()

            async def on_push_frame(self, data):
                # G.711 comes in frames of its own, which are `InputAudioRawFrame`s too.
                self.names.update(kind.__name__ for kind in type(data.frame).__mro__)

        made = []

        def observers(call):
            made.append(Observer(call))
            return made[-1:]

        async with tone_server() as server, FakeCarrier("plivo") as far:
            phone = far.phone(pipeline_observers=observers)
            async with (
                phone.serving(phone.agent(engine=engine(server)), port=0) as door,
                await far.call(door.local_url) as call,
            ):
                await call.say(spoken("hello"))
                await call.until_answered()
                assert phone.calls == [made[0].call]
        assert {"InputAudioRawFrame", "TTSAudioRawFrame", "PlaybackMarkFrame"} <= made[0].names


class TestServices:
    @virtual_time
    async def test_any_service_of_voicepipe_is_an_engine(self):
        events = []
        async with tone_server(on_event=lambda way, e: events.append((way, dict(e)))) as server:

            def make():
                return OpenAIRealtimeLLMService(api_key="k", base_url=server.url)

            @tool
            async def get_weather(city: str) -> dict:
                """The weather."""
                return {"temperature": 3}

            words, _ = await conversation(
                server,
                "weather in oslo",
                engine=make,
                system_prompt="Be kind.",
                first_message="Hello!",
                tools=[get_weather],
            )
        assert words == "Hello! In Oslo it is 3 degrees."
        updates = [e["session"] for way, e in events if way == "in" and e["type"] == "session.update"]
        assert any(update.get("instructions") == "Be kind." for update in updates)

    @virtual_time
    async def test_a_service_that_was_passed_made_serves_one_call(self):
        errors = []
        async with tone_server() as server, FakeCarrier("twilio") as far:
            phone = far.phone()
            service = OpenAIRealtimeLLMService(api_key="k", base_url=server.url)
            hooks = CallHooks(on_error=lambda call, message: errors.append(message))
            async with phone.serving(phone.agent(engine=service, hooks=hooks), port=0) as door:
                async with await far.call(door.local_url) as call:
                    await call.say(spoken("hello"))
                    await call.until_answered()
                async with await far.call(door.local_url) as call:
                    await call.until_ended()
        assert heard(call.heard) == ""
        assert errors == ["engine: this service has had its call; pass what makes one for each call"]

    @virtual_time
    async def test_s000_8_without_an_engine_three_services_make_a_pipeline(self):
        class Hearing(FrameProcessor):
            async def process_frame(self, frame: Frame, direction: FrameDirection):
                await super().process_frame(frame, direction)
                await self.push_frame(frame, direction)

        class Thinking(Hearing):
            pass

        class Speaking(Hearing):
            async def process_frame(self, frame: Frame, direction: FrameDirection):
                await FrameProcessor.process_frame(self, frame, direction)
                if not isinstance(frame, TTSSpeakFrame):
                    await self.push_frame(frame, direction)
                    return
                sound = spoken(frame.text, 8000)
                frames = [
                    LLMFullResponseStartFrame(),
                    TTSStartedFrame(context_id="a"),
                    TTSTextFrame(frame.text, "word", context_id="a"),
                    TTSAudioRawFrame(sound.pcm, 8000, 1, context_id="a"),
                    TTSStoppedFrame(context_id="a"),
                    LLMFullResponseEndFrame(),
                ]
                for each in frames:
                    await self.push_frame(each)

        from pipecat.audio.vad.vad_analyzer import VADAnalyzer

        class Deaf(VADAnalyzer):
            def num_frames_required(self) -> int:
                return 160

            def voice_confidence(self, buffer: bytes) -> float:
                return 0.0

        words, result = await conversation(
            None,
            stt=Hearing,
            llm=Thinking,
            tts=Speaking,
            vad=Deaf,
            first_message="Good day!",
        )
        assert words == "Good day!"
        assert [turn.text for turn in result.transcript] == ["Good day!"]


@virtual_time
async def test_what_a_call_cannot_do_now_is_said():
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                [running] = phone.calls
                await call.until_answered()
            await running.result()
            for ask in (running.say("x"), running.send_dtmf("1"), running.transfer(NUMBER)):
                with pytest.raises(PhoneError, match="no stream"):
                    await ask
            await running.hang_up()
