"""What a cell of the matrix may come to, and what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LIMIT_SECS = 120.0
"""Of the call's own time, from the fault to the next answer that is heard or to the call's end."""
HANG_UP_SECS = 6.0
"""From the fault to the end of a call that was being ended."""


@dataclass(frozen=True)
class Outcome:
    """What came of one cell.

    Parameters:
        goes_on: Whether a question that was asked after the fault was answered.
        reason: Why the call ended, if it did.
        secs: From the fault to the answer or the end, on the call's clock.
        wrong: What was not as it has to be; nothing is what there should be.
    """

    goes_on: bool
    reason: str = ""
    secs: float = 0.0
    wrong: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Allowed:
    """What may come of a cell.

    Parameters:
        goes_on: Whether the call may go on.
        ends: What the reason has to contain if it ends, as a regular expression; None is a call that must not end.
        within_secs: How long it may take.
    """

    goes_on: bool = True
    ends: str | None = None
    within_secs: float = LIMIT_SECS

    def problems(self, outcome: Outcome) -> list[str]:
        """Return what is wrong with an outcome."""
        problems = list(outcome.wrong)
        if outcome.goes_on and not self.goes_on:
            problems.append(f"the call went on, and should have ended with {self.ends!r}")
        if not outcome.goes_on and self.ends is None:
            problems.append(f"the call ended: {outcome.reason}")
        if not outcome.goes_on and self.ends is not None and not re.search(self.ends, outcome.reason):
            problems.append(f"the call ended with {outcome.reason!r}, not with {self.ends!r}")
        if outcome.secs > self.within_secs:
            problems.append(f"it took {outcome.secs:.1f} s, more than {self.within_secs:g} s")
        return problems


GOES_ON = Allowed()
"""The only thing that may happen."""


def ends(reason: str, within_secs: float = LIMIT_SECS) -> Allowed:
    """Return that a call has to end with this reason."""
    return Allowed(goes_on=False, ends=reason, within_secs=within_secs)
