"""Patter's embedded server with its OpenAI engine. Its API address is a constant, which is set to the suite's API here.

Its limit of ten sockets from one address is raised: all callers are on this machine.
"""

from __future__ import annotations

import logging
import os

from tests.benchmarks.peers.bots.serving import options, serve_app

_OPTIONS = options()
os.environ.setdefault("PATTER_TELEMETRY_DISABLED", "1")

from getpatter import OpenAIRealtime, Patter, Twilio, server  # noqa: E402
from getpatter.providers.openai_realtime import OpenAIRealtimeAdapter  # noqa: E402

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    server.MAX_WS_PER_IP = 10_000
    OpenAIRealtimeAdapter.OPENAI_REALTIME_URL = _OPTIONS.api
    carrier = Twilio(account_sid=f"AC{1:032x}", auth_token="k")
    phone = Patter(
        carrier=carrier,
        phone_number="+15550001111",
        webhook_url="bot.example",
        telemetry=False,
        persist=False,
    )
    agent = phone.agent(engine=OpenAIRealtime(api_key="k"), system_prompt="You answer in one sentence.")
    embedded = server.EmbeddedServer(config=phone._local_config, agent=agent, dashboard=False)
    serve_app(embedded._create_app())
