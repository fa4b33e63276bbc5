"""What may go wrong with a caller's line, at exactly the frames that are named."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from voicepipe.errors import SettingsError

_FRAMES: Final = 90_000
"""Half an hour of them."""
_LATE_MS: Final = (20.0, 200.0)


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

    @classmethod
    def at_random(
        cls,
        seed: int,
        *,
        lost: float = 0.0,
        doubled: float = 0.0,
        late: float = 0.0,
        cut_off_after_ms: float | None = None,
    ) -> Self:
        """Return mishaps of a bad line, the same for the same seed, in the first half hour of a call.

        Args:
            seed: Of the dice.
            lost: How many frames of one get lost, e.g. 0.02.
            doubled: How many leave twice.
            late: How many leave 20 to 200 ms late.
            cut_off_after_ms: When the socket breaks.

        Raises:
            SettingsError: A share is not between 0 and 1.
        """
        for name, share in {"lost": lost, "doubled": doubled, "late": late}.items():
            if not 0 <= share <= 1:
                raise SettingsError(
                    name, f"{share} is no share: 0 to 1 would be right, e.g. 0.02 for two of a hundred"
                )
        # Each sort has dice of its own: with one more, the others meet the same frames.
        dice = [random.Random(f"{seed} {name}") for name in ("lost", "doubled", "late")]
        frames = range(1, _FRAMES + 1)
        return cls(
            lost=frozenset(frame for frame in frames if dice[0].random() < lost),
            doubled=frozenset(frame for frame in frames if dice[1].random() < doubled),
            late={frame: dice[2].uniform(*_LATE_MS) for frame in frames if dice[2].random() < late},
            cut_off_after_ms=cut_off_after_ms,
        )
