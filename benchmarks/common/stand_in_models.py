"""Stand-ins for language models, each with one known quirk; functions that ask them and measure each policy's worth."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from metachain.chains.local.offline import demonstrations_shown
from metachain.learning.policy import CANDIDATES, Policy
from metachain.scoring.reader import answer
from metachain.selection.policy_search import Trial
from metachain.selection.rehearsal import RehearsalSet

__all__ = ["IN_OFFICE", "QUIRKS", "READING", "StandIn", "asking", "worth"]

READING = ("reader", "errs", "overwhelmed")
"""Quirks based on the offline reader, which takes a millisecond an answer."""
IN_OFFICE = Policy(8, nearest=True, best_first=True)
"""About the worst policy that shows anything, so that a race has something to find."""
RECENCY = 1.6
"""Weight of a demonstration relative to the one before it."""
WRONG_SHARE = 0.2
SORRY = "I can't answer that."

Shown = Sequence[tuple[str, str]]
"""(input, output) pairs in prompt order."""


def reader(query: str, shown: Shown) -> str:
    """Answer as the offline reader."""
    return answer(query, shown)


def copies_last(query: str, shown: Shown) -> str:
    """Answer as the demonstration next to the query."""
    return shown[-1][1] if shown else SORRY


def copies_first(query: str, shown: Shown) -> str:
    """Answer as the first demonstration."""
    return shown[0][1] if shown else SORRY


def recency(query: str, shown: Shown) -> str:
    """Vote; demonstrations nearer to the query in the prompt weigh more."""
    votes: Counter[str] = Counter()
    for place, (_, output) in enumerate(shown):
        votes[output] += RECENCY**place  # type: ignore[assignment]
    return votes.most_common(1)[0][0] if votes else SORRY


def ignores(query: str, shown: Shown) -> str:
    """Answer from the query alone, independent of the demonstrations."""
    return f"{_share(query) * 10_000:04.0f}"


def errs(query: str, shown: Shown) -> str:
    """Answer as the offline reader, but wrong for one prompt in five."""
    return SORRY if _share(query, *map(str, shown)) < WRONG_SHARE else answer(query, shown)


def overwhelmed(query: str, shown: Shown) -> str:
    """Answer as the offline reader, but 5 % more often wrong with each demonstration shown."""
    return SORRY if _share(query, *map(str, shown)) < 0.05 * len(shown) else answer(query, shown)


QUIRKS: Mapping[str, Callable[[str, Shown], str]] = {
    one.__name__: one for one in (reader, copies_last, copies_first, recency, ignores, errs, overwhelmed)
}


class StandIn(BaseChatModel):
    """A chat model with one of the quirks; tokens are words between white space."""

    quirk: str

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = QUIRKS[self.quirk](*demonstrations_shown(messages))
        read, written = sum(len(str(one.text).split()) for one in messages), len(text.split())
        usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, usage_metadata=usage))])

    @property
    def _llm_type(self) -> str:
        return f"stand-in-{self.quirk}"


@cache
def asking(quirk: str) -> Callable[[Sequence[Trial]], list[float]]:
    """Make a function that asks a stand-in and scores exact matches; each prompt is asked once."""

    @cache
    def score(trial: Trial) -> float:
        shown = [(one.input, one.output) for one in trial.shown]
        return float(QUIRKS[quirk](trial.asked.input, shown) == trial.asked.output)

    return lambda trials: [score(trial) for trial in trials]


def worth(stage: RehearsalSet, quirk: str, queries: int) -> Any:
    """Mean score of each candidate policy over many queries; the expected score for stand-ins that err at random."""
    ask, rows = asking("reader" if quirk in READING else quirk), []
    for question in islice(stage.questions(), queries):
        asked, shown = stage.asked(question), stage.shown(question, CANDIDATES)
        kept = {"errs": 1 - WRONG_SHARE, "overwhelmed": 1 - 0.05 * np.array([len(one) for one in shown])}
        rows.append(np.array(ask([Trial(asked, one) for one in shown])) * kept.get(quirk, 1.0))
    return np.mean(rows, axis=0)


def _share(*texts: str) -> float:
    """Pseudo-random number in [0, 1), fixed by the texts."""
    return int.from_bytes(sha256("\0".join(texts).encode()).digest()[:4]) / 2**32
