"""`voicepipe call`: a call to a bot that runs, what was heard on it, how fast, and how it ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text
from websockets.exceptions import InvalidHandshake

from voicepipe.cli.exits import Exit
from voicepipe.cli.telling import tell_file
from voicepipe.errors import AudioFormatError, CallNotTakenError, SettingsError
from voicepipe.local.carriers import LocalCall, LocalCarrier, Mishaps, secret_from_environment
from voicepipe.local.carriers.call import CarrierName
from voicepipe.local.carriers.hearing import Piece, answer_ms, pieces_of, with_words, write_wav
from voicepipe.local.carriers.keypad import keys_in
from voicepipe.local.carriers.visit import Done, Patience, Press, Say, Step, visit
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.transports.sound import Sound, read_wav

TELNYX_API_PORT: Final = 8766
_KEYS: Final = frozenset("0123456789*#ABCD")
_ENDS: Final = {
    "caller": "the caller hung up",
    "bot": "the bot hung up",
    "carrier": "the carrier ended the stream",
    "nobody": "the line broke",
}


@dataclass(frozen=True, kw_only=True)
class CallWish:
    """What the command line asked for.

    Parameters:
        url: The bot: where its webhooks are, or its media stream (`ws://`).
        carrier: Who calls.
        wavs: What is said first.
        lines: What is said then, by the local voice.
        keys: What is pressed at last.
        out: Where to write what the caller heard.
        record: Where to write both sides.
        patience: How long the caller waits.
        mishaps: What goes wrong on the line.
        api_port: Of the carrier's REST API; None serves none but Telnyx's.
        public_url: Where the bot believes to be; empty is what `VOICEPIPE_PUBLIC_URL` says.
        speech: The speech engine's name.
    """

    url: str
    carrier: CarrierName
    wavs: Sequence[Path] = ()
    lines: Sequence[str] = ()
    keys: str = ""
    out: Path | None = None
    record: Path | None = None
    patience: Patience = field(default_factory=Patience)
    mishaps: Mishaps = field(default_factory=Mishaps)
    api_port: int | None = None
    public_url: str = ""
    speech: str = "local"


def place_call(wish: CallWish) -> Exit:
    """Call, show what came of it, and return the exit code.

    Raises:
        SettingsError: A key is missing, or a wish cannot be granted.
        CallNotTakenError: The bot cannot be reached, or does not take the call.
        AudioFormatError: A file is no WAV file, or silent.
        MissingExtraError: Ears and voice are not installed.
        PortTakenError: Another program has the REST API's port.
        FileNotFoundError: There is no such WAV file, or no folder to write to.
    """
    if set(wish.keys) - _KEYS:
        raise SettingsError("keys", f"{wish.keys!r} has other signs than 0 to 9, *, # and A to D")
    _check_places(wish.out, wish.record)
    is_stream = wish.url.startswith(("ws://", "wss://"))
    secret = "" if is_stream else secret_from_environment(wish.carrier)
    console = Console()
    with console.status("loading ears and voice"):
        speech = speech_engine(wish.speech)
        steps = steps_of(wish, speech)
    return asyncio.run(_call(wish, secret, steps, speech, console))


def steps_of(wish: CallWish, speech: SpeechEngine) -> list[Step]:
    """Return what the caller does, in its order."""
    steps: list[Step] = []
    for path in wish.wavs:
        sound = read_wav(path)
        if sound.is_silent:
            raise AudioFormatError(f"{path}: is silent, so there is nothing to say in it")
        steps.append(Say(sound, str(path)))
    steps += [Say(spoken(speech, line), line) for line in wish.lines]
    return [*steps, Press(wish.keys)] if wish.keys else steps


def spoken(speech: SpeechEngine, text: str) -> Sound:
    """Return a text as the local voice says it. It blocks meanwhile."""
    pcm = b"".join(piece.tobytes() for piece in speech.voice.speak(text))
    return Sound(pcm, speech.voice.sample_rate)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a call.

    Parameters:
        heard: What the caller heard, with words.
        done: What the caller did.
        ended: How it ended, in words.
        duration_ms: How long it was.
        notes: What else happened.
    """

    heard: Sequence[Piece]
    done: Sequence[Done]
    ended: str
    duration_ms: float
    notes: Sequence[str] = ()

    @property
    def first_answer_ms(self) -> float | None:
        """From the end of what the caller said first to the first sound of the bot after it; None if there was none."""
        return next(
            (took for one in self.done if (took := answer_ms(self.heard, one.until_ms)) is not None), None
        )

    @property
    def is_answered(self) -> bool:
        """Whether the bot said something to what the caller did, or anything if the caller did nothing."""
        return self.first_answer_ms is not None if self.done else bool(self.heard)

    def lines(self) -> list[Text]:
        """Return it as lines for a terminal."""
        events = [(one.from_ms, "caller", _shown(one.step)) for one in self.done]
        events += [(piece.from_ms, "bot", piece.text or "(no words)") for piece in self.heard]
        lines = [
            Text.assemble((f"{at_ms / 1000:8.1f} s  {who:<7}", "dim"), words)
            for at_ms, who, words in sorted(events)
        ]
        lines += [Text(note) for note in self.notes]
        took = self.first_answer_ms
        answered = "no answer" if took is None else f"first answer after {took:.0f} ms"
        return [*lines, Text(f"{self.ended} after {self.duration_ms / 1000:.1f} s; {answered}")]


def report_of(
    call: LocalCall, done: Sequence[Done], speech: SpeechEngine, handed_on: str | None = None
) -> Report:
    """Return what came of a call that is over. It blocks while the ears listen.

    Args:
        call: Which.
        done: What the caller did.
        speech: Who listens.
        handed_on: Whom the bot handed the call on to, empty if to nobody by number; None if it did not.
    """
    heard = call.heard
    # Twilio and Telnyx take no keys on a stream: there they are tones among what is heard.
    keys = call.keys or keys_in(heard)
    notes = [f"the bot pressed {keys}"] if keys else []
    notes += [f"the carrier does not take: {refusal}" for refusal in call.refusals]
    ended = _ENDS[call.ended_by or "nobody"]
    if handed_on is not None:
        ended = f"the bot handed the call on to {handed_on or 'something else'}"
    return Report(
        heard=with_words(heard, pieces_of(heard), speech.ears),
        done=done,
        ended=ended,
        duration_ms=heard.duration_ms,
        notes=notes,
    )


def show(report: Report, console: Console) -> None:
    """Print what came of a call."""
    for line in report.lines():
        console.print(line, highlight=False, soft_wrap=True)


async def _call(
    wish: CallWish, secret: str, steps: Sequence[Step], speech: SpeechEngine, console: Console
) -> Exit:
    if secret:
        call, done, handed_on = await _through_a_carrier(wish, secret, steps, console)
    else:
        call = LocalCall(wish.url, wish.carrier, record_path=wish.record, mishaps=wish.mishaps)
        done, handed_on = await _talk(call, wish, steps, console), None
    with console.status("listening to what was heard"):
        report = await asyncio.to_thread(report_of, call, done, speech, handed_on)
    show(report, console)
    if wish.out is not None:
        write_wav(wish.out, call.heard)
        tell_file(console, wish.out, "what the caller heard")
    return Exit.OK if report.is_answered else Exit.NO_ANSWER


async def _through_a_carrier(
    wish: CallWish, secret: str, steps: Sequence[Step], console: Console
) -> tuple[LocalCall, list[Done], str | None]:
    port = wish.api_port
    if port is None:
        # Where a bot of Telnyx's looks for it has to be known before.
        port = TELNYX_API_PORT if wish.carrier == "telnyx" else 0
    public_url = wish.public_url or os.environ.get("VOICEPIPE_PUBLIC_URL", "")
    async with LocalCarrier(wish.carrier, secret, public_url=public_url, api_port=port) as carrier:
        call_id, stream = await carrier.ring(wish.url)
        call = carrier.local_call(call_id, stream, record_path=wish.record, mishaps=wish.mishaps)
        done = await _talk(call, wish, steps, console)
        # A bot that is gone by then needs not be told.
        with suppress(CallNotTakenError):
            await carrier.tell_end(wish.url, call_id)
        return call, done, carrier.handed_on.get(call_id)


async def _talk(call: LocalCall, wish: CallWish, steps: Sequence[Step], console: Console) -> list[Done]:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(call)
        except (OSError, InvalidHandshake) as error:
            raise CallNotTakenError(f"the bot's media stream could not be opened: {error}") from None
        stack.enter_context(console.status(f"talking with {wish.url}"))
        return await visit(call, steps, wish.patience)


def _shown(step: Step) -> str:
    return f"keys {step.keys}" if isinstance(step, Press) else step.text


def _check_places(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{path}: there is no such folder to write to")
