"""A phone's books: what calls cost while they go on, the cap on that, and the record of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from voicepipe.errors import SettingsError
from voicepipe.phone.diary import Diary
from voicepipe.phone.engines.engine import Engine
from voicepipe.phone.masked import MaskedSink
from voicepipe.phone.results import CallResult
from voicepipe.telemetry.calls import CallEvent, CallInfo, CallSink, Fault, ToolRun, Turn
from voicepipe.telemetry.meter import Account, Billing, CallMeter
from voicepipe.telemetry.observer import CallObserver
from voicepipe.telemetry.pricing import ALIASES, Pricing, merge_pricing
from voicepipe.telemetry.recording.masking import Masking

if TYPE_CHECKING:
    from voicepipe.telemetry.records import CallEntry, RecordStore

_CHECK_SECS: Final = 1.0
"""How often minutes are held against the cap; tokens are as they come."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for the money and the records of a phone's calls.

    Parameters:
        pricing: The price list.
        spending_cap: What a call may cost in US dollars; None is no cap.
        spending_message: What the bot says when it does; empty hangs up without a word.
        records: Where calls are recorded; None is nowhere.
        masking: What of keys and words is not written there.
    """

    pricing: Pricing
    spending_cap: Decimal | None
    spending_message: str
    records: str | None
    masking: Masking = field(default_factory=Masking)


def terms_of(
    pricing: Mapping[str, Any] | None,
    spending_cap: Decimal | float | str | None,
    spending_message: str,
    records: str | Path | bool | None,
    masking: Masking | None = None,
) -> Terms:
    """Return the terms that a phone's arguments mean.

    Raises:
        SettingsError: A price or the cap is none, or `records` is no place for them.
        MissingExtraError: There are to be records, and what keeps them is not installed.
    """
    prices = merge_pricing(pricing)
    cap = None
    if spending_cap is not None:
        try:
            # The meter knows what a cap may be.
            CallMeter(prices, cap=spending_cap)
        except SettingsError as error:
            raise SettingsError("spending_cap", error.why) from None
        cap = Decimal(str(spending_cap))
    if records is None or records is False:
        return Terms(prices, cap, spending_message, None)
    hides = masking or Masking()
    from voicepipe.telemetry.records import records_url

    return Terms(prices, cap, spending_message, records_url(None if records is True else records), hides)


class CallBook:
    """The account of one call and its record.

    Args:
        meter: Keeps the account.
        entry: The record, where there is one.
        terms: What holds for all calls of the phone.
    """

    def __init__(self, meter: CallMeter, entry: CallEntry | None, terms: Terms) -> None:
        self.spending_message = terms.spending_message
        """What the bot says when the call costs as much as it may."""
        self._meter = meter
        self._entry = entry
        self._has_cap = terms.spending_cap is not None
        matcher = terms.masking.matcher()
        sink = _Nowhere() if entry is None else MaskedSink(entry, matcher)
        self._observer = CallObserver(sink, meter)
        self.diary = Diary(_forget if entry is None else entry.event, self._call_ms, matcher)
        """What is written down of the call besides what was said."""
        self._has_begun = False
        self._last: Account | None = None

    @property
    def account(self) -> Account:
        """What the call used and what that costs, as it stands."""
        return self._last or self._meter.account(_now_secs())

    def observer(self) -> CallObserver:
        """Return the observer of the call's next pipeline."""
        if self._has_begun:
            self._observer.goes_on()
        self._has_begun = True
        return self._observer

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Hold the minutes against the cap from here to the end of the block."""
        task = asyncio.create_task(self._watch(), name="phone: spending cap") if self._has_cap else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def known_as(self, carrier_call_id: str) -> None:
        """Take note of the carrier's id of the call."""
        if self._entry is not None:
            self._entry.about(labels={"carrier_call_id": carrier_call_id})

    def close(self, result: CallResult) -> None:
        """Close the account, and write down how the call ended."""
        self._last = result.account
        self.diary.keys_end()
        if self._entry is not None:
            self._entry.account(result.account)
            self._entry.end(result.outcome, result.reason)

    def _call_ms(self) -> float:
        began_ms = self._observer.began_ms
        return 0.0 if began_ms is None else round(_now_secs() * 1000 - began_ms, 1)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECS)
            self._meter.check(_now_secs())


class Books:
    """Those of all calls of a phone that serves; an async context manager.

    Args:
        terms: What holds for all.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._store: RecordStore | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the records.

        Raises:
            VoicepipeError: The records are those of a newer version.
            sqlalchemy.exc.SQLAlchemyError: They cannot be opened.
        """
        if self._terms.records is not None:
            from voicepipe.telemetry.records import RecordStore

            self._store = await self._stack.enter_async_context(RecordStore(self._terms.records))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits, and close the records."""
        await self._stack.aclose()
        self._store = None

    def open(
        self,
        call_id: str,
        direction: Literal["inbound", "outbound"],
        caller: str,
        called: str,
        *,
        carrier: str,
        engine: Engine,
        on_cap: Callable[[], None],
    ) -> CallBook:
        """Open the book of a call; see `CallInfo`.

        Args:
            call_id: Our id of it.
            direction: Who called.
            caller: The number that calls.
            called: The number that is called.
            carrier: In small letters.
            engine: What talks.
            on_cap: Called once, when the call costs as much as it may.
        """
        prices = self._terms.pricing
        # Older names of providers are aliases, of which the price list warns.
        provider, *_ = ALIASES.get(engine.kind, (engine.kind,))
        billing = Billing(
            engine=provider if provider in prices else None,
            model=engine.model or None,
            carrier=carrier,
            direction=direction,
        )
        meter = CallMeter(
            prices, billing=billing, cap=self._terms.spending_cap, on_cap=lambda _account: on_cap()
        )
        entry = None
        if self._store is not None:
            about = CallInfo(
                call_id=call_id,
                direction=direction,
                caller=caller,
                called=called,
                carrier=carrier,
                engine=engine.kind,
                model=engine.model,
            )
            entry = self._store.begin(about)
        return CallBook(meter, entry, self._terms)


class _Nowhere(CallSink):
    """A sink for calls that are not recorded."""

    def turn(self, turn: Turn) -> None:
        """Forget it."""

    def tool(self, tool: ToolRun) -> None:
        """Forget it."""

    def fault(self, fault: Fault) -> None:
        """Forget it."""

    def account(self, account: Account) -> None:
        """Forget it."""


def _forget(_event: CallEvent) -> None:
    """Take an event of a call that is not recorded."""


def _now_secs() -> float:
    return asyncio.get_running_loop().time()
