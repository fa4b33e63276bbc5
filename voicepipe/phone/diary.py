"""What of a call is written down besides what was said: keys, words that were blocked, transfers, what the carrier refused.

Keys are written as the phone's `masking` has it, and never so that a card's number could be read from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from voicepipe.errors import CarrierRefusedError
from voicepipe.phone.guardrails import Speaker
from voicepipe.telemetry.calls import CallEvent, EventKind
from voicepipe.telemetry.recording.masking import MASK, Matcher

_SHOWN_AT_ONCE: Final = 6
"""So many keys may be read while more of them may come; they are the bank's, if it is a card after all."""
_CARD_DIGITS: Final = 13
_ENTER: Final = "#"


class Diary:
    """Of one call.

    Args:
        put: Writes an event down; one with the index of another replaces it.
        now_ms: Returns the time in the call.
        matcher: Finds what must not be written.
    """

    def __init__(
        self, put: Callable[[CallEvent], None], now_ms: Callable[[], float], matcher: Matcher
    ) -> None:
        self._put = put
        self._now_ms = now_ms
        self._matcher = matcher
        self._next_index = 0
        self._keys = ""
        self._keys_event: CallEvent | None = None
        self._transfer: CallEvent | None = None

    def pressed(self, key: str) -> None:
        """The caller pressed a key; those up to `#`, or to the next words of anybody, are one event."""
        self._keys += key
        self._write_keys(may_go_on=True)
        if key == _ENTER:
            self.keys_end()

    def keys_end(self) -> None:
        """What was pressed is complete: somebody spoke, or the call is over."""
        if self._keys:
            self._write_keys(may_go_on=False)
        self._keys, self._keys_event = "", None

    def sent(self, keys: str) -> None:
        """The bot pressed keys."""
        self._new("keys_sent", self._shown(keys, may_go_on=False))

    def blocked(self, guardrail: str, speaker: Speaker) -> None:
        """A guardrail blocked somebody's words."""
        self._new("guardrail", guardrail, speaker)

    def refused(self, error: CarrierRefusedError) -> None:
        """The carrier did not do what it was asked."""
        self._new("refusal", self._matcher.text(str(error)), error.code)

    def transfer_begins(self, mode: Literal["cold", "warm"], to: str) -> None:
        """The call is to be handed to somebody."""
        self._transfer = self._new("transfer", f"{mode} to {to}", "begun")

    def transfer_became(self, what: str) -> None:
        """Write down what became of the transfer that began last."""
        if self._transfer is not None:
            last = self._transfer
            self._transfer = CallEvent(last.index, last.at_ms, last.kind, last.text, what)
            self._put(self._transfer)

    def _new(self, kind: EventKind, text: str, detail: str = "") -> CallEvent:
        event = CallEvent(self._next_index, self._now_ms(), kind, text, detail)
        self._next_index += 1
        self._put(event)
        return event

    def _write_keys(self, *, may_go_on: bool) -> None:
        shown = self._shown(self._keys, may_go_on=may_go_on)
        last = self._keys_event
        if last is None:
            self._keys_event = self._new("keys", shown)
        elif last.text != shown:
            self._keys_event = CallEvent(last.index, last.at_ms, last.kind, shown)
            self._put(self._keys_event)

    def _shown(self, keys: str, *, may_go_on: bool) -> str:
        is_cards = sum(key.isdigit() for key in keys) >= _CARD_DIGITS
        may_be_cards = may_go_on and len(keys) > _SHOWN_AT_ONCE
        if self._matcher.masks_keys or is_cards or may_be_cards:
            return MASK
        return self._matcher.text(keys)
