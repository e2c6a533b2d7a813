"""A causal language model in memory: it reads prompts, goes on with them, and scores continuations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

from metachain.chains.local.prompt_format import PromptFormat
from metachain.errors import DataError

__all__ = ["LanguageModel", "Reading"]

SCORED_AT_ONCE = 64
"""Continuations that are scored in one pass; more only need more memory."""


@dataclass
class Reading:
    """A text that a model has read: its token ids, the keys and values of its attention, the scores of a next token."""

    ids: list[int]
    cache: Any
    scores: Any = None
    """Unnormalised log-probabilities, (vocabulary,)."""


class LanguageModel:
    """A network of transformers and its tokenizer.

    The last text read is kept, so that a text with the same beginning is read from where they differ. Threads take
    turns: whoever calls a method here holds ``turn``, a stream for one token at a time.
    """

    def __init__(self, tokenizer: Any, network: Any) -> None:
        self.tokenizer, self.network = tokenizer, network
        self.context: int = network.config.get_text_config().max_position_embeddings
        """Longest text, in tokens."""
        self.format = PromptFormat(tokenizer)
        self.turn = RLock()
        self._kept: Reading | None = None

    def read(self, ids: Sequence[int], answer: int = 1) -> Reading:
        """Read a text of one or more tokens; ``keep`` gives the reading back.

        Raises DataError if the context has no room for it and ``answer`` more tokens.
        """
        if len(ids) + answer > self.context:
            raise DataError(
                f"the prompt has {len(ids)} tokens, and the model's context holds {self.context} with the answer: "
                "show fewer demonstrations, or limit them by 'max_prompt_tokens'"
            )
        kept, self._kept = self._kept, None
        reading = kept or Reading([], self._empty_cache())
        shared = _shared(reading.ids, ids[:-1])
        if extra := len(reading.ids) - shared:
            reading.cache.crop(-extra)
        del reading.ids[shared:]
        self._feed(reading, ids[shared:])
        return reading

    def keep(self, reading: Reading) -> None:
        """Keep a reading for the next text, if its tokens can be taken back."""
        if self._takes_back(len(reading.ids)):
            self._kept = reading

    def go_on(self, reading: Reading, limit: int, pick: Callable[[Any], int]) -> Iterator[int]:
        """Yield up to ``limit`` tokens after a text, each picked from the scores of all tokens."""
        token = None
        for _ in range(min(limit, self.context - len(reading.ids))):
            if token is not None:
                self._feed(reading, [token])
            token = pick(reading.scores)
            yield token

    def log_probabilities(self, reading: Reading, continuations: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each continuation, of one or more tokens, after a text; natural logarithms.

        Raises DataError for a network without full attention: a state space, or a sliding window below the text.
        """
        if not self._takes_back(len(reading.ids) + sum(map(len, continuations[:SCORED_AT_ONCE]))):
            raise DataError(
                "this model can't score labels after so long a prompt, as its attention doesn't see all of it: show "
                "fewer demonstrations, or take another model"
            )
        found: list[float] = []
        for start in range(0, len(continuations), SCORED_AT_ONCE):
            found += self._tree(reading, [tuple(one) for one in continuations[start : start + SCORED_AT_ONCE]])
        return found

    def _tree(self, reading: Reading, continuations: Sequence[tuple[int, ...]]) -> list[float]:
        """Score continuations in one pass, as a tree: each token sees the text and the tokens on its own branch."""
        import torch  # noqa: PLC0415

        nodes = sorted({one[:end] for one in continuations for end in range(1, len(one))})
        place, read = {node: number for number, node in enumerate(nodes)}, len(reading.ids)
        rows = reading.scores[None]
        if nodes:
            sees = torch.zeros((len(nodes), read + len(nodes)), dtype=torch.bool)
            sees[:, :read] = True
            for node in nodes:
                sees[place[node], [read + place[node[:end]] for end in range(1, len(node) + 1)]] = True
            with torch.inference_mode():
                output = self.network(
                    input_ids=torch.tensor([[node[-1] for node in nodes]]),
                    position_ids=torch.tensor([[read + len(node) - 1 for node in nodes]]),
                    attention_mask=sees[None, None],
                    past_key_values=reading.cache,
                )
            reading.cache.crop(-len(nodes))
            rows = torch.cat([rows, output.logits[0]])
        known = rows.double().log_softmax(-1)
        return [
            sum(float(known[1 + place[one[:end]] if end else 0, token]) for end, token in enumerate(one))
            for one in continuations
        ]

    def _feed(self, reading: Reading, ids: Sequence[int]) -> None:
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            output = self.network(input_ids=torch.tensor([list(ids)]), past_key_values=reading.cache, logits_to_keep=1)
        reading.ids += ids
        reading.scores = output.logits[0, -1]

    def _empty_cache(self) -> Any:
        from transformers import DynamicCache  # noqa: PLC0415

        return DynamicCache(config=self.network.config)

    def _takes_back(self, length: int) -> bool:
        """True if every layer's attention sees all of so many tokens, so that the last can be taken back."""
        from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer  # noqa: PLC0415

        return all(
            type(layer) is DynamicLayer or (type(layer) is DynamicSlidingWindowLayer and length < layer.sliding_window)
            for layer in self._empty_cache().layers
        )


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of tokens with which both texts begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (left, right) in pairs if left != right), min(len(one), len(other)))
