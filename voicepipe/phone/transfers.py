"""Handing a call to a person: at once, or while the caller waits and the person hears what it is about.

A warm transfer takes the caller away from the bot. If the person picks up, the call is theirs; if nobody can be reached, the
bot has the caller back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from loguru import logger

from voicepipe.errors import CarrierRefusedError, PhoneError, SettingsError
from voicepipe.phone.carriers.contract import (
    Callbacks,
    CallStatus,
    CarrierApi,
    Reply,
    StreamOffer,
    WarmTransfer,
)
from voicepipe.phone.conversation import Conversation
from voicepipe.phone.numbers import masked
from voicepipe.phone.results import Turn

if TYPE_CHECKING:
    from voicepipe.phone.call import Call

UNREACHED: Final = "I am sorry, I could not reach anybody. Can I help you in another way?"
_LOST_SECS: Final = 60.0
"""How long after the ringing's end a person's call that we hear nothing of is given up."""


class Desk(Callbacks, Protocol):
    """What a call needs of the phone's server."""

    def offer(self, call: Call) -> StreamOffer:
        """Return a media stream that the call is to have, good for one use."""
        ...


class Transfers:
    """Those of one call.

    Args:
        call: The call.
        api: The carrier's REST API.
        desk: The phone's server.
    """

    def __init__(self, call: Call, api: CarrierApi, desk: Desk) -> None:
        self.is_done = False
        """Whether the call is somebody else's."""
        self.unreached_message = ""
        """What the bot says when it is back; empty if it never left."""
        self._call = call
        self._api = api
        self._desk = desk
        self._task: asyncio.Task[None] | None = None
        self._warm: WarmTransfer | None = None
        self._person_call_id = ""
        self._left: Conversation | None = None

    @property
    def is_on_hold(self) -> bool:
        """Whether the caller waits for a person."""
        return self._warm is not None and not self.is_done

    def has_ended(self, conversation: Conversation | None) -> bool:
        """Whether a conversation was over because the caller was to wait."""
        return conversation is not None and self._left is conversation

    # What the call wishes.

    async def cold(self, conversation: Conversation, to: str) -> None:
        """Hand the call on at once.

        Raises:
            PhoneError: A transfer is under way, or the carrier refused.
        """
        await self._run(self._hand_on(conversation, to))

    async def warm(self, conversation: Conversation, wish: WarmTransfer, unreached_message: str) -> None:
        """Have the caller wait, and call the person.

        Raises:
            PhoneError: A transfer is under way, or the carrier refused to have the caller wait.
        """
        await self._run(self._hand_over(conversation, wish, unreached_message))

    async def settle(self) -> None:
        """Wait until what was asked of the carrier is done."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def drop(self) -> None:
        """End the call of a caller who waits, and that of the person.

        Raises:
            CarrierRefusedError: The carrier did not.
        """
        await self.recall()
        await self._api.hang_up(self._call.carrier_call_id)

    async def recall(self) -> None:
        """Call the person no more: the caller is gone.

        Raises:
            CarrierRefusedError: The carrier did not stop.
        """
        was_on_hold, self._warm = self.is_on_hold, None
        if was_on_hold and self._person_call_id:
            await self._api.hang_up(self._person_call_id)

    # What the carrier says of the person.

    async def person_answered(self, person_call_id: str) -> Reply:
        """Go on: the person picked up, so the call is theirs. Return the webhook's answer."""
        if self._warm is None:
            return Reply()
        reply = await self._api.person_answered(self._warm, person_call_id)
        self.person_came()
        return reply

    def person_came(self) -> None:
        """Take note that the person picked up."""
        if self.is_on_hold:
            self._end("transferred")

    async def summary_said(self, person_call_id: str) -> None:
        """Join both: the person has heard what it is about."""
        await self._api.join(self._call.carrier_call_id, person_call_id)

    async def person_gone(self, status: CallStatus) -> None:
        """Take the caller back from a person who could not be reached; end the call of one whose person hung up."""
        logger.info(f"call {self._call.id}: the person it was to be handed to is gone: {status}")
        if self.is_on_hold:
            # The person may be gone before the carrier has answered the request to call them.
            await self.settle()
            await self._take_back()
        elif self.is_done:
            await self._api.hang_up(self._call.carrier_call_id)

    # How it goes.

    async def _run(self, transfer: Coroutine[Any, Any, None]) -> None:
        if self._task is not None and not self._task.done():
            transfer.close()
            raise PhoneError(f"call {self._call.id} is being transferred already")
        # Who asks may well be part of the pipeline, which ends in the midst of this.
        self._task = asyncio.create_task(transfer, name="phone: transfer")
        await asyncio.shield(self._task)

    async def _hand_on(self, conversation: Conversation, to: str) -> None:
        self.is_done = True
        try:
            await self._api.transfer(self._call.carrier_call_id, to, self._desk)
        except (CarrierRefusedError, SettingsError):
            self.is_done = False
            raise
        logger.info(f"call {self._call.id}: transferred to {masked(to)}")
        await conversation.cancel("transferred")

    async def _hand_over(
        self, conversation: Conversation, wish: WarmTransfer, unreached_message: str
    ) -> None:
        self._warm, self._left = wish, conversation
        self._person_call_id, self.unreached_message = "", unreached_message
        try:
            await self._api.hold(wish, self._desk)
        except (CarrierRefusedError, SettingsError):
            self._warm = self._left = None
            raise
        logger.info(f"call {self._call.id}: the caller waits for {masked(wish.to)}")
        await conversation.cancel("on hold")
        try:
            self._person_call_id = await self._api.call_person(wish, self._desk)
        except (CarrierRefusedError, SettingsError) as error:
            self._call.report_error(str(error))
            await self._take_back()
            return
        asyncio.get_running_loop().call_later(wish.ring_secs + _LOST_SECS, self._lose, wish)

    async def _take_back(self) -> None:
        self._warm = None
        if self._call.is_over:
            return
        try:
            await self._api.take_back(self._call.carrier_call_id, self._desk.offer(self._call), self._desk)
        except CarrierRefusedError as error:
            self._call.finish("completed", f"the caller could not be taken back: {error}")

    def _lose(self, wish: WarmTransfer) -> None:
        if self._warm is wish and self.is_on_hold:
            self._end("the carrier said nothing more of the transfer")

    def _end(self, reason: str) -> None:
        self.is_done = True
        self._call.finish("completed", reason)


def prompt_after(system_prompt: str, turns: Sequence[Turn]) -> str:
    """Return a prompt for a bot that takes a call up again; an empty one stays empty, for bots that have their own."""
    if not system_prompt:
        return ""
    said = "\n".join(f"{turn.role}: {turn.text}" for turn in turns)
    return (
        f"{system_prompt}\n\nYou have been in this call before. What was said so far:\n{said}\n"
        "The caller was to be handed to a person, but nobody could be reached, so you go on."
    )
