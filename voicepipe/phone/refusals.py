"""A carrier's REST API for one call, which tells of everything that the carrier did not do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from voicepipe.errors import CarrierRefusedError
from voicepipe.phone.carriers.contract import (
    Callbacks,
    CarrierApi,
    OutboundCall,
    Reply,
    StreamOffer,
    WarmTransfer,
)

T = TypeVar("T")


class NotingApi(CarrierApi):
    """Does what another API does; see `CarrierApi`.

    Args:
        api: The carrier's.
        refused: Told of each refusal, which is raised all the same.
    """

    def __init__(self, api: CarrierApi, refused: Callable[[CarrierRefusedError], None]) -> None:
        self._api = api
        self._refused = refused

    async def _noted(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except CarrierRefusedError as error:
            self._refused(error)
            raise

    async def open_stream(self, call_id: str, stream: StreamOffer, *, is_outbound: bool) -> Reply:
        """See `CarrierApi`."""
        return await self._noted(self._api.open_stream(call_id, stream, is_outbound=is_outbound))

    async def refuse(self, call_id: str) -> Reply:
        """See `CarrierApi`."""
        return await self._noted(self._api.refuse(call_id))

    async def place(self, call: OutboundCall, callbacks: Callbacks) -> str:
        """See `CarrierApi`."""
        return await self._noted(self._api.place(call, callbacks))

    async def hang_up(self, call_id: str) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.hang_up(call_id))

    async def transfer(self, call_id: str, to: str, callbacks: Callbacks) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.transfer(call_id, to, callbacks))

    async def hold(self, transfer: WarmTransfer, callbacks: Callbacks) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.hold(transfer, callbacks))

    async def call_person(self, transfer: WarmTransfer, callbacks: Callbacks) -> str:
        """See `CarrierApi`."""
        return await self._noted(self._api.call_person(transfer, callbacks))

    async def person_answered(self, transfer: WarmTransfer, person_call_id: str) -> Reply:
        """See `CarrierApi`."""
        return await self._noted(self._api.person_answered(transfer, person_call_id))

    async def take_back(self, call_id: str, stream: StreamOffer, callbacks: Callbacks) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.take_back(call_id, stream, callbacks))

    async def join(self, call_id: str, person_call_id: str) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.join(call_id, person_call_id))

    async def record(self, call_id: str, *, on: bool) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.record(call_id, on=on))

    async def set_webhook(self, number: str, callbacks: Callbacks) -> None:
        """See `CarrierApi`."""
        await self._noted(self._api.set_webhook(number, callbacks))
