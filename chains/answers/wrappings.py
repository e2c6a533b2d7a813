"""Marks around an answer: fences, tags of the answer, emphasis, quotes, boxes, wide characters."""

import re
from unicodedata import normalize

__all__ = ["narrow", "out_of_answer_tags", "out_of_box", "out_of_emphasis", "out_of_fence", "out_of_quotes"]
__all__ += ["out_of_whole_fence"]

FENCE = re.compile(r"```[ \t]*(?P<language>[\w+#.-]*)[ \t]*(?P<break>\r?\n)?(?P<text>.*?)\s*```", re.DOTALL)
ANSWER_TAG = re.compile(
    r"<\s*(?P<name>(?:final_?)?(?:answer|output|label|response|result|code|category))(?:\s[^<>]*)?>(?P<text>.*?)<\s*/\s*(?P=name)\s*>",
    re.DOTALL | re.IGNORECASE,
)
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{\s*(?:\\(?:text|textbf|mathrm)\s*\{(?P<inner>[^{}]*)\}|(?P<text>[^{}]*))\s*\}")
PAIRS = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "„": "“", "[": "]", "(": ")", "「": "」"}
EMPHASIS = re.compile(r"(?<![\w*=])(\*{1,3}|_{1,3}|==)(?=[^\s*_=])(?P<text>.+?)(?<=[^\s*_=])\1(?![\w*=])", re.DOTALL)
STRUCK = re.compile(r"~~(?=\S).+?(?<=\S)~~", re.DOTALL)


def out_of_fence(text: str) -> str:
    """Take the content of the only fence, with or without a language, on one line or more; else the text as it is."""
    found = list(FENCE.finditer(text))
    if len(found) != 1:
        return text
    one = found[0]
    is_code = one["break"] is None and one["language"] and not one["text"].strip()
    return one["language"] if is_code else one["text"].strip()


def out_of_whole_fence(text: str) -> str:
    """Take the content of a fence that holds the whole text; else the text as it is."""
    one = FENCE.fullmatch(text.strip())
    whole = one is not None and one["break"] is not None and "```" not in one["text"]
    return one["text"].strip("\r\n") if one is not None and whole else text


def out_of_answer_tags(text: str) -> str:
    """Take the content of the tags ``<answer>`` and the like, where all of them hold the same; else the text."""
    found = {one["text"].strip() for one in ANSWER_TAG.finditer(text)}
    return found.pop() if len(found) == 1 else text


def out_of_box(text: str) -> str:
    r"""Take the content of ``\boxed{}``, where all boxes hold the same; else the text as it is."""
    found = {(one["inner"] or one["text"] or "").strip() for one in BOX.finditer(text)} - {""}
    return found.pop() if len(found) == 1 else text


def out_of_emphasis(text: str) -> str:
    """Leave out Markdown's emphasis, marks of headings and struck-out text, wherever they stand."""
    bare = STRUCK.sub("", re.sub(r"^[ \t]*#{1,6}[ \t]+", "", text, flags=re.MULTILINE))
    while (next_one := EMPHASIS.sub(lambda one: one["text"], bare)) != bare:
        bare = next_one
    return bare.strip() if bare != text else text


def out_of_quotes(text: str) -> str:
    """Leave out quotes or brackets around the whole text."""
    bare = text.strip()
    while len(bare) > 2 and bare[-1] == PAIRS.get(bare[0]) and not _is_split(bare):
        bare = bare[1:-1].strip()
    return bare if bare != text.strip() else text


def narrow(text: str) -> str:
    """Write full-width digits, letters and signs in their usual width."""
    return re.sub("[\uff01-\uff5e\u3000]+", lambda one: normalize("NFKC", one[0]), text)


def _is_split(text: str) -> bool:
    """True where the first sign's partner is not the last one, as in ``"a" or "b"``."""
    return text[0] in text[1:-1] or text[-1] in text[1:-1]
