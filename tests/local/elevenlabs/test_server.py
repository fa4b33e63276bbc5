"""The local ElevenLabs server on its socket: spoken turns, formats, doors, limits, faults."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.local.elevenlabs.caller import FAST, calling, convai_server
from voicepipe.errors import PortTakenError, SettingsError, VoicepipeError
from voicepipe.local import Fault, Faults, Pace
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.elevenlabs import (
    Agent,
    ClientTool,
    EndCallTool,
    LocalElevenLabsServer,
    Patience,
    WebhookTool,
)
from voicepipe.local.elevenlabs.agent import DEFAULT_EVENTS
from voicepipe.local.speech.engines import speech_engine

GREETS = Agent("agent_1", first_message="Hello!")
ALL_EVENTS = [*DEFAULT_EVENTS, "agent_response_complete", "agent_chat_response_part", "agent_tool_request"]
WEATHER = ClientTool("get_weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})


class TestTalk:
    @pytest.mark.parametrize(
        "kind",
        ["pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000"],
    )
    async def test_a_spoken_turn_in_every_format_both_ways(self, kind):
        agent = Agent("agent_1", input_format=kind, output_format=kind, client_events=ALL_EVENTS)
        async with convai_server(agent, pace=FAST) as server, calling(server) as caller:
            metadata = await caller.begin()
            assert (metadata["user_input_audio_format"], metadata["agent_output_audio_format"]) == (
                kind,
                kind,
            )
            await caller.say("hello", kind)
            await caller.until("agent_response_complete")
        assert caller.of("user_transcript")[0]["user_transcript"] == "hello"
        assert caller.of("agent_response")[0]["agent_response"] == "Hello! How can I help you?"
        assert caller.words(kind) == "Hello! How can I help you?"

    async def test_the_order_of_a_turn(self):
        async with (
            convai_server(Agent("agent_1", client_events=ALL_EVENTS), pace=FAST) as server,
            calling(server) as caller,
        ):
            await caller.begin()
            await caller.say("hello")
            await caller.until("agent_response_complete")
        order = list(dict.fromkeys(event["type"] for event in caller.events))
        assert order == [
            "conversation_initiation_metadata",
            "ping",
            "user_transcript",
            "agent_chat_response_part",
            "agent_response",
            "audio",
            "agent_response_complete",
        ]
        ids = [one["event_id"] for event in caller.events for one in event.values() if "event_id" in one]
        assert [*caller.of("ping")[0].values()] == [1, None]
        assert ids[1:] == sorted(set(ids[1:])), "ids grow"

    @pytest.mark.virtual_time
    async def test_an_interruption_is_corrected_to_what_was_heard(self):
        async with convai_server(Agent("agent_1"), pace=Pace(speed=4.0)) as server, calling(server) as caller:
            await caller.begin()
            await caller.say("count to twenty")
            said = (await caller.until("agent_response"))["agent_response"]
            await caller.until("audio")
            await asyncio.sleep(0.6)
            await caller.say("stop")
            cut = await caller.until("interruption")
            corrected = await caller.until("agent_response_correction")
            sent = [event["event_id"] for event in caller.of("audio")]
            assert max(sent) < cut["event_id"]
            assert corrected["original_agent_response"] == said
            assert said.startswith(corrected["corrected_agent_response"])
            # 0.6 to 0.7 seconds of tones, 16 ms a letter: far from all that was sent by then.
            assert 15 < len(corrected["corrected_agent_response"]) < 45
            assert (await caller.until("agent_response"))["agent_response"] == "All right, I stop."

    async def test_a_turn_in_writing_without_sound(self):
        agent = Agent("agent_1", allows=["conversation.text_only"], first_message="Hello!")
        async with convai_server(agent) as server, calling(server) as caller:
            await caller.begin(conversation_config_override={"conversation": {"text_only": True}})
            assert (await caller.until("agent_response"))["agent_response"] == "Hello!"
            await caller.send(type="user_message", text="who are you")
            assert "local voicepipe bot" in (await caller.until("agent_response"))["agent_response"]
        assert caller.of("audio") == []

    async def test_a_client_tool(self):
        async with convai_server(Agent("agent_1", tools=[WEATHER])) as server, calling(server) as caller:
            await caller.begin()
            await caller.send(type="user_message", text="weather in Paris")
            call = await caller.until("client_tool_call")
            assert (call["tool_name"], call["parameters"]) == ("get_weather", {"city": "Paris"})
            result = json.dumps({"temperature": 21, "conditions": "sunny"})
            await caller.send(
                type="client_tool_result", tool_call_id=call["tool_call_id"], result=result, is_error=False
            )
            done = await caller.until("agent_tool_response")
            assert (done["tool_call_id"], done["tool_type"], done["is_error"]) == (
                call["tool_call_id"],
                "client",
                False,
            )
            answer = await caller.until("agent_response")
        assert answer["agent_response"] == "In Paris it is 21 degrees and sunny."

    async def test_a_tool_of_the_server(self):
        async def run(parameters):
            return json.dumps({"temperature": 3, "conditions": f"fog in {parameters['city']}"})

        tool = WebhookTool("get_weather", run)
        agent = Agent("agent_1", tools=[tool], client_events=ALL_EVENTS)
        async with convai_server(agent) as server, calling(server) as caller:
            await caller.begin()
            await caller.send(type="user_message", text="weather in Paris")
            assert (await caller.until("agent_tool_request"))["tool_type"] == "webhook"
            assert (await caller.until("agent_tool_response"))["is_error"] is False
            answer = await caller.until("agent_response")
        assert answer["agent_response"] == "In Paris it is 3 degrees and fog in Paris."

    @pytest.mark.virtual_time
    async def test_the_agent_ends_the_call_when_its_goodbye_has_been_heard(self):
        script = Script.model_validate(
            {"rules": [{"hear": ["bye"], "say": "Goodbye!", "call": {"name": "end_call"}}]}
        )
        agent = Agent("agent_1", tools=[EndCallTool()])
        async with convai_server(agent, script=script) as server, calling(server) as caller:
            await caller.begin()
            await caller.send(type="user_message", text="bye")
            await caller.until("audio")
            began = asyncio.get_running_loop().time()
            assert await caller.until_closed() == (1000, "The agent ended the call.")
            # "Goodbye!" and its opening byte: 9 letters of 16 ms.
            assert asyncio.get_running_loop().time() - began == pytest.approx(0.144, abs=0.02)
        assert caller.of("agent_tool_response")[0]["tool_name"] == "end_call"

    async def test_two_conversations_do_not_mix(self):
        agents = [Agent(name, prompt=f"answer: I am {name}.") for name in ("one", "two")]
        async with (
            convai_server(*agents) as server,
            calling(server, "one") as one,
            calling(server, "two") as two,
        ):
            ids = [(await caller.begin())["conversation_id"] for caller in (one, two)]
            for caller in (one, two):
                await caller.send(type="user_message", text="who are you")
            texts = [(await caller.until("agent_response"))["agent_response"] for caller in (one, two)]
        assert texts == ["I am one.", "I am two."]
        assert ids[0] != ids[1]


class TestTime:
    @pytest.mark.virtual_time
    async def test_a_client_that_answers_no_ping_is_closed(self):
        async with convai_server() as server, calling(server) as caller:
            caller.answers_pings = False
            await caller.begin()
            assert await caller.until_closed(30) == (1002, "The answer to a ping did not come in time.")
        assert len(caller.of("ping")) >= 4
        assert caller.of("error")[0]["error_type"] == "transport_receive_timeout"

    @pytest.mark.virtual_time
    async def test_a_conversation_ends_at_its_limit(self):
        agent = Agent("agent_1", max_duration_secs=60)
        async with convai_server(agent) as server, calling(server) as caller:
            await caller.begin()
            code = await caller.until_closed(100)
        assert code == (1000, "The conversation reached 60 seconds.")
        assert caller.of("error")[0]["error_type"] == "max_duration_exceeded"

    @pytest.mark.virtual_time
    async def test_a_client_that_says_nothing_is_closed(self):
        patience = Patience(initiation_ms=3000)
        async with convai_server(patience=patience) as server, calling(server) as caller:
            assert (await caller.until_closed())[0] == 1008


class TestDoors:
    PRIVATE = Agent("agent_1", enable_auth=True)

    @pytest.mark.parametrize(
        ("agent_id", "headers", "status"),
        [
            ("agent_1", {}, 403),
            ("agent_1", {"xi-api-key": "wrong"}, 401),
            ("agent_2", {"xi-api-key": "right"}, 404),
            ("", {"xi-api-key": "right"}, 404),
        ],
    )
    async def test_who_may_not_talk_is_told_by_close_code_or_by_status(self, agent_id, headers, status):
        async with (
            convai_server(self.PRIVATE, api_key="right") as server,
            calling(server, agent_id, **headers) as caller,
        ):
            code, reason = await caller.until_closed()
            assert code == 1008
            assert reason
            assert caller.events == []
        async with convai_server(self.PRIVATE, api_key="right", refuses="status") as server:
            with pytest.raises(InvalidStatus) as refusal:
                await connect(f"{server.url}?agent_id={agent_id}", additional_headers=headers)
            assert refusal.value.response.status_code == status
            assert json.loads(refusal.value.response.body)["detail"]["message"] == reason

    async def test_the_key_opens_as_header_and_as_subprotocol(self):
        async with convai_server(self.PRIVATE, api_key="right") as server:
            async with calling(server, **{"xi-api-key": "right"}) as caller:
                await caller.begin()
            async with calling(server, protocols=["convai", "bearer.right"]) as caller:
                assert caller.socket.subprotocol == "convai"
                await caller.begin()

    async def test_a_public_agent_needs_no_key(self):
        async with convai_server(api_key="right") as server, calling(server) as caller:
            await caller.begin()

    async def test_more_conversations_than_allowed_are_refused_until_one_ends(self):
        async with convai_server(max_sessions=1) as server:
            async with calling(server) as caller:
                await caller.begin()
                with pytest.raises(InvalidStatus) as refusal:
                    await connect(f"{server.url}?agent_id=agent_1")
                assert refusal.value.response.status_code == 429
            async with asyncio.timeout(5):
                while True:
                    try:
                        async with calling(server) as caller:
                            await caller.begin()
                            break
                    except InvalidStatus:
                        await asyncio.sleep(0)

    async def test_conversations_that_begin_together_are_counted_all_the_same(self):
        async with convai_server(max_sessions=1) as server, AsyncExitStack() as stack:
            dialled = [connect(f"{server.url}?agent_id=agent_1") for _ in range(4)]
            got = await asyncio.gather(*dialled, return_exceptions=True)
            sockets = [one for one in got if not isinstance(one, BaseException)]
            for socket in sockets:
                stack.push_async_callback(socket.close)
                await socket.send('{"type": "conversation_initiation_client_data"}')
            served = []
            for socket in sockets:
                try:
                    served.append(json.loads(await asyncio.wait_for(socket.recv(), 5)))
                except ConnectionClosed:
                    assert socket.close_code == 1008
            assert [one["type"] for one in served] == ["conversation_initiation_metadata"]

    def test_it_serves_this_machine_alone(self):
        with pytest.raises(SettingsError, match="host"):
            convai_server(host="0.0.0.0")

    def test_two_agents_cannot_have_the_same_id(self):
        with pytest.raises(SettingsError, match="agents"):
            convai_server(GREETS, GREETS)

    async def test_a_port_that_is_taken_is_an_error_that_names_it(self):
        async with convai_server() as server:
            port = int(server.url.split(":")[2].split("/")[0])
            with pytest.raises(PortTakenError, match=str(port)):
                await convai_server(port=port).__aenter__()


class TestBadClients:
    @pytest.mark.parametrize("message", ["{", "[]", "{}", b"\x00", '{"type": "conversation.end"}'])
    async def test_what_cannot_be_used_ends_the_conversation_with_a_reason(self, message):
        async with convai_server() as server, calling(server) as caller:
            await caller.begin()
            await caller.socket.send(message)
            code, reason = await caller.until_closed()
            [error] = caller.of("error")
        assert code == error["code"]
        assert error["error_type"] == "invalid_message"
        assert reason

    async def test_a_message_that_is_too_long_closes_with_1009(self):
        async with convai_server(max_message_bytes=1000) as server, calling(server) as caller:
            await caller.begin()
            await caller.send(type="contextual_update", text="x" * 1000)
            assert (await caller.until_closed())[0] == 1009

    async def test_one_that_vanishes_in_mid_reply_harms_no_other(self):
        async with convai_server(GREETS, pace=Pace(speed=1.0)) as server, calling(server) as well:
            await well.begin()
            async with calling(server) as gone:
                await gone.begin()
                await gone.until("audio")
                gone.socket.transport.abort()
            await well.send(type="user_message", text="hello")
            assert (await well.until("agent_response"))["agent_response"]


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (Fault(at="audio", do="drop"), 1006),
            (Fault(at="agent_response", do="close", close_code=1002, reason="quota"), 1002),
            (Fault(at="user_audio_chunk", nth=2, do="drop"), 1006),
        ],
    )
    async def test_the_connection_ends_where_the_test_wants_it(self, fault, code):
        async with convai_server(faults=Faults([fault])) as server, calling(server) as caller:
            await caller.begin()
            await caller.say("hello")
            assert (await caller.until_closed())[0] == code

    async def test_an_unknown_event_a_broken_one_and_an_error(self):
        faults = [
            Fault(at="agent_response", do="unknown"),
            Fault(at="agent_response", do="error", code="llm_timeout", message="The model is slow."),
        ]
        async with convai_server(GREETS, faults=Faults(faults)) as server, calling(server) as caller:
            await caller.begin()
            error = await caller.until("error")
            await caller.until("audio")
        assert (error["error_type"], error["message"]) == ("llm_timeout", "The model is slow.")
        assert caller.of("voicepipe_unknown")

    async def test_events_come_twice_in_another_order_or_not_at_all(self):
        faults = [
            Fault(at="user_transcript", do="duplicate"),
            Fault(at="agent_response", do="reorder"),
            Fault(at="audio", nth=2, do="omit"),
        ]
        async with convai_server(faults=Faults(faults), pace=FAST) as server, calling(server) as caller:
            await caller.begin()
            await caller.say("hello")
            await caller.until("agent_response")
            await caller.until("audio")
        assert len(caller.of("user_transcript")) == 2
        kinds = [event["type"] for event in caller.events]
        assert kinds.index("audio") < kinds.index("agent_response")
        first, second = (event["event_id"] for event in caller.of("audio")[:2])
        assert second - first == 2, "the omitted event had a number"

    async def test_every_message_is_watched(self):
        watched = []
        async with (
            convai_server(on_event=lambda way, event: watched.append((way, event.get("type")))) as server,
            calling(server) as caller,
        ):
            await caller.begin()
            await caller.say("hello")
            await caller.until("agent_response")
        assert ("in", "conversation_initiation_client_data") in watched
        assert ("in", "user_audio_chunk") in watched
        assert ("out", "agent_response") in watched


class NoBrain:
    """A brain whose model is away."""

    async def reply(self, conversation):
        raise VoicepipeError("the text endpoint is away")
        yield

    async def aclose(self) -> None:
        pass


class DeafEars:
    def listen(self, pcm, sample_rate):
        raise VoicepipeError("the ears are stopped")


class TestWhatFails:
    async def test_a_brain_that_fails_ends_the_conversation_and_says_why(self):
        server = LocalElevenLabsServer([Agent("agent_1")], speech=speech_engine("tones"), brain=NoBrain())
        async with server, calling(server) as caller:
            await caller.begin()
            await caller.send(type="user_message", text="hello")
            assert await caller.until_closed() == (1011, "the text endpoint is away")
        assert caller.of("error")[0]["error_type"] == "custom_llm_error"

    async def test_ears_that_fail_heard_nothing_and_the_conversation_goes_on(self):
        deaf = replace(speech_engine("tones"), ears=DeafEars())
        server = LocalElevenLabsServer([Agent("agent_1")], speech=deaf, brain=ScriptBrain())
        async with server, calling(server) as caller:
            await caller.begin()
            await caller.say("hello", silence_ms=5000)
            await caller.send(type="user_message", text="hello")
            assert (await caller.until("agent_response"))["agent_response"] == "Hello! How can I help you?"
        assert caller.of("user_transcript") == []

    async def test_a_tool_of_the_server_that_fails_is_an_error_result(self):
        async def run(_parameters):
            raise VoicepipeError("no such city")

        agent = Agent("agent_1", tools=[WebhookTool("get_weather", run)])
        async with convai_server(agent) as server, calling(server) as caller:
            await caller.begin()
            await caller.send(type="user_message", text="weather in Paris")
            assert (await caller.until("agent_tool_response"))["is_error"] is True
            answer = await caller.until("agent_response")
        assert answer["agent_response"] == "That did not work: no such city."

    async def test_speech_that_takes_long_works_on_threads_which_end_with_the_server(self):
        slow = replace(speech_engine("tones"), blocking=True)
        server = LocalElevenLabsServer([GREETS], speech=slow, brain=ScriptBrain(), pace=FAST)
        async with server, calling(server) as caller:
            await caller.begin()
            await caller.until("agent_response")
            await caller.send(type="user_message", text="count to twenty")
            await caller.until("audio")

    async def test_a_client_that_never_reads_and_leaves_takes_nothing_with_it(self):
        agent = Agent("agent_1", client_events=[*DEFAULT_EVENTS, "vad_score"])
        async with convai_server(agent, pace=FAST) as server:
            async with connect(f"{server.url}?agent_id=agent_1", max_queue=1) as socket:
                await socket.send('{"type": "conversation_initiation_client_data"}')
                for _ in range(20):
                    await socket.send('{"type": "user_message", "text": "count to twenty"}')
                socket.transport.abort()
            async with asyncio.timeout(5):
                while server.sessions:  # noqa: ASYNC110 there is nobody else to ask
                    await asyncio.sleep(0)
