"""The caller: any bot can be called as it stands, and what came of it is told."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
import soundfile

from tests.testing.bots import BRAIN, FAILS, KEYS, LEAVES, REFUSED, STYLES
from voicepipe.errors import SettingsError
from voicepipe.loops import now_ms
from voicepipe.testing import loaded
from voicepipe.testing.caller import Caller
from voicepipe.testing.stage import Stage
from voicepipe.transports.sound import Sound


@pytest.fixture(autouse=True)
def without_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, text: str, name: str = "bot.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def caller(tmp_path) -> Caller:
    return Caller(folder=tmp_path)


@pytest.mark.parametrize("style", STYLES)
class TestEachStyle:
    def test_it_answers_and_its_tools_are_seen(self, style, tmp_path, caller):
        write(tmp_path, STYLES[style])
        before, environment = set(sys.modules), dict(os.environ)
        call = caller.call("bot.py", "Where is order 42?", "Thank you.", brain=BRAIN)
        greeting = "Hello, this is the shop! " if style == "phone" else ""
        assert call.heard == f"{greeting}Your order 42 is on its way. You are welcome."
        assert [(tool.name, tool.arguments) for tool in call.tools] == [
            ("get_order_status", {"order_id": "42"})
        ]
        assert "user: Where is order 42?\nbot: Your order 42 is on its way." in call.transcript
        assert (call.ended_by, call.faults) == ("caller", [])
        assert call.cost is not None
        assert call.cost > 0
        assert dict(os.environ) == environment
        assert not [name for name in set(sys.modules) - before if name.startswith("voicepipe_bot")]

    def test_a_second_call_begins_anew(self, style, tmp_path, caller):
        text = STYLES[style].replace('{"42": "on its way"', '{"42": WORD')
        write(tmp_path, f"from word_beside import WORD\n\n{text}")
        for word in ("here", "there"):
            write(tmp_path, f"WORD = {word!r}\n", "word_beside.py")
            # Within one tick of the file system's clock a cached module would not be seen to be old.
            os.utime(tmp_path / "word_beside.py", (len(word), len(word)))
            call = caller.call("bot.py", "Where is order 42?", brain=BRAIN)
            assert call.heard.endswith(f"Your order 42 is {word}.")

    @pytest.mark.virtual_time
    async def test_nothing_is_left_of_a_call_in_which_a_test_fails(self, style, tmp_path, caller):
        write(tmp_path, STYLES[style])

        async def failing() -> None:
            async with caller.calling("bot.py") as call:
                await call.say("Count to twenty.")
                raise AssertionError("not so")

        with pytest.raises(AssertionError, match="not so"):
            await failing()

    @pytest.mark.virtual_time
    async def test_who_hangs_up_in_the_middle_of_an_answer_need_not_hear_it_out(
        self, style, tmp_path, caller
    ):
        write(tmp_path, STYLES[style])
        async with caller.calling("bot.py") as call:
            await call.greeting()
            await call.say("Count to one hundred.")
            before = len(call.witness.events)
            while not any(event.event == "bot_started_speaking" for event in call.witness.events[before:]):
                await call.witness.changed_within(5)
            said_ms = now_ms()
        assert now_ms() - said_ms < 2000
        assert "one hundred" not in call.record.heard
        assert call.record.ended_by == "caller"
        assert call.record.faults == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("style", STYLES)
async def test_calls_that_overlap_leave_the_environment_as_it_was(style, tmp_path, caller):
    write(tmp_path, STYLES[style])
    before = dict(os.environ)

    async def held(order: int, times: int) -> str:
        async with caller.calling("bot.py", brain=BRAIN) as call:
            await call.greeting()
            for _ in range(times):
                await call.say(f"Where is order {order}?")
                answer = await call.answer()
        return answer

    # The one that begins first ends first.
    first, second = await asyncio.gather(held(42, 1), held(7, 2))
    assert (first, second) == ("Your order 42 is on its way.", "Your order 7 is waiting for payment.")
    assert dict(os.environ) == before


class TestEnds:
    def test_a_bot_that_leaves_is_told_no_more(self, tmp_path, caller):
        write(tmp_path, LEAVES)
        call = caller.call("bot.py", "Spell cat.", "Spell dog.")
        assert call.heard == "C, A, T."
        assert (call.ended_by, call.ended_why) == ("bot", "that is all")

    def test_what_a_bot_raises_is_raised(self, tmp_path, caller):
        write(tmp_path, FAILS)
        with pytest.raises(ZeroDivisionError, match="no pipeline today"):
            caller.call("bot.py", "Hello.")

    def test_a_bot_that_is_refused_by_the_api_ends_with_an_error(self, tmp_path, caller):
        write(tmp_path, REFUSED)
        call = caller.call("bot.py", "Hello.")
        assert call.ended_by == "error"
        assert "127.0.0.1:9" in call.ended_why


class TestWhatACallerDoes:
    @pytest.mark.virtual_time
    async def test_keys_are_pressed(self, tmp_path, caller):
        write(tmp_path, KEYS)
        async with caller.calling("bot.py") as call:
            await call.press("12#")
            await call.say("Spell cat.")
            await call.answer()
        assert "keys 12#" in [
            event.text for event in call.record.events if event.event == "user_transcription"
        ]

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("style", STYLES)
    async def test_what_has_no_sound_has_been_said_at_once(self, style, tmp_path, caller):
        write(tmp_path, STYLES[style])
        async with caller.calling("bot.py") as call:
            await call.greeting()
            async with asyncio.timeout(1):
                await call.say("")
                await call.say(Sound(b"", 8000))
            await call.say("Spell cat.")
            assert await call.answer() == "C, A, T."

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("style", STYLES)
    async def test_keys_that_there_are_not_are_refused_before_any_is_pressed(self, style, tmp_path, caller):
        write(tmp_path, STYLES[style])
        async with caller.calling("bot.py") as call:
            with pytest.raises(SettingsError, match=r"keys: '1x' has other keys than 0 to 9, \* and #"):
                await call.press("1x")

    @pytest.mark.virtual_time
    async def test_who_barges_in_hears_no_more_of_it(self, tmp_path, caller):
        write(tmp_path, STYLES["pipeline"])
        async with caller.calling("bot.py") as call:
            await call.say("Count to twenty.")
            while not any(event.event == "bot_started_speaking" for event in call.witness.events):
                await call.witness.changed_within(5)
            await call.witness.changed_within(0.3)
            await call.say("Stop.")
            assert await call.answer() == "All right, I stop."
        [cut] = [event for event in call.record.events if event.event == "bot_interrupted"]
        assert "twenty" not in cut.text
        assert call.record.turns[0].is_interrupted

    @pytest.mark.virtual_time
    async def test_an_answer_that_does_not_come_times_out(self, tmp_path, caller):
        silent = "from voicepipe import Pipeline\ndef bot(t):\n    return Pipeline([t.input(), t.output()])\n"
        write(tmp_path, silent)
        async with caller.calling("bot.py") as call:
            await call.say("Hello.")
            with pytest.raises(TimeoutError):
                await call.answer(within_secs=3)

    def test_both_sides_are_recorded(self, tmp_path, caller):
        write(tmp_path, STYLES["pipeline"])
        caller.call("bot.py", "Spell cat.", recording=tmp_path / "call.wav")
        both, rate = soundfile.read(tmp_path / "call.wav")
        assert rate == 24000
        assert both[:, 0].any()
        assert both[:, 1].any()

    def test_a_bot_can_be_given_as_it_is(self, tmp_path, caller):
        with loaded(write(tmp_path, STYLES["pipeline"])) as bot:
            assert caller.call(bot.function, "Spell cat.").heard == "C, A, T."

    def test_real_time_is_real(self, tmp_path):
        write(tmp_path, STYLES["pipeline"])
        began_secs = time.monotonic()
        call = Caller(Stage(real_time=True), tmp_path).call("bot.py", "Hi.")
        assert (time.monotonic() - began_secs) * 1000 > call.duration_ms > 500
        assert call.latencies_ms[0] > 0


class TestWrongUse:
    def test_a_missing_file_is_named(self, caller):
        with pytest.raises(FileNotFoundError, match=r"nothing\.py"):
            caller.call("nothing.py", "Hello.")

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("x = 1\n", "bot.py has no bot"),
            ("def bot():\n    ...\n", "takes 0 arguments"),
            (
                "from voicepipe.agents import AgentServer\nleft = AgentServer()\nright = AgentServer()\n",
                "has left and right; call the one that counts `server`",
            ),
        ],
    )
    def test_a_file_without_a_bot_says_what_would_be_one(self, text, why, tmp_path, caller):
        write(tmp_path, text)
        with pytest.raises(SettingsError, match=why):
            caller.call("bot.py", "Hello.")

    def test_what_is_no_bot_is_refused(self, caller):
        with pytest.raises(SettingsError, match="is of type int"):
            caller.call(3, "Hello.")

    async def test_where_an_event_loop_runs_the_other_way_is_named(self, caller):
        with pytest.raises(RuntimeError, match=r"use `async with caller\.calling"):
            caller.call("bot.py", "Hello.")

    def test_the_api_itself_needs_a_key(self, tmp_path):
        write(tmp_path, STYLES["pipeline"])
        with pytest.raises(SettingsError, match="OPENAI_API_KEY: is not set"):
            Caller(Stage(live=True, speech="tones"), tmp_path).call("bot.py", "Hello.")
