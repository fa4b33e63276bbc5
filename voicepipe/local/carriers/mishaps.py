"""What may go wrong with a caller's line, at exactly the frames that are named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mishaps:
    """Mishaps of one call. Frames of the caller's sound count from 1, 50 a second.

        Mishaps(lost=range(10, 500, 10), late={20: 60.0})

    Parameters:
        lost: Frames that never leave.
        doubled: Frames that leave twice.
        late: Frames that leave so many milliseconds after their time, behind others.
        cut_off_after_ms: When the socket breaks, without a stop and without a close; None is never.
    """

    lost: Collection[int] = ()
    doubled: Collection[int] = ()
    late: Mapping[int, float] = field(default_factory=dict[int, float])
    cut_off_after_ms: float | None = None
