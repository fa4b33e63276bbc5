"""`voicepipe talk`: a conversation through this machine's microphone and loudspeaker, with captions in the terminal."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from voicepipe.bots import BotFunction, pipeline_of
from voicepipe.cli import built_in_bot
from voicepipe.cli.bot_file import BotFile
from voicepipe.cli.exits import Exit
from voicepipe.cli.levels import LevelObserver
from voicepipe.cli.talk_view import TalkView
from voicepipe.cli.telling import tell_breaking_off
from voicepipe.offline import openai_or_local
from voicepipe.pipeline import RunResult, run
from voicepipe.telemetry.observer import CallObserver
from voicepipe.transports.microphone import MicrophoneTransport


def run_talk(path: Path | None, *, input_device: int | None, output_device: int | None, local: bool) -> Exit:
    """Hold a conversation until Ctrl-C, or until the bot ends it.

    Args:
        path: The bot's file; the bot that comes along if None.
        input_device: PortAudio's number of the microphone; None is the default one.
        output_device: Of the loudspeaker.
        local: Whether to stay on this machine even if there is a key.

    Raises:
        FileNotFoundError: There is no such file.
        MissingExtraError: Packages are not installed.
        AudioDeviceError: There is no microphone, or no loudspeaker.
        SettingsError: The file has no bot.
        Exception: What the bot's file raised.
    """
    bot = BotFile(path).load() if path is not None else built_in_bot.bot
    return asyncio.run(_talk(bot, input_device, output_device, local or None))


async def _talk(
    bot: BotFunction, input_device: int | None, output_device: int | None, local: bool | None
) -> Exit:
    console = Console()
    async with AsyncExitStack() as stack:
        # The microphone first: without one, ears and voice need not be loaded.
        microphone = MicrophoneTransport(input_device=input_device, output_device=output_device)
        transport = await stack.enter_async_context(microphone)
        with console.status("getting ready"):
            openai = await stack.enter_async_context(openai_or_local(local=local))
        pipeline = await pipeline_of(lambda transport: bot(transport, openai), transport)
        console.print(f"The bot talks with {openai.description}.", soft_wrap=True, highlight=False)
        console.print(
            f"You speak into {transport.input_name} and hear {transport.output_name}. Ctrl-C ends it.",
            soft_wrap=True,
            highlight=False,
        )
        with TalkView(console, is_local=openai.is_local) as view:
            result = await run(pipeline, observers=[CallObserver(view), LevelObserver(view.level)])
    return _ended(result, console)


def _ended(result: RunResult, console: Console) -> Exit:
    if result.reason == "failed":
        tell_breaking_off(console, result.detail)
        return Exit.REFUSED
    return Exit.OK
