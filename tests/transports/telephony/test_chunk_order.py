"""The order of the caller's sound."""

from __future__ import annotations

import pytest

from voicepipe.transports.telephony.chunk_order import ChunkOrder


def passed(*numbers: int | None) -> list[list[int]]:
    """What goes on at each chunk, by its number."""
    order = ChunkOrder()
    return [[sound[0] for sound in order.take(number, bytes([number or 0]))] for number in numbers]


@pytest.mark.parametrize(
    ("came", "went"),
    [
        ((7, 8, 9), [[7], [8], [9]]),
        # Nothing waits that is in its place; what comes early waits for what is missing.
        ((1, 3, 2, 4), [[1], [], [2, 3], [4]]),
        ((1, 4, 3, 2, 5), [[1], [], [], [2, 3, 4], [5]]),
        # Once, and not too late.
        ((1, 2, 2, 3), [[1], [2], [], [3]]),
        ((1, 3, 3, 2), [[1], [], [], [2, 3]]),
        # What does not come within 60 ms is lost.
        ((1, 3, 4, 5, 6, 2, 7), [[1], [], [], [], [3, 4, 5, 6], [], [7]]),
        # Lost ones with more missing behind them.
        ((1, 3, 5, 6, 7, 8), [[1], [], [], [], [3], [5, 6, 7, 8]]),
        # Counted anew.
        ((200, 201, 1, 2), [[200], [201], [1], [2]]),
        # No numbers, or numbers that stand still.
        ((None, None), [[0], [0]]),
        ((1, 1, 1, 1, 1, 1, 1, 1), [[1], [], [], [], [], [], [1], [1]]),
    ],
)
def test_chunks_go_on_in_their_order(came, went):
    assert passed(*came) == went
