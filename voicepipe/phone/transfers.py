"""Handing a call to a person: at once, or while the caller waits and the person hears what it is about.

A warm transfer takes the caller away from the bot. If the person picks up, the call is theirs; if nobody can be reached, the
bot has the caller back.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from loguru import logger

from voicepipe.errors import CarrierRefusedError, PhoneError, SettingsError
from voicepipe.phone.carriers.contract import (
    Callbacks,
    CallStatus,
    Reply,
    StreamOffer,
    WarmTransfer,
)
from voicepipe.phone.conversation import Conversation
from voicepipe.phone.diary import Diary
from voicepipe.phone.line import Line
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
        line: The carrier's side of it.
        desk: The phone's server.
        diary: Told of each, and of what became of it.
    """

    def __init__(self, call: Call, line: Line, desk: Desk, diary: Diary) -> None:
        self.is_done = False
        """Whether the call is somebody else's."""
        self.unreached_message = ""
        """What the bot says when it is back; empty if it never left."""
        self._call = call
        self._line = line
        self._api = line.api
        self._desk = desk
        self._diary = diary
        self._task: asyncio.Task[None] | None = None
        self._warm: WarmTransfer | None = None
        self._person_call_id = ""
        # Calls that are over are remembered for a while; their conversations need not be.
        self._left: weakref.ref[Conversation] | None = None

    @property
    def is_on_hold(self) -> bool:
        """Whether the caller waits for a person."""
        return self._warm is not None and not self.is_done

    def has_ended(self, conversation: Conversation | None) -> bool:
        """Whether a conversation was over because the caller was to wait."""
        return conversation is not None and self._left is not None and self._left() is conversation

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
            CarrierRefusedError: The carrier did not end the caller's.
        """
        await self.recall()
        await self._line.hang_up()

    async def recall(self) -> None:
        """Call the person no more: the caller is gone."""
        was_on_hold, self._warm = self.is_on_hold, None
        if was_on_hold:
            self._diary.transfer_became("the caller is gone")
            await self._let_go(self._person_call_id)

    # What the carrier says of the person.

    async def person_answered(self, person_call_id: str) -> Reply:
        """Go on: the person picked up, so the call is theirs. Return the webhook's answer."""
        if self._warm is None:
            return Reply()
        try:
            reply = await self._api.person_answered(self._warm, person_call_id)
        except CarrierRefusedError as error:
            self._call.report_error(str(error))
            await self._bring_back("refused", person_call_id)
            return Reply()
        self.person_came()
        return reply

    def person_came(self) -> None:
        """Take note that the person picked up."""
        if self.is_on_hold:
            self.is_done = True
            self._diary.transfer_became("reached")
            self._call.finish("completed", "transferred")

    async def summary_said(self, person_call_id: str) -> None:
        """Join both, who wait for it: the person has heard what it is about. If they cannot be, both calls end."""
        if not await self._line.tried(self._api.join(self._line.call_id, person_call_id)):
            self._diary.transfer_became("not joined")
            await self._let_go(person_call_id)
            await self._line.tried(self._line.hang_up())

    async def person_gone(self, status: CallStatus) -> None:
        """Take the caller back from a person who could not be reached; end the call of one whose person hung up."""
        logger.info(f"call {self._call.id}: the person it was to be handed to is gone: {status}")
        if self.is_on_hold:
            # The person may be gone before the carrier has answered the request to call them.
            await self.settle()
            if self.is_on_hold:
                await self._bring_back(status)
        elif self.is_done:
            await self._line.hang_up()

    # How it goes.

    async def _run(self, transfer: Coroutine[Any, Any, None]) -> None:
        if self.is_on_hold or (self._task is not None and not self._task.done()):
            transfer.close()
            raise PhoneError(f"call {self._call.id} is being transferred already")
        # Who asks may well be part of the pipeline, which ends in the midst of this.
        self._task = asyncio.create_task(transfer, name="phone: transfer")
        await asyncio.shield(self._task)

    async def _hand_on(self, conversation: Conversation, to: str) -> None:
        self.is_done = True
        self._diary.transfer_begins("cold", to)
        try:
            await self._api.transfer(self._line.call_id, to, self._desk)
        except (CarrierRefusedError, SettingsError):
            self.is_done = False
            self._diary.transfer_became("refused")
            raise
        self._diary.transfer_became("handed on")
        logger.info(f"call {self._call.id}: transferred to {masked(to)}")
        await conversation.cancel("transferred")

    async def _hand_over(
        self, conversation: Conversation, wish: WarmTransfer, unreached_message: str
    ) -> None:
        self._warm, self._left = wish, weakref.ref(conversation)
        self._person_call_id, self.unreached_message = "", unreached_message
        self._diary.transfer_begins("warm", wish.to)
        try:
            await self._api.hold(wish, self._desk)
        except (CarrierRefusedError, SettingsError):
            self._warm = self._left = None
            self._diary.transfer_became("refused")
            raise
        logger.info(f"call {self._call.id}: the caller waits for {masked(wish.to)}")
        await conversation.cancel("on hold")
        try:
            person_call_id = await self._api.call_person(wish, self._desk)
        except (CarrierRefusedError, SettingsError) as error:
            self._call.report_error(str(error))
            if self._warm is wish:
                await self._bring_back("refused")
            return
        if self._warm is not wish:
            # The caller hung up while the carrier was being asked.
            await self._let_go(person_call_id)
            return
        self._person_call_id = person_call_id
        asyncio.get_running_loop().call_later(wish.ring_secs + _LOST_SECS, self._lose, wish)

    async def _bring_back(self, why: str, person_call_id: str = "") -> None:
        """Give the caller back to the bot, and let the person go if there is one."""
        self._warm = None
        self._diary.transfer_became(why)
        await self._let_go(person_call_id)
        if self._call.is_over:
            return
        offer = self._desk.offer(self._call)
        try:
            await self._api.take_back(self._line.call_id, offer, self._desk)
        except CarrierRefusedError as error:
            # Nobody would ever come for who waits there.
            await self._line.tried(self._line.hang_up())
            self._call.finish("completed", f"the caller could not be taken back: {error}")

    async def _let_go(self, person_call_id: str) -> None:
        if person_call_id:
            await self._line.tried(self._api.hang_up(person_call_id))

    def _lose(self, wish: WarmTransfer) -> None:
        if self._warm is wish and self.is_on_hold:
            self._call.report_error("the carrier said nothing more of the transfer")
            back = self._bring_back("the carrier said nothing more", self._person_call_id)
            self._task = asyncio.create_task(back, name="phone: transfer")


def prompt_after(system_prompt: str, turns: Sequence[Turn]) -> str:
    """Return a prompt for a bot that takes a call up again; an empty one stays empty, for bots that have their own."""
    if not system_prompt:
        return ""
    said = "\n".join(f"{turn.role}: {turn.text}" for turn in turns)
    return (
        f"{system_prompt}\n\nYou have been in this call before. What was said so far:\n{said}\n"
        "The caller was to be handed to a person, but nobody could be reached, so you go on."
    )
