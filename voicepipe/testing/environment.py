"""Where bots that look into the environment find the API while they are called; calls may overlap in any way."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from voicepipe.offline import OpenAIPlace

_STAND_INS: Final[Mapping[str, str]] = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "local",
    "TELNYX_API_KEY": "local",
    "TELNYX_CONNECTION_ID": "local",
    "PLIVO_AUTH_ID": "local",
    "PLIVO_AUTH_TOKEN": "local",
}

_layers: list[Mapping[str, str]] = []
"""What the calls that go on have put there, in the order in which they began."""
_before: dict[str, str | None] = {}
"""What was there before the first of them."""


@contextmanager
def environment(place: OpenAIPlace) -> Generator[None]:
    """Have bots that look for the API in the environment find it at `place`, as long as this is entered.

    With the local server, credentials that are not there get stand-ins: nobody asks for them. Of calls that overlap the one
    that began last is found, and afterwards all is as it was, whichever of them ends first.
    """
    if not place.is_local:
        yield
        return
    missing = [name for name in _STAND_INS if not _before.get(name, os.environ.get(name))]
    layer = {
        "OPENAI_API_KEY": place.api_key,
        "OPENAI_BASE_URL": place.base_url,
        "OPENAI_REALTIME_URL": place.base_url,
        **{name: _STAND_INS[name] for name in missing},
    }
    for name in layer:
        _before.setdefault(name, os.environ.get(name))
    _layers.append(layer)
    os.environ.update(layer)
    try:
        yield
    finally:
        _layers[:] = [one for one in _layers if one is not layer]
        for name in layer:
            _put_back(name)


def _put_back(name: str) -> None:
    of_others = [layer[name] for layer in _layers if name in layer]
    value = of_others[-1] if of_others else _before.pop(name)
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
