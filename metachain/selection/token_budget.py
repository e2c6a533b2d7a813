"""Selection within a token budget: shorter demonstrations replace those that are too long."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.selection.chooser import Chooser
from metachain.selection.selection import Chosen, Selection
from metachain.selection.selector import Selector

__all__ = ["positions_within", "select_within", "utilities"]

WIDER = 4
"""Factor on the number of demonstrations chosen, to find replacements for those that are too long."""

Count = Callable[[Demonstration], int]


def positions_within(
    utility: Sequence[float], tokens: Sequence[int], budget: int, most: int | None = None
) -> list[int]:
    """Choose which of n candidates to keep within ``budget`` tokens; their positions, ascending.

    ``utility`` (n,) and ``tokens`` (n,) are 0 or more. The candidates are tried by decreasing utility per token, the
    later first where two tie. Each that still fits is kept, up to ``most`` of them; others are skipped. A second
    attempt begins with the most useful candidate that fits, and replaces the first if it keeps more utility. So the
    utility kept is at least half of the largest possible (Martello & Toth 1990, "Knapsack Problems", 2.4), unless
    ``most`` limits the number kept. Raises DataError for a negative utility or count.
    """
    if not all(value >= 0 for value in (*utility, *tokens)):
        raise DataError("utilities and counts of tokens must be 0 or more; mend what computes them")
    order = sorted(range(len(tokens)), key=lambda one: (-utility[one] / max(tokens[one], 1), -one))
    fitting = [one for one in order if tokens[one] <= budget]
    by_ratio = _filled(fitting, tokens, budget, most)
    best = max(fitting, key=lambda one: (utility[one], one), default=None)
    if best is None:
        return by_ratio
    from_best = _filled([best, *(one for one in fitting if one != best)], tokens, budget, most)
    return max(by_ratio, from_best, key=lambda kept: sum(utility[one] for one in kept))


def utilities(chosen: Iterable[Chosen]) -> list[float]:
    """Utility of each, 0 or more: its quotient in the apportionment, or similarity where plain nearest chose."""
    return [max(one.score, 0.0) for one in chosen]


def select_within(selector: Selector, text: str, budget: int, tokens: Count) -> Selection:
    """Choose demonstrations of at most ``budget`` tokens in all for one query, least useful first.

    ``tokens`` counts the tokens of a demonstration. A demonstration over the budget by itself is ignored. One that the
    others leave too little room for is replaced by the most useful for its length among four times as many candidates.
    Where all fit, the result is ``selector.select(text)``; it is empty only where nothing that could be shown fits.
    Only the final selection is recorded, not the attempts.
    """
    count = cache(tokens)
    return selector.show(lambda chooser: [_within(chooser, text, budget, count)])[0]


def _within(chooser: Chooser, text: str, budget: int, count: Count) -> Selection:
    left_out: set[Demonstration] = set()

    def too_long(selection: Selection) -> set[Demonstration]:
        return {one for one in selection.demonstrations if count(one) > budget}

    selection = chooser.choose(text)
    while found := too_long(selection):
        left_out |= found
        left_out |= too_long(chooser.choose(text, WIDER * chooser.k, left_out))
        selection = chooser.choose(text, without=left_out)
    kept = _kept(selection.chosen, budget, count)
    places = len(selection.chosen) - len(kept)
    if not places:
        return selection
    room = budget - sum(count(one.demonstration) for one in kept)
    known = set(selection.demonstrations)
    wider = chooser.choose(text, WIDER * chooser.k, left_out).chosen
    spare = _kept([one for one in wider if one.demonstration not in known], room, count, places)
    learned = selection.method == "metachain"
    return replace(selection, chosen=tuple(sorted([*spare, *kept], key=_by_probability if learned else _by_score)))


def _by_probability(one: Chosen) -> tuple[bool, float, float]:
    return one.own_word, one.plausibility, one.similarity


def _by_score(one: Chosen) -> tuple[bool, float, float]:
    return one.own_word, one.score, one.similarity


def _filled(order: Sequence[int], tokens: Sequence[int], budget: int, most: int | None) -> list[int]:
    kept: list[int] = []
    for one in order:
        if tokens[one] <= budget and (most is None or len(kept) < most):
            kept.append(one)
            budget -= tokens[one]
    return sorted(kept)


def _kept(chosen: Sequence[Chosen], budget: int, count: Count, most: int | None = None) -> list[Chosen]:
    """Keep the institution's own word, and of the others what the rest of the budget allows."""
    word = [one for one in chosen if one.own_word]
    others = [one for one in chosen if not one.own_word]
    tokens = [count(one.demonstration) for one in others]
    left = budget - sum(count(one.demonstration) for one in word)
    return [*(others[place] for place in positions_within(utilities(others), tokens, left, most)), *word]
