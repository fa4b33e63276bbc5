"""A carrier's REST API: one request at a time, with a time-out, and errors that name what was tried and never the key."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, FormData

from voicepipe.errors import CarrierRefusedError

_TIMEOUT: Final = ClientTimeout(total=10.0)
"""Carriers wait 15 s for a webhook, in which such a request may be made."""
_LONGEST_ANSWER: Final = 1_000_000


class Rest:
    """One account at one carrier.

    Args:
        session: Who owns it closes it.
        carrier: The carrier's name, for errors.
        url: Of the API, with all that is the same in every path.
        headers: With the authorization.
    """

    def __init__(self, session: ClientSession, carrier: str, url: str, headers: Mapping[str, str]) -> None:
        self._session = session
        self._carrier = carrier
        self._url = url.rstrip("/")
        self._headers = dict(headers)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        form: Iterable[tuple[str, str]] | None = None,
        json: Mapping[str, Any] | None = None,
        gone: Iterable[int] = (),
    ) -> Mapping[str, Any]:
        """Make a request, and return the answer's JSON; nothing if there is none.

        Args:
            method: Of HTTP.
            path: After the API's address, with its query, quoted.
            form: What is sent as a form.
            json: What is sent as JSON.
            gone: Statuses that say that the call is over already, which is what was wanted.

        Raises:
            CarrierRefusedError: The carrier did not do it, could not be reached in time, or there is nobody to ask any more.
        """
        data = (
            FormData(list(form)) if form is not None else (orjson.dumps(json) if json is not None else None)
        )
        headers = self._headers if json is None else {**self._headers, "Content-Type": "application/json"}
        what = f"{self._carrier}: {method} {path.partition('?')[0]}"
        if self._session.closed:
            raise CarrierRefusedError(f"{what}: the phone does not serve any more")
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                body = await response.content.read(_LONGEST_ANSWER)
                status = response.status
        except (ClientError, TimeoutError) as error:
            raise CarrierRefusedError(f"{what}: no answer ({type(error).__name__})") from None
        answer = _object(body)
        if status in tuple(gone) or HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        code, why = _problem(answer)
        raise CarrierRefusedError(f"{what}: status {status}: {why or 'no reason given'}", status, code)


def basic(user: str, password: str) -> Mapping[str, str]:
    """Return the header of HTTP's basic authorization."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _problem(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and words of an error: Twilio's is flat, Telnyx has a list, Plivo has `error`."""
    errors: Any = answer.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = cast("Mapping[str, Any]", errors[0])
        return str(first.get("code", "")), f"{first.get('title', '')} {first.get('detail', '')}".strip()
    words = answer.get("message") or answer.get("error") or ""
    return str(answer.get("code", "")), str(words)
