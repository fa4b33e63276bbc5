"""Other people's clients talk with the local server: the official `openai` package, and Pipecat's own service."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI, BaseModel
from openai._models import construct_type
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService as PipecatService

from tests.support.pipelines import Recorder, running
from tests.support.tones import heard, spoken, tone_server
from voicepipe.frames import InputAudioRawFrame, TTSAudioRawFrame, TTSStoppedFrame
from voicepipe.local import LocalServer, Pace
from voicepipe.transports.sound import Sound

FAST = Pace(speed=None)
SERVER_ONLY = {"session.id", "session.object", "session.expires_at"}
"""What the API sends in a session though the package types a session by what a client may send."""

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Conversation:
    """One connection of the official client, with every event kept."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, type_: str, *, count: int = 1) -> Any:
        async with asyncio.timeout(10):
            while True:
                event = await self.connection.recv()
                self.events.append(event)
                if event.type == type_:
                    count -= 1
                    if not count:
                        return event

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    async def say(self, sound: Sound, silence_ms: int = 400) -> None:
        pcm = sound.pcm + bytes(48 * silence_ms)
        for start in range(0, len(pcm), 4800):
            chunk = base64.b64encode(pcm[start : start + 4800]).decode()
            await self.connection.input_audio_buffer.append(audio=chunk)

    def sound(self) -> Sound:
        deltas = [event.delta for event in self.events if event.type == "response.output_audio.delta"]
        return Sound(b"".join(base64.b64decode(delta) for delta in deltas), 24000)


@asynccontextmanager
async def talking(server: LocalServer) -> AsyncIterator[Conversation]:
    url = server.url.removesuffix("/realtime")
    client = AsyncOpenAI(api_key="any", websocket_base_url=url)
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        conversation = Conversation(connection)
        await conversation.until("session.created")
        yield conversation
    for event in conversation.events:
        check_known(event)


def check_known(event: BaseModel) -> None:
    """An event is of a type the package knows, with all its fields and no other."""
    extra = set(unknown_fields(event, "")) - SERVER_ONLY
    assert not extra, f"{event.type}: {sorted(extra)}"
    # Built anew by validation, which unlike the client's own lenient reading fails on a missing field.
    type(event).model_validate(json.loads(event.model_dump_json(exclude_unset=True)))


def unknown_fields(value: Any, path: str) -> list[str]:
    if isinstance(value, BaseModel):
        found = [f"{path}.{name}".lstrip(".") for name in (value.model_extra or {})]
        for name in type(value).model_fields:
            found += unknown_fields(getattr(value, name, None), f"{path}.{name}".lstrip("."))
        return found
    if isinstance(value, list):
        return [name for item in value for name in unknown_fields(item, path)]
    return []


class TestOpenAIClient:
    async def test_a_spoken_turn_in_the_order_of_the_api(self):
        async with tone_server(pace=FAST) as server, talking(server) as talk:
            transcription = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
            await talk.connection.session.update(session={"type": "realtime", "audio": transcription})
            await talk.until("session.updated")
            await talk.say(spoken("hello"))
            done = await talk.until("response.done")
            await talk.until("rate_limits.updated")
        assert heard(talk.sound()) == "Hello! How can I help you?"
        assert done.response.status == "completed"
        order = [type_ for type_ in dict.fromkeys(talk.types()) if "transcription" not in type_]
        assert order == [
            "session.created",
            "session.updated",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        [transcript] = [
            e for e in talk.events if e.type == "conversation.item.input_audio_transcription.completed"
        ]
        assert transcript.transcript == "hello"

    async def test_usage_is_counted_from_real_lengths_and_adds_up(self):
        async with tone_server(pace=FAST) as server, talking(server) as talk:
            await talk.say(spoken("hello"))
            usage = (await talk.until("response.done")).response.usage
        taken, given = usage.input_token_details, usage.output_token_details
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        assert usage.input_tokens == taken.text_tokens + taken.audio_tokens
        assert usage.output_tokens == given.text_tokens + given.audio_tokens
        sound_ms = len(talk.sound().pcm) / 48
        assert given.audio_tokens == pytest.approx(sound_ms / 50, abs=1)

    async def test_a_turn_in_text(self):
        async with tone_server() as server, talking(server) as talk:
            content = [{"type": "input_text", "text": "hello"}]
            await talk.connection.conversation.item.create(
                item={"type": "message", "role": "user", "content": content}
            )
            await talk.connection.response.create(response={"output_modalities": ["text"]})
            done = await talk.until("response.done")
        assert done.response.output[0].content[0].text == "Hello! How can I help you?"
        assert (
            "".join(e.delta for e in talk.events if e.type == "response.output_text.delta")
            == "Hello! How can I help you?"
        )

    async def test_a_function_call_and_the_answer_to_its_result(self):
        async with tone_server(pace=FAST) as server, talking(server) as talk:
            await talk.connection.session.update(session={"type": "realtime", "tools": [WEATHER]})
            await talk.say(spoken("what is the weather in paris"))
            call = await talk.until("response.function_call_arguments.done")
            assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
            await talk.until("response.done")
            output = {"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 7}'}
            await talk.connection.conversation.item.create(item=output)
            await talk.connection.response.create()
            await talk.until("response.done")
        assert heard(talk.sound()) == "In Paris it is 7 degrees."

    async def test_a_barge_in_a_truncation_and_an_answer_that_knows_of_it(self):
        async with tone_server(pace=Pace(delta_ms=100, speed=2.0)) as server, talking(server) as talk:
            await talk.say(spoken("count to twenty"))
            await talk.until("response.output_audio.delta", count=8)
            item_id = talk.events[-1].item_id
            await talk.say(spoken("where did you stop"))
            done = await talk.until("response.done")
            assert (done.response.status, done.response.status_details.reason) == (
                "cancelled",
                "turn_detected",
            )
            assert done.response.output[0].status == "incomplete"
            await talk.connection.conversation.item.truncate(
                item_id=item_id, content_index=0, audio_end_ms=500
            )
            truncated = await talk.until("conversation.item.truncated")
            assert truncated.audio_end_ms == 500
            done = await talk.until("response.done")
        assert done.response.output[0].content[0].transcript.startswith("You stopped me after:")

    async def test_a_manual_turn_a_cancel_a_retrieve_and_a_delete(self):
        async with tone_server(pace=Pace(delta_ms=100, speed=1.0)) as server, talking(server) as talk:
            await talk.connection.session.update(
                session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            )
            await talk.say(spoken("count to twenty"))
            await talk.connection.input_audio_buffer.commit()
            committed = await talk.until("input_audio_buffer.committed")
            await talk.connection.response.create()
            await talk.until("response.output_audio.delta")
            await talk.connection.response.cancel()
            done = await talk.until("response.done")
            assert (done.response.status, done.response.status_details.reason) == (
                "cancelled",
                "client_cancelled",
            )
            await talk.connection.conversation.item.retrieve(item_id=committed.item_id)
            assert (await talk.until("conversation.item.retrieved")).item.id == committed.item_id
            await talk.connection.conversation.item.delete(item_id=committed.item_id)
            await talk.until("conversation.item.deleted")

    async def test_a_response_out_of_band_leaves_the_conversation_alone(self):
        async with tone_server() as server, talking(server) as talk:
            await talk.connection.response.create(
                response={
                    "conversation": "none",
                    "output_modalities": ["text"],
                    "metadata": {"topic": "test"},
                    "input": [
                        {
                            "type": "message",
                            "role": "user",
                            "content": [{"type": "input_text", "text": "hello"}],
                        }
                    ],
                }
            )
            done = await talk.until("response.done")
        assert done.response.conversation_id is None
        assert done.response.metadata == {"topic": "test"}
        assert "conversation.item.added" not in talk.types()

    @pytest.mark.parametrize(
        ("ask", "code"),
        [
            ({"type": "response.cancel"}, "response_cancel_not_active"),
            ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty"),
            ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id"),
            ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id"),
            (
                {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 1},
                "item_truncate_invalid_item_id",
            ),
            ({"type": "session.update", "session": {}}, "missing_required_parameter"),
            (
                {"type": "session.update", "session": {"type": "realtime", "temperature": 1}},
                "unknown_parameter",
            ),
            (
                {"type": "session.update", "session": {"type": "realtime", "max_output_tokens": 0}},
                "invalid_value",
            ),
            ({"type": "response.create", "response": {"temperature": 1}}, "unknown_parameter"),
            ({"type": "no.such.event"}, "invalid_value"),
        ],
    )
    async def test_refusals_have_the_apis_codes_and_name_the_event(self, ask, code):
        async with tone_server() as server, talking(server) as talk:
            await talk.connection.send({**ask, "event_id": "evt_mine"})
            refusal = await talk.until("error")
            assert (refusal.error.code, refusal.error.event_id) == (code, "evt_mine")
            await talk.connection.session.update(session={"type": "realtime", "instructions": "still here"})
            await talk.until("session.updated")


def test_the_check_of_unknown_fields_finds_one():
    event = construct_type(
        type_=RealtimeServerEvent,
        value={"type": "input_audio_buffer.cleared", "event_id": "e", "surprise": 1},
    )
    with pytest.raises(AssertionError, match="surprise"):
        check_known(event)  # type: ignore[arg-type]


class TestPipecatsOwnService:
    async def test_it_has_a_spoken_turn(self):
        turns = AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(silence_duration_ms=200)))
        async with tone_server(pace=FAST) as server:
            llm = PipecatService(
                api_key="any",
                base_url=server.url,
                settings=PipecatService.Settings(session_properties=SessionProperties(audio=turns)),
            )
            pair = LLMContextAggregatorPair(LLMContext())
            after = Recorder(keep=FrameDirection.DOWNSTREAM)
            async with running(pair.user(), llm, after, pair.assistant()) as bot:
                question = spoken("hello")
                pcm = question.pcm + bytes(48 * 400)
                for start in range(0, len(pcm), 960):
                    await bot.worker.queue_frame(InputAudioRawFrame(pcm[start : start + 960], 24000, 1))
                await after.wait_for(TTSStoppedFrame)
            sound = b"".join(frame.audio for frame in after.of(TTSAudioRawFrame))
        assert heard(Sound(sound, 24000)) == "Hello! How can I help you?"
