"""What a bot finds on this machine: keys in the environment, packages, free ports, microphone and loudspeaker."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voicepipe.cli.doctor.findings import Findings
from voicepipe.errors import AudioDeviceError, MissingExtraError
from voicepipe.testing.bots import Bot, PhoneBot

_PAGE_PORT: Final = 7860
_PHONE_PORT: Final = 8000


@dataclass(frozen=True, slots=True)
class _Key:
    """A credential: how one looks, as far as its maker says so."""

    pattern: str = ".+"
    example: str = ""


_OPENAI: Final = {"OPENAI_API_KEY": _Key(r"sk-\S+", "sk-...")}
_ELEVENLABS: Final = {"ELEVENLABS_API_KEY": _Key(), "ELEVENLABS_AGENT_ID": _Key(r"agent_\w+", "agent_...")}
_CARRIERS: Final[Mapping[str, Mapping[str, _Key]]] = {
    "twilio": {
        "TWILIO_ACCOUNT_SID": _Key("AC[0-9a-f]{32}", "AC and 32 digits"),
        "TWILIO_AUTH_TOKEN": _Key("[0-9a-f]{32}", "32 digits"),
    },
    "telnyx": {
        "TELNYX_API_KEY": _Key(r"KEY\S+", "KEY..."),
        "TELNYX_PUBLIC_KEY": _Key(r"[A-Za-z0-9+/]{43}=", "44 characters"),
    },
    "plivo": {
        "PLIVO_AUTH_ID": _Key("(MA|SA)[A-Z0-9]{18}", "MA and 18 characters"),
        "PLIVO_AUTH_TOKEN": _Key(),
    },
}
_EXTRAS: Final[Mapping[str, Sequence[str]]] = {
    "local": ("moonshine_voice", "hibari"),
    "phone": ("cryptography", "sqlalchemy", "aiosqlite"),
    "browser": ("aiortc",),
}


def keys_wanted(bot: Bot, services: Sequence[str], *, local: bool) -> list[str]:
    """Return the names of the variables that a bot looks for in the environment.

    Args:
        bot: The bot.
        services: The classes of its services.
        local: Whether the local server stands in for OpenAI.
    """
    wanted: list[str] = []
    if any(name.startswith("ElevenLabs") for name in services):
        wanted += _ELEVENLABS
    if not local and (not services or any(name.startswith("OpenAI") for name in services)):
        wanted += _OPENAI
    if isinstance(bot, PhoneBot) and bot.phone is not None:
        wanted += _CARRIERS[bot.phone.carrier.name]
    return wanted


def look_at_keys(names: Sequence[str], before: Mapping[str, str], findings: Findings) -> None:
    """Note which keys are there, by name, and whether they look like what they are meant to be.

    Args:
        names: Of the variables.
        before: The environment as it was before any stand-in.
        findings: Where it is noted.
    """
    known = {
        **_OPENAI,
        **_ELEVENLABS,
        **{name: key for keys in _CARRIERS.values() for name, key in keys.items()},
    }
    for name in names:
        value, key = before.get(name, ""), known[name]
        if not value:
            findings.add(name, "failed", "is not set")
        elif not re.fullmatch(key.pattern, value):
            # Other vendors behind the same wire have keys of other shapes.
            findings.add(name, "warning", f"is set, but does not look like one ({key.example})")
        else:
            findings.add(name, "ok", "is set")


def look_at_packages(bot: Bot, findings: Findings, *, local: bool) -> None:
    """Note which extras the bot needs, and whether they are installed."""
    needed = {"pipeline": "browser", "phone": "phone", "agent": ""}[bot.style]
    for extra in [needed, *(["local"] if local else [])]:
        missing = [name for name in _EXTRAS.get(extra, ()) if importlib.util.find_spec(name) is None]
        if missing:
            # A pipeline is at home elsewhere too than on our page.
            status = "warning" if extra == "browser" else "failed"
            findings.add(
                f"extra {extra}", status, f"{', '.join(missing)} missing: pip install 'voicepipe[{extra}]'"
            )
        elif extra:
            findings.add(f"extra {extra}", "ok", "is installed")


def look_at_ports(bot: Bot, findings: Findings) -> None:
    """Note whether the port is free on which the bot would listen."""
    if bot.style == "agent":
        return
    what, port = ("the page's port", _PAGE_PORT)
    if bot.style == "phone":
        given = os.environ.get("PORT", "") or str(_PHONE_PORT)
        if not given.isdecimal() or not 0 <= int(given) <= 65535:
            findings.add("the phone's port", "failed", f"PORT is {given!r}, which is no port")
            return
        what, port = "the phone's port", int(given)
    try:
        with socket.create_server(("127.0.0.1", port)):
            findings.add(what, "ok", f"{port} is free")
    except OSError as error:
        findings.add(
            what, "failed" if bot.style == "phone" else "warning", f"{port} cannot be had: {error.strerror}"
        )


async def look_at_sound(findings: Findings) -> None:
    """Note whether there are a microphone and a loudspeaker, if the package for them is installed."""
    from voicepipe.transports.microphone import MicrophoneTransport

    try:
        async with MicrophoneTransport() as transport:
            findings.add("sound", "ok", f"{transport.input_name}, {transport.output_name}")
    except MissingExtraError:
        return
    except AudioDeviceError as error:
        findings.add("sound", "warning", str(error))
