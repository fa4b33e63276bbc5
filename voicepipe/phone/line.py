"""The carrier's side of a call: its id there, and having the carrier end or record it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voicepipe.errors import CarrierRefusedError
from voicepipe.phone.carriers.contract import Carrier, CarrierApi


class Line:
    """Of one call.

    Args:
        carrier: Whose call it is.
        api: Its REST API.
        on_id: Called with the carrier's id of the call when it becomes known or changes.
        on_error: Called with what went wrong where nobody waits for it.
    """

    def __init__(
        self,
        carrier: Carrier,
        api: CarrierApi,
        *,
        on_id: Callable[[str], None],
        on_error: Callable[[str], None],
    ) -> None:
        self.api = api
        """The carrier's REST API."""
        self._stream_ends_call = carrier.stream_ends_call
        self._on_id = on_id
        self._on_error = on_error
        self._call_id = ""

    @property
    def call_id(self) -> str:
        """The carrier's id of it; empty until it is known."""
        return self._call_id

    @call_id.setter
    def call_id(self, call_id: str) -> None:
        if call_id != self._call_id:
            self._call_id = call_id
            self._on_id(call_id)

    async def hang_up(self) -> None:
        """Have the carrier end the call.

        Raises:
            CarrierRefusedError: It does not.
        """
        await self.api.hang_up(self._call_id)

    async def leave(self) -> None:
        """Have the carrier end the call where the end of the stream does not."""
        if not self._stream_ends_call and self._call_id:
            await self.tried(self.hang_up())

    async def record(self, *, on: bool) -> None:
        """Have the carrier record the call, or stop it.

        Raises:
            CarrierRefusedError: It does not.
        """
        await self.api.record(self._call_id, on=on)

    async def tried(self, asked: Awaitable[None]) -> bool:
        """Wait for what was asked of the carrier, and return whether it did it; what it says is told otherwise."""
        try:
            await asked
        except CarrierRefusedError as error:
            self._on_error(str(error))
            return False
        return True
