"""The REST API of a local carrier on loopback: it notes what a bot asks, and answers as the carrier would."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any, Final, Self, cast
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from voicepipe.errors import PortTakenError
from voicepipe.local.carriers.exchange import Asked

_HOST: Final = "127.0.0.1"
_MOST_ASKED: Final = 10_000
"""Of the requests noted; the oldest go."""


class CarrierRest:
    """Serves one carrier's REST API; an async context manager.

    Args:
        answer: Returns the answer to a request that succeeds.
        done: Called after a request was noted and succeeds.
        port: 0 takes a free one.
    """

    def __init__(
        self, answer: Callable[[Asked], Mapping[str, Any]], done: Callable[[Asked], None], port: int = 0
    ) -> None:
        self.asked: list[Asked] = []
        """What reached it, the oldest first."""
        self.answers: dict[str, tuple[int, Any]] = {}
        """Status and JSON that a path which ends so is answered with, in place of success."""
        self._answer = answer
        self._done = done
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it is, for a carrier's `api_url`."""
        return f"http://{_HOST}:{self._port}"

    def asked_for(self, *ends: str) -> list[Asked]:
        """Return what reached paths that end so."""
        return [asked for asked in self.asked if asked.path.endswith(ends)]

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            PortTakenError: Another program has the port.
        """
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(_HOST, self._port) from None
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            fields = _fields(await request.read(), is_json=request.content_type == "application/json")
        except ValueError:
            return web.json_response({"message": "the body cannot be read"}, status=400)
        asked = Asked(request.method, request.path, fields, request.headers.get("Authorization", ""))
        self.asked.append(asked)
        del self.asked[:-_MOST_ASKED]
        for end, (status, answer) in self.answers.items():
            if asked.path.endswith(end):
                return web.json_response(answer, status=status)
        answer = self._answer(asked)
        self._done(asked)
        return web.json_response(answer)


def _fields(body: bytes, *, is_json: bool) -> dict[str, Any]:
    if is_json:
        value: Any = orjson.loads(body) if body else {}
        if not isinstance(value, dict):
            raise ValueError("no JSON object")
        return cast("dict[str, Any]", value)
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    fields: dict[str, Any] = dict(pairs)
    if pairs:
        # The one field of Twilio's that comes often.
        fields["StatusCallbackEvents"] = [value for name, value in pairs if name == "StatusCallbackEvent"]
    return fields
