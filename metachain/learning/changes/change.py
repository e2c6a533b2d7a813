"""Change of an institution's answers, in its own words."""

from dataclasses import dataclass

from metachain.data.demonstration import date_of

__all__ = ["Change", "describe_change"]


@dataclass(frozen=True, slots=True)
class Change:
    """Moment from which an institution's labels differ from its older ones, which then count no more."""

    since: str
    """``metadata.date`` of the first label after it; empty where that has no date."""
    labels: int
    """Number of the institution's labels from then on."""
    answer: str | None
    """Answer that was replaced; None where all older labels are concerned."""
    replacement: str | None
    """Answer that is given in its place; None with ``answer``."""
    forgotten: int
    """Number of older labels that count no more."""
    evidence: float
    """Log likelihood ratio of the labels since then, without and with the older ones."""
    sure: bool
    """True where the evidence suffices for an alarm, and not just for forgetting."""
    to_settle: tuple[str, ...]
    """Ids of at most 4 of the older labels: to label their texts anew would settle it."""


def describe_change(change: Change, *, own: bool = True) -> str:
    """Describe a change in one sentence: to the institution, or with ``own`` False about it."""
    who, whose, answers = ("you", "your", "answer") if own else ("it", "its", "answers")
    date = date_of({"date": change.since})
    since = f"since about {date.day} {date:%B %Y}" if date else f"in {whose} last {change.labels} labels"
    if change.answer is None:
        told = f"{since} {whose} answers differ from what {whose} older labels say"
    else:
        told = f"{since} {who} {answers} {change.replacement!r} where {whose} older labels say {change.answer!r}"
    return f"{told}: {change.forgotten} of these count no more"
