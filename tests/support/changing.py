"""Labels of an institution whose answers change in October, and four that answer alike."""

from handmade import WORDS

from metachain.data.demonstration import Demonstration

__all__ = ["NEWER", "OLD", "code", "labels", "past", "text"]

OLD, NEWER = 32, 40
"""Numbers of labels before and after the change."""


def text(number: int) -> str:
    """A text about one of eight parts of the body."""
    return f"x-ray of the {WORDS[number % len(WORDS)]} {number}"


def code(number: int) -> str:
    """The answer that everybody gives at first: four codes, two parts of the body each."""
    return f"code {number % 4}"


def past() -> list[Demonstration]:
    """Four institutions that answer alike."""
    return [Demonstration(f"h{place}", text(n), code(n)) for place in range(4) for n in range(64)]


def labels(replaced: str = "code 1", *, dated: bool = True, name: str = "new") -> list[Demonstration]:
    """Labels of a year in which code 9 takes the place of a code in October; ``all`` of them by others."""
    found = []
    for number in range(OLD + NEWER):
        answer, day = code(number), number % 28 + 1
        date = f"2026-{number // 4 + 1:02}-{day:02}" if number < OLD else f"2026-10-{(number - OLD) // 2 + 1:02}"
        if number >= OLD and replaced in (answer, "all"):
            answer = "code 9" if replaced != "all" else f"code {(number + 1) % 4}"
        found.append(Demonstration(name, text(number + 64), answer, metadata={"date": date} if dated else {}))
    return found
