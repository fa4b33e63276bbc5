"""Numbers as people say them and as recognisers write them: "12", "one two", "twelve thirty four"."""

from __future__ import annotations

from typing import Final

# fmt: off
_ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on
_VALUES: Final = (
    {word: value for value, word in enumerate(_ONES)}
    | {word: 20 + 10 * place for place, word in enumerate(_TENS)}
    | {"oh": 0}
)

MOST_COUNTED: Final = 100
"""Counting stops here, however far it was asked to go."""

NUMBER_PATTERN: Final = rf"(?:(?:\d+|hundred and|hundred|{'|'.join(_VALUES)})\b ?)+"
"""A regular expression for one or more numbers in normalised text."""


def numbers_in(text: str) -> list[int]:
    """Return the numbers in lower-case `text`, e.g. [12, 34] for "twelve thirty four"."""
    found: list[int] = []
    before = ""
    for word in text.replace("hundred and ", "hundred ").split():
        value = int(word) if word.isdecimal() else _VALUES.get(word)
        if word == "hundred":
            found.append((found.pop() if before in _VALUES else 1) * 100)
        elif value is not None and found and _continues(before, value):
            found[-1] += value
        elif value is not None:
            found.append(value)
        before = word
    return found


def _continues(before: str, value: int) -> bool:
    """Whether a number goes on: "twenty" "five", "hundred" "five"."""
    return (before in _TENS and 0 < value < 10) or (before == "hundred" and 0 < value < 100)


def in_words(number: int) -> str:
    """Return 0 to 100 in words, anything else in digits."""
    if 0 <= number < len(_ONES):
        return _ONES[number]
    if 0 < number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    return "one hundred" if number == 100 else str(number)


def digits(text: str) -> str:
    """Return a spoken code as it is written: "1234" for "one two thirty four", "A12" for "a twelve"."""
    parts: list[str] = []
    spoken: list[str] = []
    for word in [*text.lower().replace("hundred and ", "hundred ").split(), ""]:
        if word in _VALUES or word == "hundred":
            spoken.append(word)
            continue
        parts.extend(str(number) for number in numbers_in(" ".join(spoken)))
        spoken = []
        parts.append(word.upper())
    return "".join(parts)


def count_to(text: str) -> str:
    """Return "one, two, three" for "three" or "3"; to one hundred at most."""
    numbers = numbers_in(text)
    last = min(numbers[0] if numbers else 0, MOST_COUNTED)
    return ", ".join(in_words(number) for number in range(1, last + 1)) or "zero"
