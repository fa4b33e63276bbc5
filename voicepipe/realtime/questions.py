"""What an application asks the server and waits for: an item as the server has it, a response beside the conversation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from voicepipe.errors import VoicepipeError
from voicepipe.realtime.events import ItemRetrieved, Output, SideResponse
from voicepipe.realtime.waiting import Waiting

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService

_OVER = "there is no connection any more, so no answer can come"


class Questions:
    """The questions of one service.

    Args:
        service: Over whose connection they go.
    """

    def __init__(self, service: RealtimeService) -> None:
        self._service = service
        self._items = Waiting[Mapping[str, Any]]()
        self._sides = Waiting[SideResponse]()

    async def item(self, item_id: str) -> Mapping[str, Any]:
        """Return an item of the conversation as the server has it, in the wire's shape.

        Raises:
            VoicepipeError: The server does not have it, the connection ended first, or there will be no other one.
        """
        self._refuse_if_over()
        asks = item_id not in self._items
        future = self._items.wait_for(item_id)
        if asks:
            await self._service.perform(self._service.session.retrieve(item_id))
        return await future

    async def side_response(self, token: str, outputs: Iterable[Output]) -> SideResponse:
        """Ask for a response outside of the conversation and wait for its end.

        Raises:
            VoicepipeError: The connection ended first, or there will be no other one.
        """
        self._refuse_if_over()
        future = self._sides.wait_for(token)
        await self._service.perform(outputs)
        return await future

    def retrieved(self, answer: ItemRetrieved) -> None:
        """Give an item to those who asked for it."""
        if answer.item is None:
            self._items.fail(answer.item_id, VoicepipeError(f"item {answer.item_id}: {answer.problem}"))
        else:
            self._items.give(answer.item_id, answer.item)

    def side_response_ended(self, ended: SideResponse) -> None:
        """Give a response to who asked for it."""
        self._sides.give(ended.token, ended)

    def lost(self) -> None:
        """The connection was lost. Responses that were asked for are told as failed by the session."""
        self._items.give_up(VoicepipeError("the connection was lost before the item came"))

    def over(self) -> None:
        """There will be no other connection."""
        error = VoicepipeError("the connection ended before the answer came")
        self._items.give_up(error)
        self._sides.give_up(error)

    def _refuse_if_over(self) -> None:
        if self._service.wire_link.is_over:
            raise VoicepipeError(_OVER)
