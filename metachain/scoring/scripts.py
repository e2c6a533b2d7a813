"""Words of a text in any script. Scripts that set no blanks between words are read character by character.

These are Chinese and Japanese, Thai, Lao, Khmer and Burmese. A character keeps the marks that stand on it. Texts
without such characters have the words that they always had.
"""

import re
from collections.abc import Iterable
from unicodedata import category

__all__ = ["TOKEN", "WORD", "word_count"]

_IDEOGRAPHIC = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3100-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
_KANA_MARKS = "\u3099\u309a\uff9e\uff9f"
_BLOCKS = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F))
"""Thai and Lao, Burmese, Khmer, and the extensions of Burmese."""
IDEOGRAPHS_A_WORD, LETTERS_A_WORD = 2, 3
"""Characters that count as a word's length, of Chinese and Japanese, and of the other scripts."""


def _of(kinds: str, points: Iterable[int]) -> str:
    return "".join(chr(point) for point in points if category(chr(point))[0] in kinds)


_POINTS = [point for first, last in _BLOCKS for point in range(first, last + 1)]
_LETTERS, _MARKS = _of("L", _POINTS), _of("M", _POINTS) + _KANA_MARKS
_ONE = f"[{_IDEOGRAPHIC}{_LETTERS}][{_MARKS}]*"
WORD = rf"{_ONE}|[^\W_{_IDEOGRAPHIC}{_LETTERS}]+"
"""Pattern of a word: a character of a script without blanks, or a run of other letters and digits."""
TOKEN = rf"{_ONE}|[^\W{_IDEOGRAPHIC}{_LETTERS}]+"
"""As ``WORD``, with underscores."""
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHIC}][{_MARKS}]*")
_LETTER = re.compile(f"[{_LETTERS}][{_MARKS}]*")
_WORD = re.compile(WORD)


def word_count(text: str) -> float:
    """Number of words, separated by blanks; two Chinese or Japanese characters, or three of the others, count as one.

    ``腹部CT`` has two words, and a text without such scripts as many as it has runs without blanks.
    """
    if text.isascii():
        return len(text.split())
    rest, ideographs = _IDEOGRAPH.subn(" ", text)
    rest, letters = _LETTER.subn(" ", rest)
    if not ideographs and not letters:
        return len(text.split())
    others = sum(_WORD.search(piece) is not None for piece in rest.split())
    return ideographs / IDEOGRAPHS_A_WORD + letters / LETTERS_A_WORD + others
