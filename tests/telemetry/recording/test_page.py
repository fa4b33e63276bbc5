"""The page of a call, in a real browser: what it shows, what a click does, and that it asks nobody for anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from tests.support.chromium import Page, chromium
from voicepipe.telemetry.recording import Recording
from voicepipe.telemetry.recording.page import page_of, write_page


def test_the_page_is_one_file_without_any_address(call: Recording):
    page = page_of(call)
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_words_that_look_like_markup_stay_words(call: Recording):
    turn = call.turns[0]
    turn.user_text = "</script><script>alert(1)</script>"
    assert "<script>alert" not in page_of(call)


async def click(page: Page, x: float, y: float) -> None:
    for type_ in ("mousePressed", "mouseReleased"):
        await page.ask(
            "Input.dispatchMouseEvent", type=type_, x=x, y=y, button="left", buttons=1, clickCount=1
        )


@pytest.mark.browser
class TestInChromium:
    @pytest_asyncio.fixture
    async def page(self, call: Recording, tmp_path: Path) -> AsyncIterator[Page]:
        path = write_page(call, tmp_path / "page.html")
        async with chromium(tmp_path / "profile") as page:
            await page.ask(
                "Emulation.setDeviceMetricsOverride",
                width=1280,
                height=1000,
                deviceScaleFactor=1,
                mobile=False,
            )
            await page.go_to(path.as_uri())
            yield page
            fetched = await page.run("performance.getEntriesByType('resource').map(one => one.name)")
            assert [url for url in fetched if not url.startswith("blob:")] == []
            # The machine that tests run on may have no sound card.
            assert [one for one in page.complaints if "NotSupportedError" not in one] == []

    async def test_it_shows_turns_barge_ins_tools_latency_and_cost(self, page: Page, call: Recording):
        text = await page.run("document.body.innerText")
        for turn in call.turns:
            assert turn.user_text in text
            assert f"{turn.latency_ms:.0f} ms" in text
        assert 'get_weather({"city":"Paris"})' in text
        cut = call.turns[1]
        assert cut.is_interrupted
        gone = await page.run("document.querySelector('.gone').textContent")
        assert cut.bot_text == cut.heard_text + gone
        assert await page.run("document.querySelectorAll('.chip.cut').length") == 1
        assert "$" in text

    async def test_both_waveforms_are_drawn_where_each_one_spoke(self, page: Page, call: Recording):
        shot = Image.open(BytesIO(await page.screenshot())).convert("RGB")
        picture = np.asarray(shot).astype(int)
        box = await page.run(
            "(r => [r.x, r.y, r.width])(document.getElementById('axis').getBoundingClientRect())"
        )
        caller, bot = (13, 143, 134), (91, 91, 214)

        def drawn(colour: tuple[int, int, int], at_ms: float, top: int) -> bool:
            x = int(box[0] + at_ms / call.duration_ms * box[2])
            area = picture[int(box[1]) + top : int(box[1]) + top + 70, x - 3 : x + 4]
            return bool((np.abs(area - colour).sum(axis=2) < 30).any())

        assert drawn(caller, 300, 22)
        assert drawn(bot, 1400, 112)
        assert not drawn(bot, 300, 112)
        assert not drawn(caller, 1400, 22)
        assert not drawn(bot, 4700, 112), "what was cut off was not heard"

    async def test_a_click_into_the_axis_plays_from_there(self, page: Page, call: Recording):
        await page.until("audio.readyState >= 1")
        assert await page.run("audio.duration * 1000") == pytest.approx(call.duration_ms, abs=20)
        x, y, width = await page.run(
            "(r => [r.x, r.y, r.width])(document.getElementById('axis').getBoundingClientRect())"
        )
        await click(page, x + width / 2, y + 60)
        at_ms = await page.run("audio.currentTime * 1000")
        assert at_ms >= call.duration_ms / 2 - 50
        assert await page.run("document.querySelectorAll('.row.chosen').length") == 1

    async def test_a_click_on_an_event_shows_it_as_it_was(self, page: Page):
        x, y = await page.run(
            "(r => [r.x + 60, r.y + 10])([...document.querySelectorAll('.row')]"
            ".find(row => row.innerText.includes('session.created')).getBoundingClientRect())"
        )
        await click(page, x, y)
        raw = await page.run("JSON.parse(document.getElementById('raw').textContent)")
        assert raw["message"]["type"] == "session.created"
        assert raw["way"] == "received"

    async def test_the_list_of_events_can_be_filtered(self, page: Page):
        await page.run("(events.find.value = 'truncate', events.find.dispatchEvent(new Event('input')), 1)")
        rows = await page.run("[...document.querySelectorAll('.row')].map(row => row.innerText)")
        assert rows
        assert all("truncate" in row for row in rows)

    async def test_zooming_keeps_to_the_call(self, page: Page, call: Recording):
        await page.run("document.getElementById('in').click()")
        assert await page.run("axis.to - axis.from") == pytest.approx(0.6 * call.duration_ms)
        await page.run("axis.show(1e9, 1e9 + 1000)")
        assert await page.run("axis.to") == pytest.approx(call.duration_ms)
        await page.run("document.getElementById('fit').click()")
        assert await page.run("[axis.from, axis.to]") == [0, call.duration_ms]
