"""How the page to talk on looks: with a conversation that is always the same, in light and dark, wide and on a telephone.

The page is the real one. WebRTC and the microphone's level are played, so that the same picture comes out each time.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.chromium import chromium
from tests.support.pictures import check, differences, look
from voicepipe import Pipeline
from voicepipe.browser import About, BrowserServer

REFERENCES = Path(__file__).parent / "pictures"
PARTS = ["header", ".conversation", "aside", "footer", "#talk", "#mute", "#user-level", "#bot-level"]
PLAYED = """
class Peer extends EventTarget {
  iceGatheringState = "complete"; connectionState = "connected"; localDescription = {sdp: "", type: "offer"};
  addTrack() {}
  createDataChannel() { return window.channel = new EventTarget(); }
  async setLocalDescription() {}
  async setRemoteDescription() { this.dispatchEvent(new Event("connectionstatechange")); }
  close() {}
}
window.RTCPeerConnection = Peer;
AnalyserNode.prototype.getFloatTimeDomainData = (samples) => samples.fill(0.05);
const real = window.fetch;
window.fetch = async (url, options) => {
  if (url === "/api/conversations") return new Response('{"conversation": 1, "sdp": "", "type": "answer"}');
  if (String(url).endsWith("/end")) return new Promise(() => {});
  return real(url, options);
};
window.told = (messages) => messages.forEach(
  (message) => window.channel.dispatchEvent(new MessageEvent("message", {data: JSON.stringify(message)})));
"""
QUIET = {"type": "turn", "user_done": True, "user_speaks": False, "bot_speaks": False, "interrupted": False}
TIMES = {"latency_ms": 412.0, "server_ms": 380.0, "added_ms": 1.2, "playout_ms": 30.8}
CONVERSATION = [
    QUIET | {"index": 0, "user": "", "bot": "Corner shop, hello!", "heard": None, "latency_ms": None},
    QUIET
    | TIMES
    | {
        "index": 1,
        "user": "What is the weather in Paris?",
        "bot": "In Paris it is 18 degrees and a clear sky.",
        "heard": None,
    },
    {
        "type": "tool",
        "index": 0,
        "name": "get_weather",
        "arguments": '{"city": "Paris"}',
        "status": "done",
        "took_ms": 52.0,
        "result": '{"temperature": 18, "conditions": "a clear sky"}',
    },
    QUIET
    | TIMES
    | {
        "index": 2,
        "user": "Count to twenty.",
        "bot": "One, two, three, four, five, six, seven, eight, nine, ten.",
        "heard": "One, two, three, four,",
        "interrupted": True,
        "latency_ms": 655.0,
        "server_ms": 610.0,
        "added_ms": 2.0,
        "playout_ms": 43.0,
    },
    QUIET
    | TIMES
    | {"index": 3, "user": "Please stop.", "bot": "All right, I stop.", "bot_speaks": True, "heard": None},
    {"type": "account", "cost": "0.0184", "cost_per_minute": "0.0601", "tokens": 1893},
]
TALK = f"""
(async () => {{
  document.getElementById("talk").click();
  while (!window.channel || document.body.dataset.state !== "listening") await new Promise(requestAnimationFrame);
  window.told({json.dumps(CONVERSATION)});
}})()
"""
LOOKS = {
    "light": {},
    "dark": {"dark": True},
    "telephone": {"width": 390, "height": 844, "mobile": True},
    "telephone-dark": {"width": 390, "height": 844, "mobile": True, "dark": True},
}


def bot(transport) -> Pipeline:
    return Pipeline([transport.input(), transport.output()])


@pytest.mark.browser
async def test_the_page_looks_as_it_did(tmp_path):
    about = About("corner shop", "local server", is_local=True)
    async with BrowserServer(bot, about=about, port=0) as server, chromium(tmp_path / "profile") as page:
        await page.ask("Page.addScriptToEvaluateOnNewDocument", source=PLAYED)
        for name, how in LOOKS.items():
            await look(page, **how)
            await page.go_to(server.url)
            await page.until("document.title === 'corner shop'")
            await check(page, REFERENCES / f"{name}-empty.png", PARTS, tmp_path / f"{name}-empty.png")
            await page.run(TALK)
            await page.until("document.getElementById('tokens').textContent === '1,893'")
            assert await page.run("document.documentElement.scrollWidth <= innerWidth")
            await check(page, REFERENCES / f"{name}.png", PARTS, tmp_path / f"{name}.png")
        assert page.complaints == []


class TestComparing:
    def test_other_antialiasing_is_no_difference(self):
        one = Image.open(REFERENCES / "light.png").convert("RGB")
        blurred = one.resize((640, 400), Image.Resampling.BOX).resize(one.size, Image.Resampling.BILINEAR)
        assert differences(one, blurred).mean() < 0.01

    def test_a_part_that_is_gone_is_one(self):
        one = Image.open(REFERENCES / "light.png").convert("RGB")
        pixels = np.asarray(one).copy()
        pixels[:, 930:] = 0
        assert differences(one, Image.fromarray(pixels)).mean() > 0.03
