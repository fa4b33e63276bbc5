"""Images reach the model: at most one a second, as JPEG, with the words that go with them.

In real time, since encoding is done on a thread, for which a virtual clock would not wait.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.live_bot import bot
from voicepipe.frames import (
    ErrorFrame,
    InputImageRawFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    UserImageRawFrame,
)

SIZE = (64, 48)
PICTURE = np.zeros((48, 64, 3), np.uint8).tobytes()


async def test_of_a_video_one_image_a_second_is_shown():
    async with bot(video_frame_detail="low") as b:
        for _ in range(3):
            await b.give(InputImageRawFrame(PICTURE, SIZE, "RGB"))
        await b.give(LLMRunFrame())
        await b.answer()
    [shown] = b.sent("conversation.item.create")
    [part] = shown["item"]["content"]
    assert part["detail"] == "low"
    assert part["image_url"].startswith("data:image/jpeg;base64,/9j/")


async def test_a_video_can_be_held_off():
    """Row S002-41."""
    async with bot(start_video_paused=True) as b:
        await b.give(InputImageRawFrame(PICTURE, SIZE, "RGB"))
        await b.run.down.wait_for(InputImageRawFrame)
        b.llm.set_video_input_paused(False)
        b.llm.set_video_frame_detail("high")
        await b.give(InputImageRawFrame(PICTURE, SIZE, "RGB"))
        await b.run.down.wait_for(InputImageRawFrame, count=2)
    [shown] = b.sent("conversation.item.create")
    assert shown["item"]["content"][0]["detail"] == "high"


async def test_an_image_somebody_asked_for_is_shown_with_its_words_and_answered():
    async with bot() as b:
        await b.give(UserImageRawFrame(PICTURE, SIZE, "RGB", user_id="u", text="what is this"))
        assert "image" in await b.answer()
    [shown] = b.sent("conversation.item.create")
    assert [part["type"] for part in shown["item"]["content"]] == ["input_text", "input_image"]


async def test_one_that_needs_no_answer_gets_none():
    async with bot() as b:
        await b.give(UserImageRawFrame(PICTURE, SIZE, "RGB", text="look", run_llm=False))
        await b.run.down.wait_for(UserImageRawFrame)
    assert not b.sent("response.create")
    assert not b.run.down.of(LLMFullResponseEndFrame)


@pytest.mark.parametrize(("image", "mode"), [(b"short", "RGB"), (PICTURE, "nonsense")])
async def test_what_is_no_image_is_one_clear_error(image, mode):
    async with bot() as b:
        await b.give(InputImageRawFrame(image, SIZE, mode))
        [problem] = await b.run.up.wait_for(ErrorFrame)
        assert problem.error.startswith("image: ")
    assert not b.sent("conversation.item.create")
