"""Written turns and images over a real server: they are kept, and answered when the client asks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ga_client import Client, connected
from tests.support.ga_session import GASession, types
from tests.support.tones import heard, tone_server
from voicepipe.local import Pace
from voicepipe.local.brain import Message
from voicepipe.transports.sound import Sound

PNG = "data:image/png;base64,iVBORw0KGgo="
FAST = Pace(speed=None)


async def asked(client: Client, *parts: dict[str, Any], **response: Any) -> dict[str, Any]:
    """Put a user's message into the conversation and ask for an answer; returns the response when it is done."""
    item = {"type": "message", "role": "user", "content": list(parts)}
    await client.send("conversation.item.create", item=item)
    await client.send("response.create", response=response)
    return (await client.until("response.done"))["response"]


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


def image() -> dict[str, Any]:
    return {"type": "input_image", "image_url": PNG}


class TestAnswers:
    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ([text("spell cat")], "C, A, T."),
            ([image()], "You showed me an image."),
            ([image(), image()], "You showed me two images."),
            ([text("What do you see?"), image()], "You showed me an image."),
        ],
    )
    async def test_in_sound(self, parts, words):
        async with tone_server(pace=FAST) as server, connected(server) as client:
            done = await asked(client, *parts)
        assert done["output"][0]["content"][0]["transcript"].startswith(words)
        assert heard(Sound(client.sound(), 24000)).startswith(words)

    async def test_in_text(self):
        async with tone_server(pace=FAST) as server, connected(server) as client:
            done = await asked(client, text("spell cat"), output_modalities=["text"])
        assert done["output"][0]["content"] == [{"type": "output_text", "text": "C, A, T."}]
        assert not client.sound()

    async def test_in_exactly_the_words_that_were_asked_for(self):
        exactly = "Say exactly the following words and nothing else: Please hold the line. I will be back."
        async with tone_server(pace=FAST) as server, connected(server) as client:
            done = await asked(client, text("What time is it?"), instructions=exactly)
            again = await asked(client, text("spell cat"))
        said = done["output"][0]["content"][0]["transcript"]
        assert said == "Please hold the line. I will be back."
        assert again["output"][0]["content"][0]["transcript"] == "C, A, T."

    async def test_to_a_conversation_that_was_put_in_again_after_a_lost_connection(self):
        history = [
            ("user", "input_text", "What is your name?"),
            ("assistant", "output_text", "I am a bot."),
            ("system", "input_text", "The connection was lost; the conversation goes on."),
        ]
        async with tone_server(pace=FAST) as server, connected(server) as client:
            for role, kind, words in history:
                item = {"type": "message", "role": role, "content": [{"type": kind, "text": words}]}
                await client.send("conversation.item.create", item=item)
            done = await asked(client, text("spell cat"))
        assert done["output"][0]["content"][0]["transcript"] == "C, A, T."


class TestWithoutAServer:
    def test_an_image_starts_no_response(self):
        session = GASession()
        events = session.create("user", [image()])
        assert types(events) == ["conversation.item.added", "conversation.item.done"]
        assert not session.answers

    def test_the_brain_is_told_of_images_by_their_number(self):
        session = GASession()
        session.create("user", [text("Which"), image(), text("is better?"), image()])
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "Which is better?", images=2)]
