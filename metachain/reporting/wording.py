"""Numbers and lists as readable text."""

import math
from collections.abc import Iterable

__all__ = ["duration", "hundredths", "listed", "number", "percent", "points", "score", "share", "whole"]

UNKNOWN = "–"


def percent(share: float | None) -> str:
    """Write a relative change with its sign: ``0.213`` is ``+21.3 %``; an unknown one is a dash."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    return f"{_signed(100 * share, 1)} %"


def points(hundredths: float) -> str:
    """Write a difference of two scores in points (0.01) with its sign: ``1.34`` is ``+1.3``."""
    return _signed(hundredths, 1)


def share(part: float) -> str:
    """Write a share in [0, 1] without a sign: ``0.184`` is ``18.4 %``."""
    return f"{100 * part:.1f} %"


def score(value: float | None, *, signed: bool = False) -> str:
    """Write a score in [0, 1], or a ``signed`` difference of two, to three decimals; an unknown one is a dash."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return _signed(value, 3) if signed else f"{value:.3f}".replace("-", "−")


def hundredths(value: float) -> str:
    """Write a share or score in [0, 1] in little room: ``0.634`` is ``.63``, ``1`` is ``1``, and 0.00 is a dot."""
    if round(value, 2) == 0:
        return "·"
    return f"{value:.2f}".lstrip("0") if round(value, 2) < 1 else "1"


def number(mean: float | None) -> str:
    """Write a mean number of things to one decimal: ``2.04`` is ``2.0``; an unknown one is a dash."""
    return UNKNOWN if mean is None else f"{mean:.1f}"


def whole(count: float) -> str:
    """Write a count with thin spaces between thousands: ``1 234 567``."""
    return f"{count:,.0f}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Write a time span in its two largest units: ``2 h 5 min``, ``3 min 12 s``, ``4.2 s``."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def listed(words: Iterable[object]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    texts = [str(word) for word in words]
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")
