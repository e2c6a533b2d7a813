"""Learned policies of a library, one for each model."""

from dataclasses import asdict, dataclass
from typing import Any

from metachain.data.demonstration import check_text
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.learning.policy import DEFAULT, Policy
from metachain.library.library import Library

__all__ = ["LearnedPolicy", "Policy", "load_policy", "read_policy", "save_policy"]

FORMAT = "metachain-policy/1"


@dataclass(frozen=True)
class LearnedPolicy:
    """Learned policy of a model, with the evidence for it."""

    model: str
    policy: Policy
    metric: str
    trials: int
    """Number of different trials that the model answered."""
    questions: int
    """Number of queries on which policies were compared."""
    gain: float
    """Mean score of the policy less that of the default, on queries of held-out past institutions."""
    interval: tuple[float, float]
    """95 % interval of the gain, paired over queries."""


def save_policy(library: Library, learned: LearnedPolicy) -> None:
    """Store a model's policy, replacing the one before."""
    header = {**asdict(learned), "policy": learned.policy.to_json(), "format": FORMAT}
    library.save(_name(learned.model), header, {})


def read_policy(library: Library, model: str) -> LearnedPolicy:
    """Read the learned policy of a model. Raises NotFoundError without one, LibraryError where it is damaged."""
    check_text("model", model)
    try:
        header, _ = library.load(_name(model))
    except NotFoundError:
        raise NotFoundError(
            f"the library has learned nothing about {model!r}; let it: metachain learn LIBRARY --model {model}"
        ) from None
    if header.get("format") != FORMAT:
        raise LibraryError(f"the policy of {model!r} has format {header.get('format')!r}; learn again with --model")
    try:
        held: dict[str, Any] = {name: header[name] for name in LearnedPolicy.__dataclass_fields__}
        policy, (low, high) = Policy.from_json(held["policy"]), held["interval"]
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise LibraryError(f"the policy of {model!r} is damaged ({error!r}); learn again with --model") from error
    return LearnedPolicy(**{**held, "policy": policy, "interval": (low, high)})


def load_policy(library: Library, model: str) -> Policy:
    """Read the learned policy of a model, or the default policy where none was learned."""
    try:
        return read_policy(library, model).policy
    except NotFoundError:
        return DEFAULT


def _name(model: str) -> str:
    return f"policy of {model}"
