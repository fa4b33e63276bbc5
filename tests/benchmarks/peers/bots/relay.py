"""The floors: a bare relay between Twilio's wire and the API's, with nothing but websockets and uvloop.

`--transcode` brings G.711 at 8 kHz to PCM at 24 kHz and back with voicepipe's polyphase filter; without it the API speaks
G.711.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from binascii import a2b_base64

import numpy as np
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.benchmarks.peers.bots.serving import options, serve_calls
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.audio.polyphase import PolyphaseCore

_OPTIONS = options("transcode")


async def media(carrier: ServerConnection) -> None:
    stream_id = ""
    while not stream_id:
        event = orjson.loads(await carrier.recv())
        stream_id = event.get("streamSid", "")
    async with connect(_OPTIONS.api, compression=None, max_size=None) as api:
        form = {"type": "audio/pcm", "rate": 24000} if _OPTIONS.transcode else {"type": "audio/pcmu"}
        audio = {"input": {"format": form}, "output": {"format": form}}
        update = {"type": "session.update", "session": {"type": "realtime", "audio": audio}}
        await api.send(orjson.dumps(update), text=True)
        out = asyncio.create_task(_out(carrier, api, stream_id.encode()))
        await _in(carrier, api)
        out.cancel()


async def _in(carrier: ServerConnection, api: ClientConnection) -> None:
    core = PolyphaseCore(8000, 24000)
    try:
        async for message in carrier:
            event = orjson.loads(message)
            if event["event"] != "media":
                continue
            payload = event["media"]["payload"]
            if _OPTIONS.transcode:
                samples = np.frombuffer(ulaw_decode(a2b_base64(payload)), np.int16)
                payload = b64encode(core.process(samples).tobytes()).decode()
            append = '{"type":"input_audio_buffer.append","audio":"' + payload + '"}'
            await api.send(append)
    except ConnectionClosed:
        return


async def _out(carrier: ServerConnection, api: ClientConnection, stream_id: bytes) -> None:
    core = PolyphaseCore(24000, 8000)
    head = b'{"event":"media","streamSid":"' + stream_id + b'","media":{"payload":"'
    try:
        async for message in api:
            event = orjson.loads(message)
            if event["type"] == "response.output_audio.delta":
                payload = event["delta"].encode()
                if _OPTIONS.transcode:
                    samples = np.frombuffer(a2b_base64(payload), np.int16)
                    payload = b64encode(ulaw_encode(core.process(samples).tobytes()))
                await carrier.send(head + payload + b'"}}', text=True)
            elif event["type"] == "input_audio_buffer.speech_started":
                await carrier.send(b'{"event":"clear","streamSid":"' + stream_id + b'"}', text=True)
    except ConnectionClosed:
        return


if __name__ == "__main__":
    serve_calls(media)
