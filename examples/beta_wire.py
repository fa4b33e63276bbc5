"""OpenAI's beta wire, as older gateways still speak it: other settings, the same frames.

Alone it runs offline; with a gateway's address it talks with that: `python beta_wire.py wss://gateway.example.com/v1/realtime`.
"""

import asyncio
import os
import sys

from voicepipe import AudioResampler, Pipeline, WavFileTransport, run
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.offline import OpenAIPlace
from voicepipe.services.openai_realtime_beta import (
    InputAudioTranscription,
    OpenAIRealtimeBetaLLMService,
    SessionProperties,
    TurnDetection,
)


async def main(gateway: str | None = None, answer: str = "answer.wav") -> None:
    speech = speech_engine(os.getenv("VOICEPIPE_SPEECH", "local"))
    async with LocalServer(speech=speech, brain=ScriptBrain(), wire="beta") as server:
        place = OpenAIPlace(server.url, "local", is_local=True, speech=speech)
        transport = WavFileTransport(place.spoken("Spell cat."), answer_path=answer)
        llm = OpenAIRealtimeBetaLLMService(
            api_key=os.environ["OPENAI_API_KEY"] if gateway else place.api_key,
            base_url=gateway or place.base_url,
            # Flat, with the beta's names. A server that refuses this wire is talked with over the newer one.
            session_properties=SessionProperties(
                modalities=["audio", "text"],
                voice="alloy",
                input_audio_transcription=InputAudioTranscription(),
                turn_detection=TurnDetection(silence_duration_ms=500),
            ),
        )
        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    print(f"{result.reason}; spoken over {llm.wire}")


if __name__ == "__main__":
    asyncio.run(main(*(argument for argument in sys.argv[1:] if argument != "--local")))
