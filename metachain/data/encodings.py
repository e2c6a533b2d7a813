"""Encoding of a text file: UTF-8 unless its bytes say otherwise."""

import codecs
import re
from collections.abc import Iterable

from metachain.errors import DataError

__all__ = ["BYTE_ORDER_MARKS", "check_encoding", "detected_encoding"]

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SINGLE_BYTES = ("cp1252", "mac_roman", "cp1250")
"""Encodings of Western and Central European files that are told apart; the first where nothing speaks for another."""
SAMPLE = 2**20
"""Bytes with accents that are looked at to tell encodings apart."""
UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
HIGH = re.compile(rb"[\x80-\xff]")
IN_A_WORD = re.compile(r"(?<=[^\W\d_])[^\x00-\x7f](?=[^\W\d_])")
RUN_OF_LETTERS = re.compile(r"[^\W\d_\x00-\x7f]{3,}")
UNUSUAL = frozenset("ÃÂ¬ÐÞðþµªºŠšŽžŸÝýÿƒˆ˜ıˇ˘˙˚¸˝˛")


def check_encoding(name: str) -> None:
    """Raise DataError for a name that Python does not know as an encoding of texts."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise DataError(f"unknown encoding {name!r}; known are utf-8, utf-16, cp1252, mac_roman, gb18030, …") from None


def detected_encoding(chunks: Iterable[bytes]) -> str:
    """Encoding of a file's bytes: that of its mark, UTF-16 by its zeros, UTF-8, or a single-byte one.

    UTF-8 with a few broken characters stays UTF-8, and so does text that no known encoding makes readable: its rows are
    rejected one by one.
    """
    good = bad = held = 0
    lines: list[bytes] = []
    rest = b""
    for place, chunk in enumerate(chunks):
        if place == 0 and (name := _marked(chunk)):
            return name
        if chunk.isascii() and not rest:
            continue
        whole, rest = _whole_characters(rest + chunk)
        high = len(HIGH.findall(whole))
        spelt = sum(map(len, UTF8_CHARACTER.findall(whole)))
        good, bad = good + spelt, bad + high - spelt
        if high and held < SAMPLE:
            for line in whole.splitlines():
                if not line.isascii() and held < SAMPLE:
                    lines.append(line)
                    held += len(line)
    bad += len(rest)
    if not bad or good > bad:
        return "utf-8"
    return _single_byte(b"\n".join([*lines, rest]))


def _marked(start: bytes) -> str:
    for mark, name in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return name
    sample = start[:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.3 * len(sample) and min(even, odd) * 8 < max(even, odd):
        return "utf-16-be" if even > odd else "utf-16-le"
    return ""


def _whole_characters(text: bytes) -> tuple[bytes, bytes]:
    """The text up to its last ASCII byte, so that no character is cut; at most four bytes remain."""
    for back in range(1, min(4, len(text)) + 1):
        if text[-back] < 0x80:
            return text[: len(text) - back + 1], text[len(text) - back + 1 :]
    return text, b""


def _single_byte(sample: bytes) -> str:
    """The encoding that leaves the fewest odd characters; UTF-8 if each leaves many."""
    high = len(HIGH.findall(sample)) or 1
    odd = {name: _odd_characters(sample, name) for name in SINGLE_BYTES}
    best = min(SINGLE_BYTES, key=lambda name: odd[name])
    return best if odd[best] <= 0.2 * high else "utf-8"


def _odd_characters(sample: bytes, name: str) -> float:
    """Number of characters that hardly stand where they stand: signs and capitals within words, letters in runs."""
    try:
        text = sample.decode(name)
    except UnicodeDecodeError:
        return float("inf")
    count = sum(0x80 <= ord(one) < 0xA0 or one in UNUSUAL for one in text if one > "\x7f")
    count += sum(len(run) for run in RUN_OF_LETTERS.findall(text))
    for found in IN_A_WORD.finditer(text):
        one, before = found[0], text[found.start() - 1]
        count += (not one.isalpha() and one not in "\u2019\u00b7\u00ad") or (one.isupper() and before.islower())
    return count
