"""What strangers, and servers that fail, must not bring about: a secret that is shown, a forged line in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from loguru import logger

from tests.reliability.conversation import conversation
from tests.reliability.subjects import OPENAI_GA
from tests.transports.telephony.wire_lines import PLIVO, TELNYX
from voicepipe.frames import ErrorFrame
from voicepipe.local.proxy import CloseWith, Drop, FaultProxy, HttpStatus, NotHttp, Raw, Say
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.transports.telephony.carriers import wire_named
from voicepipe.transports.telephony.events import Complaint

SECRET = "sk-planted-5f1d7c0e9b"


@pytest.fixture
def written() -> Iterator[list[str]]:
    """All that is logged, at the most talkative level."""
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, backtrace=True, diagnose=True)
    yield lines
    logger.remove(sink)


TROUBLES = {
    "drop": (Drop(), []),
    "close": (CloseWith(1008, "policy"), []),
    "401": (Drop(), [HttpStatus(401)]),
    "another protocol": (Drop(), [NotHttp()]),
    "redirect": (Drop(), [HttpStatus(302, {"Location": "ws://other.invalid/"})] * 8),
    "no frame": (Raw(b"\xff\xff\xff"), []),
    "no JSON": (Say("{"), []),
    "wrong key": (Say(OPENAI_GA.errors["invalid_api_key"][0]), []),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_key_is_nowhere_to_be_found_whatever_fails(written, trouble, capfd):
    strikes, handshakes = TROUBLES[trouble]
    async with OPENAI_GA.serve() as server, FaultProxy(server.url) as proxy:
        service = OpenAIRealtimeLLMService(api_key=SECRET, base_url=proxy.url)
        async with conversation([service]) as call:
            await call.say("hello")
            await call.watch.until(lambda: call.watch.audio_bytes > 0 or call.has_ended)
            proxy.handshakes.extend(handshakes)
            await proxy.strike(strikes)
            await call.say("hello")
            await call.hang_up()
            await call.watch.until(lambda: call.has_ended)
        shown = [repr(service), str(service), repr(vars(service)), repr(call.result)]
        shown += [str(frame) for frame in call.watch.frames if isinstance(frame, ErrorFrame)]
    out, err = capfd.readouterr()
    assert written
    for text in (*written, *shown, out, err):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("carrier", "message"),
    [
        (
            "telnyx",
            {"event": "error", "payload": {"code": 1, "title": "a\nb", "detail": "x\r\n2026 ERROR y" * 200}},
        ),
        ("plivo", {"event": "error", "reason": "a\n2026 ERROR \x1b[2Jy" * 200}),
    ],
)
def test_what_a_carrier_complains_of_is_one_short_line(carrier, message):
    wire = wire_named(carrier)
    wire.receive({"telnyx": TELNYX, "plivo": PLIVO}[carrier]["start"])
    [complaint] = wire.receive(json.dumps(message))
    assert isinstance(complaint, Complaint)
    assert complaint.message.isprintable()
    assert len(complaint.message) <= 300
