"""The page with the calls in a real browser: what it shows while a call goes on, and what it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chromium import Page, chromium
from tests.watch.watching import TOKEN, served
from voicepipe.telemetry.calls import CallInfo, Fault, ToolRun, Turn
from voicepipe.telemetry.cost import Cost
from voicepipe.telemetry.links import LinkFate
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.telemetry.usage import Used
from voicepipe.watch import Board, Watch
from voicepipe.watch.parts import account_of, fault_of, link_of, tool_of, turn_of

pytestmark = pytest.mark.browser
MATCHER = Masking().matcher()
TURNS = [
    Turn(
        0,
        0.0,
        bot_text="Welcome to the weather line. How can I help?",
        bot_started_ms=400,
        bot_stopped_ms=2900,
    ),
    Turn(
        1,
        3400.0,
        "what is the weather in paris",
        user_is_final=True,
        user_stopped_ms=5000,
        bot_text="In Paris it is 21 degrees and there is fog in the morning, clearing later.",
        heard_text="In Paris it is 21 degrees and there is",
        bot_started_ms=5520,
        bot_stopped_ms=7400,
        is_interrupted=True,
        latency_ms=520.0,
        server_ms=455.0,
        added_ms=1.0,
    ),
    Turn(2, 7300.0, "<b>and</b> tomorrow"),
]


def put_on(board: Board) -> None:
    """What two calls look like: one that runs, and one that has failed."""
    board.began(
        CallInfo(
            call_id="0a1b2c3d",
            direction="inbound",
            caller="+15550007777",
            called="+15550002222",
            carrier="telnyx",
        ),
        "recordings/0a1b2c3d",
    )
    board.part(
        "0a1b2c3d", 1, fault_of(Fault(0, 900.0, "insufficient_quota: no credit", is_fatal=True), MATCHER)
    )
    board.changed("0a1b2c3d", faults=1, call_secs=4.2, cost="0.0000", cost_is_known=True)
    board.ended("0a1b2c3d", "failed")
    about = CallInfo(
        call_id="4f5e6d7c",
        direction="inbound",
        caller="+15550001111",
        called="+15550002222",
        carrier="twilio",
        engine="openai_realtime",
        model="gpt-realtime",
    )
    board.began(about, "")
    for turn in TURNS:
        board.part("4f5e6d7c", 1, turn_of(turn, MATCHER))
    tool = ToolRun(0, 1, "c1", "get_weather", {"city": "Paris"}, 5100.0, 5310.0, {"temperature": 21}, "done")
    board.part("4f5e6d7c", 1, tool_of(tool, MATCHER))
    board.part("4f5e6d7c", 1, link_of(LinkFate("llm", "lost", "1006 no close frame"), 1, 7600.0, MATCHER))
    board.part("4f5e6d7c", 1, link_of(LinkFate("llm", "resumed"), 2, 7900.0, MATCHER))
    board.changed(
        "4f5e6d7c", latency_ms=520.0, **account_of(Account(Used({}, {}, {}), 9.0, Cost().known, Cost()))
    )
    board.changed("4f5e6d7c", cost="0.0124", tokens=1893)


async def wide(page: Page) -> None:
    await page.ask(
        "Emulation.setDeviceMetricsOverride", width=1280, height=860, deviceScaleFactor=1, mobile=False
    )


async def test_it_shows_the_calls_as_they_go_on(tmp_path: Path):
    watch = Watch(TOKEN)
    async with served(watch) as origin, chromium(tmp_path / "profile") as page:
        await wide(page)
        put_on(watch.board)
        await page.go_to(watch.link(origin))
        await page.until("document.querySelectorAll('#calls button').length == 2")
        await page.until("document.querySelectorAll('#story > li').length == 6")
        text = await page.run("document.body.innerText")
        for shown in (
            "***1111 → ***2222",
            "1 running",
            "520 ms",
            "$0.0124",
            "Connection lost: 1006",
            "interrupted",
        ):
            assert shown in text
        assert (
            await page.run("document.querySelector('.unheard').innerText")
            == " fog in the morning, clearing later."
        )
        assert "<b>and</b> tomorrow" in text, "words are words, not markup"
        assert TOKEN not in await page.run("location.href"), "the address is shown to others"
        (tmp_path / "calls.png").write_bytes(await page.screenshot())

        # More of the same call comes by itself.
        TURNS[2].bot_text = "Tomorrow it is sunny."
        watch.board.part("4f5e6d7c", 1, turn_of(TURNS[2], MATCHER))
        await page.until("document.querySelector('#story').innerText.includes('Tomorrow it is sunny.')")
        watch.board.ended("4f5e6d7c", "ended: hung up")
        await page.until("document.querySelector('#how').innerText == 'ended: hung up'")
        assert "voicepipe calls show 4f5e6d7c" in await page.run("document.querySelector('#after').innerText")

        # The other call, by a click.
        await page.run(
            "[...document.querySelectorAll('#calls button')].find(b => b.innerText.includes('7777')).click()"
        )
        assert "Fatal: insufficient_quota" in await page.run("document.querySelector('#story').innerText")
        assert "voicepipe inspect recordings/0a1b2c3d" in await page.run(
            "document.querySelector('#after').innerText"
        )
        fetched = await page.run("performance.getEntriesByType('resource').map(one => one.name)")
        assert all(url.startswith(f"{origin}/calls/") for url in fetched)
        assert page.complaints == []


async def test_without_a_token_it_asks_for_it(tmp_path: Path):
    watch = Watch(TOKEN)
    put_on(watch.board)
    async with served(watch) as origin, chromium(tmp_path / "profile") as page:
        await wide(page)
        await page.go_to(f"{origin}/calls")
        submit = (
            "document.querySelector('#token').value = '{}'; document.querySelector('#door').requestSubmit()"
        )
        assert await page.run("document.querySelector('#board').hidden")
        await page.run(submit.format("another-one-entirely"))
        await page.until("document.querySelector('#alert').innerText == 'That is not the token.'")
        assert await page.run("document.querySelector('#board').hidden")
        (tmp_path / "door.png").write_bytes(await page.screenshot())
        await page.run(submit.format(TOKEN))
        await page.until("document.querySelectorAll('#calls button').length == 2")
        assert page.complaints == []


async def test_it_comes_back_when_the_server_was_away(tmp_path: Path):
    watch = Watch(TOKEN)
    async with served(watch) as origin, chromium(tmp_path / "profile") as page:
        put_on(watch.board)
        await page.go_to(watch.link(origin))
        await page.until("document.body.dataset.state == 'open'")
        for socket in list(watch._sockets):
            await socket.close(code=1011)
        await page.until("document.body.dataset.state == 'lost'")
        await page.until("document.body.dataset.state == 'open'")
        await page.until("document.querySelectorAll('#calls button').length == 2")
