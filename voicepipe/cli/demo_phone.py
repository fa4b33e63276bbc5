"""`voicepipe demo-phone`: a bot with a telephone number, its carrier, a caller and the API, all of them on this machine."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from voicepipe import loops
from voicepipe.cli.call_tables import lines_of
from voicepipe.cli.engine_name import EngineName
from voicepipe.cli.engines import ENGINES, Place
from voicepipe.cli.exits import Exit
from voicepipe.cli.phone_commands import PhoneEngine
from voicepipe.cli.place_call import Report, report_of, show, spoken
from voicepipe.cli.telling import tell_file
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.carriers import LocalCarrier, new_telnyx_keys
from voicepipe.local.carriers.call import CarrierName, LocalCall
from voicepipe.local.carriers.carrier import NUMBER
from voicepipe.local.carriers.hearing import write_wav
from voicepipe.local.carriers.visit import Done, Say, visit
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.phone import (
    CallResult,
    Carrier,
    ElevenLabsConvAI,
    OpenAIRealtime,
    Phone,
    Plivo,
    Telnyx,
    Twilio,
)

QUESTION: Final = "What is the weather in London?"
EXPECTED_WORDS: Final = ("london", "degrees", "clear sky")
"""Which words the caller has to hear. How a recogniser writes the number is its own affair."""
_GREETING: Final = "Hello, this is the weather service!"
_BOTS: Final[Mapping[PhoneEngine, Callable[[Place], Any]]] = {
    PhoneEngine.OPENAI: lambda place: OpenAIRealtime(api_key=place.api_key, base_url=place.url),
    PhoneEngine.ELEVENLABS: lambda place: ElevenLabsConvAI(
        api_key=place.api_key, agent_id=place.who, base_url=place.url
    ),
}


def run_demo_phone(
    engines: Sequence[PhoneEngine], carrier: CarrierName, out: Path, *, speech: str = "local"
) -> Exit:
    """Have each engine answer a call and show it; returns the exit code.

    Args:
        engines: What the bot talks with, one call after the other.
        carrier: Who calls.
        out: The folder for the sound of the calls and their records.
        speech: The speech engine's name.

    Raises:
        MissingExtraError: Ears and a voice, or what keeps records, are not installed.
        FileExistsError: `out` is a file.
    """
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    with console.status("loading ears and voice"):
        engine = speech_engine(speech)
        question = Say(spoken(engine, QUESTION), QUESTION)
    demo = _Demo(carrier, out, engine, question, console)
    passed = [loops.run(demo.call(name)) for name in engines]
    return Exit.OK if all(passed) else Exit.NO_ANSWER


@dataclass(frozen=True)
class _Demo:
    carrier: CarrierName
    out: Path
    speech: SpeechEngine
    question: Say
    console: Console

    async def call(self, name: PhoneEngine) -> bool:
        """Hold one call and show it; return whether the expected words were heard."""
        self.console.print(f"[bold]{name.value}[/bold] over {self.carrier.title()}")
        records = self.out / "calls.sqlite"
        async with self._stage(name) as (place, carrier):
            phone = Phone(carrier=_bots_side(carrier), phone_number=NUMBER, records=records)
            greeting = _GREETING if name is PhoneEngine.OPENAI else ""
            agent = phone.agent(engine=_BOTS[name](place), first_message=greeting, tools=[get_weather])
            with self.console.status("on the telephone"):
                async with phone.serving(agent, port=0) as door:
                    call, done, result = await self._ask(phone, carrier, door.local_url, name)
        report = await asyncio.to_thread(report_of, call, done, self.speech)
        return await self._shown(name, call, report, result, records)

    @asynccontextmanager
    async def _stage(self, name: PhoneEngine) -> AsyncGenerator[tuple[Place, LocalCarrier]]:
        secret = new_telnyx_keys().private if self.carrier == "telnyx" else secrets.token_hex(16)
        serve = ENGINES[EngineName(name.value)].serve
        async with (
            serve(self.speech, ScriptBrain(Script.default()), 0, None) as place,
            LocalCarrier(self.carrier, secret) as carrier,
        ):
            yield place, carrier

    async def _ask(
        self, phone: Phone, carrier: LocalCarrier, url: str, name: PhoneEngine
    ) -> tuple[LocalCall, list[Done], CallResult]:
        both = self.out / f"phone-{name.value}.wav"
        async with await carrier.call(url, record_path=both) as call:
            [running] = phone.calls
            done = await visit(call, [self.question])
        return call, done, await running.result()

    async def _shown(
        self, name: PhoneEngine, call: LocalCall, report: Report, result: CallResult, records: Path
    ) -> bool:
        heard = self.out / f"phone-{name.value}-heard.wav"
        write_wav(heard, call.heard)
        show(report, self.console)
        self.console.print(Text("the record of the call", style="bold"))
        for line in await _record(records, result.call_id):
            self.console.print(line, highlight=False, soft_wrap=True)
        for path, what in (
            (self.out / f"phone-{name.value}.wav", "the caller on the left, what was heard on the right"),
            (heard, "what the caller heard"),
            (records, f"the records, for `voicepipe calls list --records {records}`"),
        ):
            tell_file(self.console, path, what)
        missing = missing_words(report)
        if missing:
            self.console.print(f"[red]These words were not heard:[/red] {', '.join(missing)}")
        self.console.print()
        return not missing and report.first_answer_ms is not None


def missing_words(report: Report) -> list[str]:
    """Return which of the expected words the caller did not hear."""
    words = re.sub(r"[^a-z0-9]+", " ", " ".join(piece.text for piece in report.heard).lower())
    return [expected for expected in EXPECTED_WORDS if expected not in words]


async def get_weather(city: str) -> dict[str, Any]:
    """The weather in a city, now.

    Args:
        city: Its name.
    """
    return {"city": city, "temperature": 18, "conditions": "a clear sky"}


def _bots_side(carrier: LocalCarrier) -> Carrier:
    """Return what a bot has of a local carrier."""
    key, url = carrier.bot_key, carrier.api_url
    if carrier.name == "twilio":
        return Twilio(account_sid="AC" + "0" * 32, auth_token=key, api_url=url)
    if carrier.name == "telnyx":
        return Telnyx(api_key="local", connection_id="local", public_key=key, api_url=url)
    return Plivo(auth_id="local", auth_token=key, api_url=url)


async def _record(records: Path, call_id: str) -> list[Text]:
    # Raises a `MissingExtraError` where the extra is not installed, as `Phone(records=...)` did before.
    from voicepipe.telemetry.records import RecordReader

    async with RecordReader.open(records) as reader:
        return list(lines_of(await reader.call(call_id)))
