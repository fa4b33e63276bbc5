"""Who picked up, when that was asked: what is known of it, and what is to be done with a machine once that can be done."""

from __future__ import annotations

from typing import Literal, TypeAlias

from voicepipe.phone.results import MachineDetection

ToDo: TypeAlias = Literal["leave_message", "hang_up"]


class MachineWatch:
    """Of one call. Nothing in it acts.

    Args:
        has_message: Whether there is a message for an answering machine.
    """

    def __init__(self, *, has_message: bool) -> None:
        self.detection: MachineDetection | None = None
        """The carrier's word on who picked up."""
        self._has_message = has_message
        self._records = False
        self._is_met = False

    def detected(self, detection: MachineDetection, *, may_speak: bool) -> bool:
        """Take the carrier's word, and return whether it is its first."""
        if self.detection is not None:
            return False
        self.detection = detection
        self._records = may_speak
        return True

    def greeting_ended(self) -> None:
        """A machine records from here on."""
        self._records = True

    def to_do(self) -> ToDo | None:
        """Return what is to be done with a machine now, once: None if it is no machine, or does not record yet."""
        who = self.detection.classification if self.detection else "unknown"
        if who not in ("machine", "fax") or self._is_met:
            return None
        wish: ToDo = "leave_message" if self._has_message and who == "machine" else "hang_up"
        if wish == "leave_message" and not self._records:
            return None
        self._is_met = True
        return wish
