"""Signed URLs: a token that lets its bearer talk with one agent, for a while, without the key."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

PREFIX: Final = "cvtkn_"
"""What a token begins with."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a token says.

    Parameters:
        agent_id: Whom its bearer may talk with.
        conversation_id: The one conversation it is good for; empty: any number.
        expires_at: When it is no longer taken, in seconds on the clock of `Signer`'s caller.
    """

    agent_id: str
    conversation_id: str
    expires_at: float


class Signer:
    """Makes tokens and takes them. It reads no clock: times are passed in, in seconds from any beginning.

    Args:
        secret: Known to nobody else.
        lifetime_secs: How long a token is taken.
    """

    def __init__(self, secret: bytes, lifetime_secs: float) -> None:
        self._secret = secret
        self._lifetime_secs = lifetime_secs
        self._used: dict[str, float] = {}

    def sign(self, agent_id: str, now: float, conversation_id: str = "") -> str:
        """Return a token for an agent; with a `conversation_id` it can be used once."""
        body = orjson.dumps([agent_id, conversation_id, now + self._lifetime_secs])
        return f"{PREFIX}{body.hex()}.{self._mac(body)}"

    def admit(self, token: str, agent_id: str, now: float) -> Pass | None:
        """Return what a token says; None if it is not ours, for another agent, too old, or used up."""
        found = self._read(token)
        if found is None or found.agent_id != agent_id or now >= found.expires_at:
            return None
        if found.conversation_id:
            # What has expired needs no remembering: it is refused anyhow.
            self._used = {key: until for key, until in self._used.items() if until > now}
            if token in self._used:
                return None
            self._used[token] = found.expires_at
        return found

    def _read(self, token: str) -> Pass | None:
        encoded, _, mac = token.removeprefix(PREFIX).partition(".")
        try:
            body = bytes.fromhex(encoded)
        except ValueError:
            return None
        if not hmac.compare_digest(self._mac(body).encode(), mac.encode()):
            return None
        return Pass(*orjson.loads(body))

    def _mac(self, body: bytes) -> str:
        return hmac.new(self._secret, body, sha256).hexdigest()
