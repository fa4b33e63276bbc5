"""What an engine of OpenAI's speaks on the wire (S000, S001): its shape, its coding, its events."""

from __future__ import annotations

from typing import Any

import pytest
from pipecat.observers.base_observer import BaseObserver, FramePushed

from tests.phone.engine_sessions import on_the_wire, service_of
from tests.support.phones import FakeCarrier
from tests.support.tones import heard, spoken, tone_server
from voicepipe.errors import SettingsError
from voicepipe.frames import InterimTranscriptionFrame
from voicepipe.phone import OpenAIRealtime, OpenAIRealtime2
from voicepipe.phone.providers.openai_realtime import OpenAITranscriptionModel

pytestmark = pytest.mark.usefixtures("keys_in_environment")


def test_s000_34_to_36_the_ga_shape():
    session = on_the_wire(OpenAIRealtime2())
    assert session["type"] == "realtime"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert "modalities" not in session


@pytest.mark.virtual_time
async def test_s000_33_no_beta_header_is_sent():
    # The local server refuses it, as the API does.
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(base_url=server.url), first_message="Hello!")
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            await call.until_answered()
    assert heard(call.heard) == "Hello!"


def test_s000_16_to_18_and_44_pcm_is_the_default_and_the_line_coding_an_option():
    assert on_the_wire(OpenAIRealtime())["audio"]["input"]["format"]["type"] == "audio/pcm"
    session = on_the_wire(OpenAIRealtime(audio="g711"))
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    with pytest.raises(SettingsError, match="audio"):
        OpenAIRealtime(audio="opus")


def test_s000_15_both_engines_have_the_same_service():
    assert type(service_of(OpenAIRealtime())) is type(service_of(OpenAIRealtime2()))


@pytest.mark.virtual_time
async def test_s001_19_the_transcript_comes_in_deltas():
    seen: list[str] = []

    class Observer(BaseObserver):
        async def on_push_frame(self, data: FramePushed) -> None:
            if isinstance(data.frame, InterimTranscriptionFrame) and data.frame.text not in seen:
                seen.append(data.frame.text)

    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(pipeline_observers=lambda call: [Observer()])
        model = OpenAITranscriptionModel.GPT_REALTIME_WHISPER
        engine = OpenAIRealtime(base_url=server.url, input_audio_transcription_model=model)
        async with (
            phone.serving(phone.agent(engine=engine), port=0) as door,
            await far.call(door.local_url) as call,
        ):
            await call.say(spoken("where did you stop"))
            await call.until_answered()
    assert len(seen) > 1
    assert "where did you stop".startswith(seen[0].strip())


@pytest.mark.virtual_time
async def test_s001_37_functions_are_called_inside_the_session():
    async def get_weather(city: str) -> dict[str, Any]:
        """The weather in a city."""
        return {"city": city, "temperature": 7, "conditions": "fog"}

    async with tone_server() as server, FakeCarrier("telnyx") as far:
        phone = far.phone()
        agent = phone.agent(engine=OpenAIRealtime(base_url=server.url), tools=[get_weather])
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            await call.say(spoken("weather in oslo"))
            await call.until_answered()
    assert heard(call.heard) == "In Oslo it is 7 degrees and fog."
