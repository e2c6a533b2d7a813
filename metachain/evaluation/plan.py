"""Plan of one run of ``metachain evaluate``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from metachain.errors import DataError
from metachain.evaluation.ablation import ABLATIONS, ablated, ablated_name
from metachain.evaluation.holdout import PROTOCOLS
from metachain.evaluation.readers import READERS
from metachain.evaluation.selectors import ON_REQUEST, SELECTORS, Shown, Trial
from metachain.evaluation.skill import check_skills
from metachain.evaluation.summary import OURS
from metachain.scoring.metrics import METRICS

__all__ = ["ANSWERS_BY", "Plan", "selectors_named"]

LEAST_PAST = 2
ANSWERS_BY = ("generate", "score")
"""Ways in which a model answers: in its words, or with the best-scored of the labels shown."""


@dataclass(frozen=True)
class Plan:
    """Choices of one evaluation. Raises DataError for an invalid value."""

    protocol: str = "institution"
    labels: tuple[int, ...] = (0, 4, 8, 16, 32)
    seeds: tuple[int, ...] = (0, 1, 2)
    shots: int = 8
    queries: int = 100
    selectors: tuple[str, ...] = tuple(SELECTORS)
    readers: tuple[str, ...] = ("vote",)
    """Offline readers; the scores of the first are the main ones."""
    past: tuple[int, ...] = ()
    """Numbers of past institutions to learn from, in addition to all of them."""
    metric: str | None = None
    """One of ``METRICS``; None for the metrics that suit the outputs."""
    ablate: tuple[str, ...] = ()
    """Parts of the method (``ABLATIONS``), each left out by an additional selector."""
    answers_by: str = "generate"
    """Way in which a model answers, one of ``ANSWERS_BY``; prompts that show no label are always answered in words."""
    skill: tuple[float, ...] = (0.0,)
    """Skills of the first reader, in [0, 1]: with 1 it picks the right answer if it is shown (``skilled_score``).
    Those over 0 are scored in addition to the reader itself."""

    @property
    def skilled(self) -> tuple[float, ...]:
        """The skills over 0, each once, in ascending order."""
        return tuple(sorted({skill for skill in self.skill if skill > 0}))

    @property
    def compared(self) -> tuple[str, ...]:
        """The selectors, each once, then one for each ablated part."""
        return tuple(dict.fromkeys((*self.selectors, *map(ablated_name, self.ablate))))

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise DataError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.protocol!r}")
        if self.answers_by not in ANSWERS_BY:
            raise DataError(f"--answers-by must be one of {', '.join(ANSWERS_BY)}, got {self.answers_by!r}")
        selectors_named(self.selectors)
        _check_known("reader", "--readers", self.readers, READERS)
        _check_parts(self.ablate, self.selectors)
        check_skills(self.skill)
        if self.metric is not None and self.metric not in METRICS:
            raise DataError(f"unknown metric {self.metric!r} in --metric; known: {', '.join(METRICS)}")
        for name, numbers in (("labels", self.labels), ("seeds", self.seeds)):
            if not numbers or min(numbers) < 0:
                raise DataError(f"{name} must be whole numbers of 0 or more, got {numbers}")
        if self.shots < 1 or self.queries < 1:
            raise DataError(f"shots and queries must be at least 1, got {self.shots} and {self.queries}")
        if self.past and min(self.past) < LEAST_PAST:
            raise DataError(
                f"--past takes numbers of past institutions of {LEAST_PAST} or more (with one there is nobody to "
                f"compare with), got {min(self.past)}"
            )


def selectors_named(names: Sequence[str]) -> Mapping[str, Callable[[Trial], Shown]]:
    """Look up selectors, in the order given. Raises DataError for an unknown name, or where none is given.

    Names are those of ``SELECTORS`` and ``ON_REQUEST``, and ``metachain-PART`` for metachain without an ablated part.
    """
    known = {**SELECTORS, **ON_REQUEST, **{ablated_name(part): ablated(part) for part in ABLATIONS}}
    _check_known("selector", "--selectors", names, known)
    return {name: known[name] for name in names}


def _check_parts(parts: Sequence[str], selectors: Sequence[str]) -> None:
    if parts:
        _check_known("part", "--ablate", parts, ABLATIONS)
        if OURS not in selectors:
            raise DataError(f"--ablate compares with {OURS}, which --selectors leaves out; name it there too")


def _check_known(kind: str, option: str, names: Sequence[str], known: Mapping[str, object]) -> None:
    if not names:
        raise DataError(f"{option} names none; known: {', '.join(known)}")
    for name in names:
        if name not in known:
            raise DataError(f"unknown {kind} {name!r} in {option}; known: {', '.join(known)}")
