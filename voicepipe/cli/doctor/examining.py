"""One examination of a bot's file, from loading it to what was found."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger
from rich.console import Console

from voicepipe.agents.commands import environment_with
from voicepipe.cli.doctor.findings import Findings
from voicepipe.cli.doctor.looking import services_of
from voicepipe.cli.doctor.reaching import hosts_of, reach
from voicepipe.cli.doctor.showing import as_json, show
from voicepipe.cli.doctor.surroundings import (
    keys_wanted,
    look_at_keys,
    look_at_packages,
    look_at_ports,
    look_at_sound,
)
from voicepipe.cli.doctor.wires import examine
from voicepipe.cli.exits import Exit
from voicepipe.offline import OpenAIPlace, live_url
from voicepipe.own_files import existing
from voicepipe.realtime.service import RealtimeService
from voicepipe.testing.bots import Bot, loaded

if TYPE_CHECKING:
    from loguru import Message

_STAND_IN: Final = "stand-in-of-the-doctor"
_STAND_INS: Final[Mapping[str, str]] = {
    "OPENAI_API_KEY": _STAND_IN,
    "ELEVENLABS_API_KEY": _STAND_IN,
    "ELEVENLABS_AGENT_ID": "agent_of_the_doctor",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": _STAND_IN,
    "TELNYX_API_KEY": _STAND_IN,
    "TELNYX_CONNECTION_ID": _STAND_IN,
    "PLIVO_AUTH_ID": _STAND_IN,
    "PLIVO_AUTH_TOKEN": _STAND_IN,
}
"""What is missing must not keep the rest from being looked at."""


def run_doctor(path: Path, *, local: bool, online: bool, json: bool) -> Exit:
    """Examine a bot's file and print what was found.

    Args:
        path: The file.
        local: Whether it is to talk with the local server: then no key of OpenAI's is needed, but ears and voice are.
        online: Whether the hosts it talks with are tried.
        json: Whether it is printed as JSON.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = existing(path)
    # What the bot's file prints is no part of the answer.
    with redirect_stdout(sys.stderr):
        findings = asyncio.run(examined(path, local=local, online=online))
    if json:
        Console(soft_wrap=True).print(as_json(findings), markup=False, highlight=False)
    else:
        show(findings, Console())
    return Exit.OK if findings.ok else Exit.NO_ANSWER


async def examined(path: Path, *, local: bool, online: bool) -> Findings:
    """Return what is found in a bot's file and around it."""
    findings, before = Findings(), dict(os.environ)
    stand_ins = {name: stand_in for name, stand_in in _STAND_INS.items() if not before.get(name)}
    with environment_with(stand_ins), _warnings(findings):
        # What a person's file raises can be anything, and is a finding.
        [outcome] = await asyncio.gather(
            _examine(path, before, findings, local=local, online=online), return_exceptions=True
        )
    if isinstance(outcome, Exception):
        what = "the bot" if findings.style else "the file"
        findings.add(what, "failed", _told(outcome, path))
    return findings


def _told(error: Exception, path: Path) -> str:
    if isinstance(error, RuntimeError) and "asyncio.run()" in str(error):
        return (
            f'{path.name} runs its bot as soon as it is loaded; put that under `if __name__ == "__main__":`'
        )
    return f"{type(error).__name__}: {error}"


async def _examine(
    path: Path, before: Mapping[str, str], findings: Findings, *, local: bool, online: bool
) -> None:
    with loaded(path) as bot:
        findings.style = bot.style
        findings.add("the file", "ok", f"{path.name} has a bot in the style of {_STYLES[bot.style]}")
        look_at_packages(bot, findings, local=local)
        look_at_ports(bot, findings)
        await look_at_sound(findings)
        [services] = await asyncio.gather(_services(bot, local=local), return_exceptions=True)
        names = [] if isinstance(services, BaseException) else [type(one).__name__ for one in services]
        look_at_keys(keys_wanted(bot, names, local=local), before, findings)
        if online:
            await reach(hosts_of(bot, names, local=local), findings)
        if isinstance(services, BaseException):
            raise services
        if not services:
            findings.add("services", "warning", "there is no realtime service of voicepipe's in it")
        for service in services:
            examine(service, findings, secrets=_secrets(before))


_STYLES: Final = {"pipeline": "a pipeline", "phone": "a Phone", "agent": "an AgentServer"}


async def _services(bot: Bot, *, local: bool) -> list[RealtimeService]:
    place = OpenAIPlace(live_url(), os.environ["OPENAI_API_KEY"], is_local=local)
    return await services_of(bot, place)


def _secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must not be shown: all that is called a key, a secret or the like in the environment."""
    return tuple(
        value
        for name, value in environment.items()
        if len(value) >= 8 and any(word in name.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD"))
    )


@contextmanager
def _warnings(findings: Findings) -> Generator[None]:
    """Note what voicepipe warns of while a bot is made, such as settings that a model cannot take."""

    def note(message: Message) -> None:
        record = message.record
        if (record["name"] or "").startswith("voicepipe."):
            field, colon, why = record["message"].partition(": ")
            findings.add(field if colon else "warning", "warning", why if colon else record["message"])

    sink = logger.add(note, level="WARNING")
    try:
        yield
    finally:
        logger.remove(sink)
