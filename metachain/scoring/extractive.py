"""Long answers: sentences extracted from the query, or one of the outputs shown.

Two methods compete: extraction of the query's sentences, and a copy of the output that agrees most with the others.
Each answers the demonstrations themselves, with one left out at a time; the better one answers the query.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import lexical_vectors
from metachain.scoring.metrics import bag_overlap, words

__all__ = ["copy_output", "extract", "extract_or_copy", "split_sentences"]

TEXT_TEMPERATURE = 0.2
SENTENCE_TEMPERATURE = 0.05
LEAST_SCORE = 0.25
"""Least score of an extracted sentence, as a share of the best one's."""

Floats = NDArray[np.floating]
Pairs = Sequence[tuple[str, str]]
_SPEAKER = re.compile(
    r"^\s*(?:\[\w+\]|(?:doctor|dr|physician|clinician|nurse|patient|pt|family|guest|speaker|provider)\w*:)\s*",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？｡។៕။])(?![」』”’）》」])\s*|(?<=[。！？｡][」』”’）》])\s*|(?<=[؟۔।])\s+")
_FULL_STOP = re.compile(r"[。！？｡។៕။][」』”’）》]?$")
"""End of a sentence after which no blank stands."""
_WORD = re.compile(r"[^\W_]+")


def split_sentences(text: str) -> list[str]:
    """Split a text at line ends and after ``.``, ``!``, ``?`` and the full stops of other scripts, without tags.

    A tag, of who speaks, starts a line: a word in brackets (``[doctor]``), or a role and a colon (``Doctor:``).
    Pieces without a letter or digit are left out.
    """
    turns = (_SPEAKER.sub("", line, count=1) for line in text.splitlines())
    return [one.strip() for turn in turns for one in _END.split(turn) if _WORD.search(one)]


def extract_or_copy(query: str, demonstrations: Pairs) -> str:
    """Answer by ``extract`` or ``copy_output``, the one that answers the demonstrations better.

    Both answer each demonstration from the others. Their token F1 with its own output is weighed by the
    demonstration's similarity to the query. Extraction wins ties, so it wins where one demonstration is shown; copying
    wins where the query has no sentence. Empty where no demonstrations are shown.
    """
    if not demonstrations:
        return ""
    shown = _read_all(demonstrations)
    asked = _read(query, "")
    extracted, agreement = _extract(asked, shown), _agreement(shown)
    if not extracted:
        return _agreed(asked, shown, agreement).output
    gain = np.zeros(len(shown))
    for place, one in enumerate(shown) if len(shown) > 1 else ():
        others = [*shown[:place], *shown[place + 1 :]]
        without = np.delete(np.delete(agreement, place, axis=0), place, axis=1)
        taken, copied = Counter(words(_extract(one, others))), _agreed(one, others, without).counts
        gain[place] = bag_overlap(taken, one.counts) - bag_overlap(copied, one.counts)
    return extracted if _weights(asked, shown) @ gain >= 0 else _agreed(asked, shown, agreement).output


def copy_output(query: str, demonstrations: Pairs) -> str:
    """Copy the output with the highest expected token F1 to the outputs shown, weighed by similarity to the query.

    This is minimum Bayes risk decoding (Kumar & Byrne 2004) with the demonstrations' outputs as candidates and as
    evidence. Empty where there are none.
    """
    if not demonstrations:
        return ""
    shown = _read_all(demonstrations)
    return _agreed(_read(query, ""), shown, _agreement(shown)).output


def extract(query: str, demonstrations: Pairs) -> str:
    """Extract the query's sentences that resemble sentences kept by the ``(input, output)`` pairs shown.

    A demonstration's sentence is kept to the share of its words that its output holds. A query's sentence scores the
    mean of these shares, weighed by ``exp(cosine / temperature)``. The best sentences are taken until there are as many
    words as outputs have. Order and wording stay those of the query: a word left out could turn a finding into its
    opposite. A first line that most outputs share is put first. Empty where the query has no sentence or nothing is
    shown.
    """
    return _extract(_read(query, ""), _read_all(demonstrations)) if demonstrations else ""


@dataclass(frozen=True)
class _Pair:
    """Sentences and vectors of one pair, with s sentences in its input, and ``counts`` of its output's words."""

    output: str
    """Empty for a query."""
    sentences: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(s, 512) lexical vectors of the sentences."""
    kept: Floats
    """(s,) share of each sentence's words that the output holds, in [0, 1]."""
    whole: NDArray[np.float32]
    """(512,) lexical vector of the whole input."""
    lengths: tuple[int, ...]
    """(s,) number of words of each sentence."""
    counts: Counter[str]


@lru_cache(maxsize=2048)
def _read(text: str, output: str) -> _Pair:
    sentences = tuple(split_sentences(text))
    counts, lengths = Counter(words(output)), tuple(len(words(one)) for one in sentences)
    kept = np.array([np.mean([word in counts for word in words(one)]) for one in sentences], float)
    whole = lexical_vectors([text])[0]
    return _Pair(output, sentences, lexical_vectors(sentences), kept, whole, lengths, counts)


def _read_all(demonstrations: Pairs) -> list[_Pair]:
    """Read the pairs, in an order that doesn't depend on the order shown."""
    return [_read(text, output) for text, output in sorted(demonstrations)]


def _weights(asked: _Pair, shown: Sequence[_Pair]) -> Floats:
    """``exp(cosine / temperature)`` of each demonstration's whole input, (m,), sum 1."""
    cosine = np.array([asked.whole @ one.whole for one in shown], float)
    weight = np.exp((cosine - cosine.max()) / TEXT_TEMPERATURE)
    return np.asarray(weight / weight.sum())


def _agreement(shown: Sequence[_Pair]) -> Floats:
    """Token F1 of each output shown to each other one; (m, m)."""
    return np.array([[bag_overlap(one.counts, other.counts) for other in shown] for one in shown])


def _agreed(asked: _Pair, shown: Sequence[_Pair], agreement: Floats) -> _Pair:
    """The pair shown whose output agrees most with the outputs shown, by their ``agreement`` (m, m)."""
    return shown[int(np.round(agreement @ _weights(asked, shown), 12).argmax())]


def _extract(asked: _Pair, shown: Sequence[_Pair]) -> str:
    weight = _weights(asked, shown)
    wanted = round(float(weight @ [one.counts.total() for one in shown]), 6)
    taken = _choose(_sentence_scores(asked, shown, weight), asked.lengths, wanted)
    text = "".join(f"{one}{'' if _FULL_STOP.search(one) else ' '}" for one in (asked.sentences[at] for at in taken))
    text = text.removesuffix(" ")
    return f"{_heading(shown, weight)}{text}" if text else ""


def _sentence_scores(asked: _Pair, shown: Sequence[_Pair], weight: Floats) -> Floats:
    """Expected share of each of the query's s sentences that is kept, (s,) in [0, 1]."""
    vectors = np.concatenate([one.vectors for one in shown])
    if not len(vectors):
        return np.zeros(len(asked.sentences))
    near = np.exp((asked.vectors @ vectors.T - 1) / SENTENCE_TEMPERATURE)
    near *= np.repeat(weight, [len(one.sentences) for one in shown])
    return np.asarray(np.round((near @ np.concatenate([one.kept for one in shown])) / near.sum(axis=1), 6))


def _choose(scores: Floats, lengths: Sequence[int], wanted: float) -> list[int]:
    """Places of the best sentences, in order, that together have about the wanted number of words; at least one."""
    taken: list[int] = []
    total, least = 0, LEAST_SCORE * scores.max(initial=0)
    for place in np.argsort(-scores, kind="stable").tolist():
        if not taken or (total + lengths[place] / 2 <= wanted and scores[place] >= least):
            taken.append(place)
            total += lengths[place]
    return sorted(taken)


def _heading(shown: Sequence[_Pair], weight: Floats) -> str:
    """First line, with the blank lines after it, that most outputs of several lines share; empty without one."""
    shares: dict[str, float] = {}
    for one, share in zip(shown, weight.tolist(), strict=True):
        found = re.match(r"[^\n]+\n+", one.output)
        if found:
            shares[found[0]] = shares.get(found[0], 0.0) + share
    heading = max(shares, key=lambda line: shares[line], default="")
    return heading if len(shown) > 1 and shares.get(heading, 0.0) > 1 / 2 else ""
