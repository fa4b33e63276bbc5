"""`voicepipe run bot.py`: a page on this machine where a person talks with the bot."""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from voicepipe import loops
from voicepipe.bots import BotFunction
from voicepipe.browser import About, Bot, BrowserServer
from voicepipe.cli import built_in_bot
from voicepipe.cli.bot_file import BotFile
from voicepipe.collector import spare_calls
from voicepipe.offline import OpenAIPlace, openai_or_local
from voicepipe.watch import Watch

_LOOK_EVERY_SECS: Final = 0.4


def run_page(
    path: Path | None,
    *,
    host: str,
    port: int,
    origins: Iterable[str],
    max_conversations: int,
    local: bool,
    dev: bool,
    watch: bool = False,
) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        path: The bot's file; the bot that comes along if None.
        host: A loopback address.
        port: 0 takes a free one.
        origins: Of proxies in front.
        max_conversations: At once.
        local: Whether to stay on this machine even if there is a key.
        dev: Whether to look for changes of the file.
        watch: Whether to show the conversations on a page of their own.

    Raises:
        FileNotFoundError: There is no such file.
        PortTakenError: Another program has the port.
        MissingExtraError: Packages are not installed.
        SettingsError: The file has no bot, or an option cannot be used.
        Exception: What the bot's file raised.
    """
    file = BotFile(path) if path is not None else None
    bot = file.load() if file is not None else built_in_bot.bot
    watched = Watch() if watch else None
    loops.run(
        _serve(
            file if dev else None,
            bot,
            name=file.name if file is not None else "voicepipe",
            local=local or None,
            server=partial(
                BrowserServer,
                host=host,
                port=port,
                origins=origins,
                max_conversations=max_conversations,
                watch=watched,
            ),
            watch=watched,
        )
    )


async def _serve(
    file: BotFile | None,
    bot: BotFunction,
    *,
    name: str,
    local: bool | None,
    server: partial[BrowserServer],
    watch: Watch | None,
) -> None:
    console = Console()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        with console.status("getting ready"):
            openai = await stack.enter_async_context(openai_or_local(local=local))
        about = About(name, openai.short_name, is_local=openai.is_local)
        page = await stack.enter_async_context(server(_at(bot, openai), about=about))
        console.print(f"The bot talks with {openai.description}.", soft_wrap=True, highlight=False)
        console.print(
            f"Talk with it at [bold]{page.url}[/bold]  Ctrl-C ends it.", soft_wrap=True, highlight=False
        )
        if watch is not None:
            console.print(f"Watch at [bold]{watch.link(page.url)}[/bold]", soft_wrap=True, highlight=False)
        if file is not None:
            watching = asyncio.create_task(_watch(file, page, openai, console), name="watch the bot's file")
            stack.push_async_callback(_cancelled, watching)
        spare_calls()
        await stop.wait()


def _at(bot: BotFunction, openai: OpenAIPlace) -> Bot:
    return lambda transport: bot(transport, openai)


async def _watch(file: BotFile, page: BrowserServer, openai: OpenAIPlace, console: Console) -> None:
    """Load the file whenever it changes; one that cannot be loaded leaves the bot as it was."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECS)
        if not file.has_changed():
            continue
        # What another person's file raises can be anything, and is shown, not handled.
        [bot] = await asyncio.gather(_loaded(file), return_exceptions=True)
        if isinstance(bot, BaseException):
            console.print("".join(traceback.format_exception(bot)), markup=False, highlight=False)
            console.print(f"[red]{file.path.name} cannot be loaded; the bot stays as it was.[/red]")
        else:
            page.change_bot(_at(bot, openai))
            console.print(f"{file.path.name} has changed and is loaded.", highlight=False)


async def _loaded(file: BotFile) -> BotFunction:
    return file.load()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
