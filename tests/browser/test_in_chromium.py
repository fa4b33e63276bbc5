"""A person talks with a bot in Chromium: real speech from a WAV file as the microphone, real speech back."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.bot_page import Command, bot_page
from tests.support.chromium import Page, chromium
from voicepipe.local.speech.engines import SpeechEngine, speech_engine

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "browser_bot.py"
ENTER = ("Enter", "Enter", 13, "\r")
TAB = ("Tab", "Tab", 9)

TAP = """
(async () => {
  const context = new AudioContext({sampleRate: 24000});
  const source = context.createMediaStreamSource(document.getElementById("bot-sound").srcObject);
  const tap = context.createScriptProcessor(16384, 1, 1);
  window.tapped = [];
  tap.onaudioprocess = (event) => window.tapped.push(event.inputBuffer.getChannelData(0).slice());
  source.connect(tap);
  tap.connect(context.destination);
  await context.resume();
})()
"""
TAPPED = """
(() => {
  const samples = new Int16Array(window.tapped.length * 16384);
  window.tapped.forEach((piece, at) => piece.forEach((sample, n) => { samples[at * 16384 + n] = sample * 32767; }));
  let text = "";
  new Uint8Array(samples.buffer).forEach((byte) => { text += String.fromCharCode(byte); });
  return btoa(text);
})()
"""
BOT_SAYS = "[...document.querySelectorAll('.said.bot .words')].map(e => e.innerText).join(' | ')"
USER_SAYS = "[...document.querySelectorAll('.said.user .words')].map(e => e.innerText).join(' | ')"
STATE = "document.body.dataset.state"


@pytest.fixture(scope="module")
def speech() -> SpeechEngine:
    return speech_engine("local")


def microphone(speech: SpeechEngine, path: Path, *said: str | float) -> Path:
    """Write what is said, with so many seconds of silence in between, as Chromium takes it."""
    rate = speech.voice.sample_rate
    pieces = [
        np.concatenate(list(speech.voice.speak(one)))
        if isinstance(one, str)
        else np.zeros(int(one * rate), np.int16)
        for one in said
    ]
    soundfile.write(path, np.concatenate(pieces), rate, subtype="PCM_16")
    return path


async def heard(page: Page) -> np.ndarray:
    """What came out of the page's loudspeaker since it was tapped, at 24 kHz, what is still under way included."""
    pieces = await page.run("window.tapped.length")
    await page.until(f"window.tapped.length >= {pieces + 2}")
    return np.frombuffer(base64.b64decode(await page.run(TAPPED)), np.int16)


@asynccontextmanager
async def talking(tmp_path: Path, wav: Path) -> AsyncIterator[tuple[Page, Command]]:
    """A conversation that a person has begun with the keyboard."""
    async with (
        bot_page(EXAMPLE) as (url, server),
        chromium(tmp_path / "profile", wav) as page,
    ):
        await page.go_to(url)
        await page.until("document.getElementById('bot-name').textContent === 'browser bot'")
        await page.run("document.getElementById('talk').focus()")
        await page.key(*ENTER)
        await page.until(f"{STATE} === 'listening'")
        await page.run(TAP)
        yield page, server


async def test_a_spoken_question_is_shown_and_its_answer_is_heard(tmp_path, speech):
    wav = microphone(speech, tmp_path / "mic.wav", 4.0, "What is the weather in Paris?", 30.0)
    async with talking(tmp_path, wav) as (page, _):
        await page.until(f"{BOT_SAYS}.includes('clear sky')")
        await page.until(f"{STATE} === 'listening'")
        assert "weather in paris" in (await page.run(USER_SAYS)).lower()
        assert await page.run(BOT_SAYS) == "In Paris it is 18 degrees and a clear sky."
        tools = await page.run("document.getElementById('tools').innerText")
        assert 'get_weather({"city": "Paris"})' in tools
        assert '"temperature": 18' in tools
        assert (await page.run("document.getElementById('latency-last').innerText")).endswith(" ms")
        cost = await page.run("document.getElementById('cost').innerText")
        assert float(cost.removeprefix("$")) > 0
        assert "Bot: In Paris it is 18 degrees" in await page.run(
            "document.getElementById('spoken').textContent"
        )

        pcm = await heard(page)
        assert int(np.abs(pcm.astype(int)).max()) > 3000
        words = speech.ears.listen(pcm, 24000).lower()
        assert "paris" in words
        assert "degrees" in words

        picture = await page.screenshot()
        assert picture.startswith(b"\x89PNG")
        (tmp_path / "page.png").write_bytes(picture)
        await page.key(*ENTER)
        await page.until(f"{STATE} === 'idle'")
        assert page.complaints == []


async def test_a_barge_in_stops_the_answer_and_says_so(tmp_path, speech):
    wav = microphone(speech, tmp_path / "mic.wav", 4.0, "Count to twenty.", 5.0, "Please stop.", 30.0)
    async with talking(tmp_path, wav) as (page, _):
        await page.until(f"{BOT_SAYS}.includes('I stop')")
        await page.until(f"{STATE} === 'listening'")
        assert await page.run("document.querySelector('.marks .cut').innerText") == "you interrupted here"
        struck = await page.run("document.querySelector('.said.bot .unheard').innerText")
        assert struck.rstrip().endswith("twenty.")
        words = speech.ears.listen(await heard(page), 24000).lower()
        # The ears may mishear a word that came over a busy machine's WebRTC; what matters is what is not heard any more.
        assert not {"19", "20", "twenty", "nineteen"} & set(words.replace(",", " ").split()), words
        assert "stop" in words
        assert page.complaints == []


BOT = """
from voicepipe import Pipeline

def bot(transport):
    return Pipeline([transport.input(), transport.output()])
"""
ALERT = "(document.getElementById('alert').hidden ? '' : document.getElementById('alert').innerText)"
REFUSE = """
navigator.mediaDevices.getUserMedia =
  () => Promise.reject(new DOMException("Permission denied", "NotAllowedError"));
"""


async def test_what_goes_wrong_is_said_on_the_page_and_a_changed_bot_is_gone_on_with(tmp_path):
    path = tmp_path / "bot.py"
    path.write_text(BOT)
    async with chromium(tmp_path / "profile") as page:
        async with bot_page(path, "--dev", speech="tones") as (url, server):
            await page.go_to(url)
            await page.until("document.title === 'bot'")
            await page.run("document.getElementById('talk').focus()")
            await page.key(*ENTER)
            await page.until(f"{STATE} === 'listening'")
            path.write_text(BOT.replace("transport.input(), ", "transport.input(), *[], "))
            os.utime(path, (1, 1))
            await page.until(f"{ALERT}.includes('this is the new bot')")
            await page.until(f"{STATE} === 'listening'")

            await page.key(*TAB)
            await page.key(*ENTER)
            assert await page.run("document.getElementById('mute').ariaPressed") == "true"

            path.write_text("def bot(transport):\n    raise RuntimeError('no luck')\n")
            os.utime(path, (2, 2))
            await page.until(f"{ALERT}.includes('RuntimeError: no luck')")
            assert await page.run(STATE) == "idle"
            assert await page.run("document.getElementById('mute').disabled")

            path.write_text(BOT)
            os.utime(path, (3, 3))
            await server.until(re.compile(r"(has changed and is loaded.*){3}", re.DOTALL))
            await page.run("document.getElementById('talk').click()")
            await page.until(f"{STATE} === 'listening'")
        await page.until(f"{ALERT}.includes('server has stopped')")
        await page.run("document.getElementById('talk').click()")
        await page.until(f"{ALERT}.includes('cannot be reached')")
        await page.run(REFUSE)
        await page.run("document.getElementById('talk').click()")
        await page.until(f"{ALERT}.includes('may not use the microphone')")


async def test_every_control_has_a_name_and_the_page_fits_a_telephone(tmp_path):
    async with bot_page(speech="tones") as (url, _), chromium(tmp_path / "profile") as page:
        await page.ask(
            "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True
        )
        await page.go_to(url)
        await page.until("document.title === 'voicepipe'")
        tree = (await page.ask("Accessibility.getFullAXTree"))["nodes"]
        roles = {node["role"]["value"]: [] for node in tree if not node["ignored"]}
        for node in tree:
            if not node["ignored"]:
                roles[node["role"]["value"]].append(node.get("name", {}).get("value", ""))
        assert roles["button"] == ["Start talking", "Mute"]
        assert all(roles["region"])
        assert all(roles["heading"])
        assert {"banner", "main", "complementary", "contentinfo", "status"} <= set(roles)
        assert await page.run("document.documentElement.scrollWidth <= innerWidth")
        (tmp_path / "page.png").write_bytes(await page.screenshot())
        assert page.complaints == []
