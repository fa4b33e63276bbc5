"""An agent of ElevenLabs' Conversational AI: instructions and voice are set there, the tools it calls run here.

With ELEVENLABS_API_KEY and ELEVENLABS_AGENT_ID set it is your agent there; without, or with `--local`, one on this machine.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pipecat.services.llm_service import FunctionCallParams
from voicepipe import ElevenLabsConvAIService, Pipeline, WavFileTransport, run
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.elevenlabs import Agent, ClientTool, LocalElevenLabsServer
from voicepipe.local.speech.engines import speech_engine
from voicepipe.offline import OpenAIPlace

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


async def get_weather(params: FunctionCallParams) -> None:
    await params.result_callback({"city": params.arguments["city"], "temperature": 21, "conditions": "fog"})


@asynccontextmanager
async def service(local: bool) -> AsyncGenerator[ElevenLabsConvAIService]:
    if os.environ.get("ELEVENLABS_API_KEY") and not local:
        yield ElevenLabsConvAIService(dynamic_variables={"name": "Ann"})
        return
    # What is set in the dashboard.
    agent = Agent("agent_1", prompt="You help {{name}}.", tools=[ClientTool("get_weather", parameters=CITY)])
    speech = speech_engine(os.getenv("VOICEPIPE_SPEECH", "local"))
    async with LocalElevenLabsServer([agent], speech=speech, brain=ScriptBrain()) as server:
        yield ElevenLabsConvAIService(
            api_key="local",
            agent_id="agent_1",
            base_url=server.api_url,
            use_signed_url=False,
            dynamic_variables={"name": "Ann"},
        )


async def main(answer: str = "answer.wav", local: bool = False) -> None:
    caller = OpenAIPlace("", "", is_local=True, speech=speech_engine(os.getenv("VOICEPIPE_SPEECH", "local")))
    async with service(local) as llm:
        llm.register_function("get_weather", get_weather)
        transport = WavFileTransport(caller.spoken("What is the weather in Paris?"), answer_path=answer)
        await run(Pipeline([transport.input(), llm, transport.output()]))


if __name__ == "__main__":
    asyncio.run(main(local="--local" in sys.argv))
