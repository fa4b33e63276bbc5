"""Pipecat's own: FastAPI's WebSocket, its Twilio serializer and its OpenAI service, as its examples put them together.

`--bare` leaves the context aggregators out, as voicepipe's bot has none.
"""

from __future__ import annotations

from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from tests.benchmarks.peers.bots.serving import options, serve_app

_OPTIONS = options("bare")
app = FastAPI()


@app.websocket("/media")
async def media(websocket: WebSocket) -> None:
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        call["stream_id"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    parameters = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
    transport = FastAPIWebsocketTransport(websocket, parameters)
    llm = OpenAIRealtimeLLMService(api_key="k", base_url=_OPTIONS.api)
    before, after = list[FrameProcessor](), list[FrameProcessor]()
    if not _OPTIONS.bare:
        pair = LLMContextAggregatorPair(LLMContext())
        before, after = [pair.user()], [pair.assistant()]
    pipeline = Pipeline([transport.input(), *before, llm, transport.output(), *after])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(
            audio_in_sample_rate=8000,
            audio_out_sample_rate=8000,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")
    async def hung_up(_transport: object, _websocket: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    serve_app(app)
