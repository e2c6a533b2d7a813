"""Kin of codes: codes share prefixes, as 0351 and 0352 do, and near-misses among them are the most frequent ones."""

import re
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

__all__ = ["kin_of"]

LEAST = 3
"""Letters and digits of a code; shorter answers have no prefix that means something."""
LAST = "\U0010ffff"


@lru_cache(16)
def kin_of(answers: tuple[str, ...]) -> csr_array | None:
    """Mark the kin of each of C distinct answers, itself included: (C, C) of 0 and 1, symmetric; None without any.

    Two codes are kin where they share all but the last character of the shorter one, so 0351 is kin to 0352 and 035,
    and E11.65 to E11.9. A code has a digit, no blank, and at least three letters and digits; only these are compared.
    """
    codes = sorted((code, number) for number, answer in enumerate(answers) if (code := _code(answer)))
    names = [code for code, _ in codes]
    pairs = {(number, number) for number in range(len(answers))}
    for code, number in codes:
        alike = slice(bisect_left(names, code[:-1]), bisect_left(names, code[:-1] + LAST))
        for other, further in codes[alike]:
            if len(other) >= len(code):
                pairs |= {(number, further), (further, number)}
    if len(pairs) == len(answers):
        return None
    rows, columns = np.array(sorted(pairs)).T
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(answers), len(answers)))


def _code(answer: str) -> str:
    """Letters and digits of a code; empty where the answer is none."""
    code = re.sub(r"[\W_]", "", answer).casefold()
    return code if len(code) >= LEAST and re.search(r"\d", code) and not re.search(r"\s", answer.strip()) else ""
