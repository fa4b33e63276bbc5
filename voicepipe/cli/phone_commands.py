"""`voicepipe call` and `voicepipe demo-phone`: their options. What they do is in modules of their own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from voicepipe.cli.exits import EXPECTED, fail
from voicepipe.cli.log import set_log


class Carrier(StrEnum):
    """Whose wire and webhooks."""

    TWILIO = "twilio"
    TELNYX = "telnyx"
    PLIVO = "plivo"


class PhoneEngine(StrEnum):
    """What the bot of the phone demo talks with."""

    OPENAI = "openai"
    ELEVENLABS = "elevenlabs"


def call(
    url: Annotated[
        str,
        typer.Argument(
            help="The bot: http://127.0.0.1:8000, with its webhook at /<carrier>/voice, or elsewhere if the address has a"
            " path; or its media stream alone, ws://..."
        ),
    ],
    *,
    wav: Annotated[list[Path] | None, typer.Option(help="A WAV file to say; may be repeated.")] = None,
    say: Annotated[
        list[str] | None,
        typer.Option(help="A line to say in the local voice, after the files; may be repeated."),
    ] = None,
    keys: Annotated[str, typer.Option(help="Keys to press at last, e.g. 12#.")] = "",
    carrier: Annotated[Carrier, typer.Option(help="Who calls.")] = Carrier.TWILIO,
    out: Annotated[Path | None, typer.Option(help="Where to write what the caller heard (WAV).")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Where to write both sides (WAV): the caller left, the bot right.")
    ] = None,
    greeting_secs: Annotated[
        float, typer.Option(min=0, help="How long the bot may take to speak first.")
    ] = 3.0,
    answer_secs: Annotated[float, typer.Option(min=0, help="How long an answer may take to begin.")] = 20.0,
    quiet_secs: Annotated[
        float, typer.Option(min=0, help="For how long the bot is quiet when it is done.")
    ] = 1.2,
    lost: Annotated[
        float, typer.Option(min=0, max=1, help="How many frames of one get lost, e.g. 0.02.")
    ] = 0.0,
    doubled: Annotated[float, typer.Option(min=0, max=1, help="How many arrive twice.")] = 0.0,
    late: Annotated[float, typer.Option(min=0, max=1, help="How many arrive 20 to 200 ms late.")] = 0.0,
    cut_off_secs: Annotated[
        float | None, typer.Option(min=0, help="When the line breaks, without a close.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the dice for lost, doubled and late frames.")] = 1,
    api_port: Annotated[
        int | None,
        typer.Option(
            help="The port of the carrier's REST API; Telnyx's is at 8766, others are at any free one."
        ),
    ] = None,
    public_url: Annotated[
        str, typer.Option(help="Where the bot believes to be; else what VOICEPIPE_PUBLIC_URL says.")
    ] = "",
    tones: Annotated[
        bool, typer.Option("--tones", help="Speak and hear in coded tones instead of words.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")] = False,
) -> None:
    """Call a bot that runs, as its carrier would, and tell what was heard, how fast, and how the call ended.

    The key that webhooks are signed with is the bot's own: TWILIO_AUTH_TOKEN, PLIVO_AUTH_TOKEN, or TELNYX_PRIVATE_KEY,
    whose public half the bot has (`voicepipe telnyx-keys` makes a pair).
    """
    set_log(verbose)
    from voicepipe.cli.place_call import CallWish, place_call
    from voicepipe.local.carriers import Mishaps
    from voicepipe.local.carriers.visit import Patience

    try:
        wish = CallWish(
            url=url,
            carrier=carrier.value,
            wavs=wav or (),
            lines=say or (),
            keys=keys,
            out=out,
            record=record,
            patience=Patience(greeting_secs * 1000, answer_secs * 1000, quiet_ms=quiet_secs * 1000),
            mishaps=Mishaps.at_random(
                seed,
                lost=lost,
                doubled=doubled,
                late=late,
                cut_off_after_ms=None if cut_off_secs is None else cut_off_secs * 1000,
            ),
            api_port=api_port,
            public_url=public_url,
            speech="tones" if tones else "local",
        )
        code = place_call(wish)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


def telnyx_keys() -> None:
    """Print a new pair of keys for the local Telnyx: the bot gets the public one, `voicepipe call` the private one."""
    from voicepipe.local.carriers import new_telnyx_keys

    try:
        keys = new_telnyx_keys()
    except EXPECTED as error:
        fail(error)
    typer.echo(f"export TELNYX_PUBLIC_KEY={keys.public}\nexport TELNYX_PRIVATE_KEY={keys.private}")


def demo_phone(
    engine: Annotated[
        PhoneEngine | None, typer.Option(help="What the bot talks with; without it, one after the other.")
    ] = None,
    carrier: Annotated[Carrier, typer.Option(help="Who calls.")] = Carrier.TWILIO,
    out: Annotated[Path, typer.Option(help="Where the results are written.")] = Path("demo-output"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")] = False,
) -> None:
    """Answer a telephone call with a bot, all of it on this machine: no key and no network."""
    set_log(verbose)
    try:
        from voicepipe.cli.demo_phone import run_demo_phone

        code = run_demo_phone([engine] if engine else list(PhoneEngine), carrier.value, out)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(call)
    app.command("telnyx-keys")(telnyx_keys)
    app.command("demo-phone")(demo_phone)
