"""Whether the hosts that a bot talks with can be reached: a connection with TLS, over which nothing is said."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

from voicepipe.cli.doctor.findings import Findings
from voicepipe.offline import live_url
from voicepipe.testing.bots import Bot, PhoneBot

_WITHIN_SECS: Final = 5.0
_ELEVENLABS: Final = "https://api.elevenlabs.io"
_CARRIERS: Final = {
    "twilio": "https://api.twilio.com",
    "telnyx": "https://api.telnyx.com",
    "plivo": "https://api.plivo.com",
}


def hosts_of(bot: Bot, services: list[str], *, local: bool) -> list[str]:
    """Return the addresses that a bot talks with."""
    wanted: list[str] = []
    if not local and (not services or any(name.startswith("OpenAI") for name in services)):
        wanted.append(live_url())
    if any(name.startswith("ElevenLabs") for name in services):
        wanted.append(_ELEVENLABS)
    if isinstance(bot, PhoneBot) and bot.phone is not None:
        wanted.append(_CARRIERS[bot.phone.carrier.name])
    return wanted


async def reach(addresses: list[str], findings: Findings) -> None:
    """Connect to each host, and note whether that works."""
    for address in addresses:
        parts = urlsplit(address)
        secure = parts.scheme in ("https", "wss")
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        context = ssl.create_default_context() if secure else None
        try:
            async with asyncio.timeout(_WITHIN_SECS):
                _, writer = await asyncio.open_connection(host, port, ssl=context)
        except TimeoutError:
            findings.add(f"reach {host}", "failed", f"no answer within {_WITHIN_SECS:g} s")
        except OSError as error:
            findings.add(f"reach {host}", "failed", str(error))
        else:
            writer.close()
            findings.add(f"reach {host}", "ok", f"port {port} answers")
