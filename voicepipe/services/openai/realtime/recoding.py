"""Sound that waits for a connection, turned into another format because the server chose that one."""

from __future__ import annotations

import binascii

import orjson

from voicepipe.audio.resampler import StreamResampler
from voicepipe.realtime.events import Send
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.formats import WireFormat


def recoded(messages: list[Send], old: WireFormat, new: WireFormat) -> list[Send]:
    """Return messages, oldest first, with all sound among them in the format `new`; anything else is as it was."""
    resampler = StreamResampler(old.sample_rate, new.sample_rate)

    def again(message: Send) -> Send:
        if not message.droppable:
            return message
        sound = binascii.a2b_base64(orjson.loads(message.message)["audio"])
        return wire.append_audio(new.encode(resampler.process(old.decode(sound))))

    return [again(message) for message in messages]
