"""Who is let in, and what is said to who is not: the HTTP side of the API (protocol page, sections 1 and 6), without I/O."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

from websockets.http11 import Request

from voicepipe.local.elevenlabs.agent import Agent
from voicepipe.local.elevenlabs.signing import PREFIX, Signer

CONVERSATION: Final = "/v1/convai/conversation"
_SIGNED_URL_PATHS: Final = (f"{CONVERSATION}/get-signed-url", f"{CONVERSATION}/get_signed_url")
_BEARER: Final = "bearer."
_SIGNATURE: Final = "conversation_signature"


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody is not let in.

    Parameters:
        status: The HTTP status, where it is said at the handshake.
        code: The close code, where it is said after it.
        kind: The API's word for it.
        message: What a person needs to know.
    """

    status: HTTPStatus
    code: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody may talk with an agent; `conversation_id` is empty where the server is to choose one."""

    agent: Agent
    conversation_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request that is no conversation."""

    status: HTTPStatus
    body: Mapping[str, Any]


Decision: TypeAlias = Admitted | Refused

_BAD_KEY: Final = Refused(HTTPStatus.UNAUTHORIZED, 1008, "invalid_api_key", "Invalid API key.")
_NO_KEY: Final = Refused(
    HTTPStatus.FORBIDDEN,
    1008,
    "needs_authorization",
    "This agent needs authorization: the xi-api-key header or a signed URL.",
)
_BAD_TOKEN: Final = Refused(
    HTTPStatus.FORBIDDEN,
    1008,
    "invalid_signed_url",
    "The signed URL is not valid for this agent, has expired or has been used.",
)


class Doors:
    """Decides by a request alone.

    Args:
        agents: Those there are.
        api_key: The key; None: any will do.
        signer: Of signed URLs.
    """

    def __init__(self, agents: Sequence[Agent], api_key: str | None, signer: Signer) -> None:
        self._agents = {agent.agent_id: agent for agent in agents}
        self._api_key = api_key
        self._signer = signer

    def is_conversation(self, request: Request) -> bool:
        """Whether a request is for a conversation."""
        return urlsplit(request.path).path.rstrip("/") == CONVERSATION

    def admit(self, request: Request, now: float) -> Decision:
        """Decide on a conversation. A signed URL that is good for one is then used up.

        Args:
            request: The handshake.
            now: The time in seconds, from any beginning.
        """
        query = _query(request)
        agent = self._agents.get(query.get("agent_id", ""))
        if agent is None:
            return _unknown(query.get("agent_id"))
        bearer = _bearer(request)
        token = query.get(_SIGNATURE, bearer if bearer is not None and bearer.startswith(PREFIX) else None)
        if token is not None:
            found = self._signer.admit(token, agent.agent_id, now)
            return _BAD_TOKEN if found is None else Admitted(agent, found.conversation_id)
        key = _key(request) or bearer
        if key is not None:
            return Admitted(agent) if self._is_key(key) else _BAD_KEY
        return _NO_KEY if agent.enable_auth else Admitted(agent)

    def reply(self, request: Request, base_url: str, new_conversation_id: str, now: float) -> Reply:
        """Answer a request that is not for a conversation: one for a signed URL, or for nothing there is.

        Args:
            request: What is asked.
            base_url: Where the conversations are, `ws://host:port`.
            new_conversation_id: For a signed URL that is to be good for one conversation.
            now: The time in seconds, from any beginning.
        """
        if urlsplit(request.path).path not in _SIGNED_URL_PATHS:
            return Reply(HTTPStatus.NOT_FOUND, {"detail": "Not Found"})
        query, key = _query(request), _key(request)
        if key is None or not self._is_key(key):
            return _detail(_BAD_KEY)
        if "agent_id" not in query:
            missing = {
                "type": "missing",
                "loc": ["query", "agent_id"],
                "msg": "Field required",
                "input": None,
            }
            return Reply(HTTPStatus.UNPROCESSABLE_ENTITY, {"detail": [missing]})
        agent = self._agents.get(query["agent_id"])
        if agent is None:
            return _detail(_unknown(query["agent_id"]))
        is_for_one = query.get("include_conversation_id", "").lower() in ("true", "1")
        conversation_id = new_conversation_id if is_for_one else ""
        fields = {"agent_id": agent.agent_id}
        if conversation_id:
            fields["conversation_id"] = conversation_id
        fields[_SIGNATURE] = self._signer.sign(agent.agent_id, now, conversation_id)
        body = {"signed_url": f"{base_url}{CONVERSATION}?{urlencode(fields)}"}
        return Reply(HTTPStatus.OK, {**body, "conversation_id": conversation_id} if conversation_id else body)

    def _is_key(self, key: str) -> bool:
        if self._api_key is None:
            return bool(key)
        # A header's bytes that are no ASCII come as surrogates.
        return hmac.compare_digest(key.encode(errors="surrogateescape"), self._api_key.encode())


def _detail(refused: Refused) -> Reply:
    return Reply(refused.status, {"detail": {"status": refused.kind, "message": refused.message}})


def _unknown(agent_id: str | None) -> Refused:
    message = f"There is no agent {agent_id!r}." if agent_id else "agent_id: the query must name an agent."
    return Refused(HTTPStatus.NOT_FOUND, 1008, "agent_not_found", message)


def _query(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}


def _key(request: Request) -> str | None:
    return next((value.strip() for value in request.headers.get_all("xi-api-key")), None)


def _bearer(request: Request) -> str | None:
    """Return the token that a browser, which cannot set a header, gives as a subprotocol."""
    lines = request.headers.get_all("Sec-WebSocket-Protocol")
    offered = (name.strip() for line in lines for name in line.split(","))
    return next((name.removeprefix(_BEARER) for name in offered if name.startswith(_BEARER)), None)
