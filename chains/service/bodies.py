"""Bodies and answers of an institution's routes."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "LEANS_ON",
    "Adapted",
    "Asked",
    "Changed",
    "Example",
    "Explained",
    "Institution",
    "Institutions",
    "Judged",
    "Kept",
    "Leaning",
    "Suggested",
    "Suggestions",
    "Support",
    "Unlabelled",
    "Why",
]

LEANS_ON = 8
"""Number of past institutions in the answer to ``/adapt``."""
Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A body with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Example(Strict):
    """One labelled example of the institution."""

    input: Text
    output: Text
    id: str = Field("", description="By default derived from the texts, so that the same example is stored once.")
    metadata: dict[str, Any] = {}


class Support(Strict):
    """Labelled examples and answers of the institution."""

    examples: list[Example] = []
    answers: list[Text] = Field(
        [], description="All answers that the institution uses, such as its codes; they replace any earlier list."
    )
    force: bool = Field(False, description="List the answers even if few of them are known labels.")


class Leaning(BaseModel):
    """Weight of a past institution."""

    institution: str
    weight: float = Field(ge=0, le=1, description="Share of the total weight of all past institutions.")


class Conflicting(BaseModel):
    """Text of the request to which the institution has given several answers."""

    input: str
    output: str = Field(description="The newest answer, which counts.")
    others: list[str] = Field(description="Its other answers, the newest first.")


class Changed(BaseModel):
    """Moment from which an institution's labels differ from its older ones."""

    told: str = Field(description="The change in one sentence.")
    since: str = Field(description="Date of the first label after it; empty where that has none.")
    labels: int = Field(description="Number of its labels from then on.")
    answer: str | None = Field(description="Answer that was replaced; null where all older labels are concerned.")
    replacement: str | None = Field(description="Answer given in its place.")
    forgotten: int = Field(description="Number of older labels that count no more.")
    sure: bool = Field(description="True where the evidence suffices for an alarm.")
    to_settle: list[str] = Field(description="Ids of older labels; to label their texts anew would settle it.")


class Adapted(BaseModel):
    """State of an institution after adaptation."""

    institution: str
    stored: int
    duplicates: int
    labels: int
    scored: int = Field(description="Number of answers with a score and no correction.")
    method: str = Field(description="metachain: learned selection; nearest: plain nearest neighbours.")
    conflicts: list[Conflicting] = Field(description="Texts of this request that have several answers.")
    changes: list[Changed] = Field(description="Changes of its answers that its labels show.")
    leans_on: list[Leaning] = Field(description=f"The {LEANS_ON} past institutions with the most weight.")


class Judged(Strict):
    """Feedback on an answer."""

    run_id: Text = Field(description="metadata.run_id of the answer.")
    score: float | None = Field(
        None, ge=0, le=1, description="Probability that the answer is right for the institution."
    )
    correction: Text | None = Field(None, description="The institution's own answer; it becomes a labelled example.")


class Kept(BaseModel):
    """Stored feedback on an answer."""

    run_id: str
    score: float | None
    correction: str | None


class Unlabelled(Strict):
    """Unlabelled texts, and the number of them to label."""

    texts: list[Text]
    budget: int = Field(8, ge=0, le=1000)


class Suggested(BaseModel):
    """One suggestion of a text to label."""

    input: str
    removes: float = Field(description="Share of the remaining expected error that the label removes.")
    reason: str


class Suggestions(BaseModel):
    """Suggestions of texts to label, the most useful first."""

    suggestions: list[Suggested]


class Asked(Strict):
    """A query, for an explained selection."""

    input: Text
    k: int | None = Field(None, ge=0, le=100, description="Maximum number of demonstrations.")


class Why(BaseModel):
    """One selected demonstration, with its scores and reason."""

    id: str = Field(description="Opaque where the demonstration is another institution's.")
    institution: str
    input: str | None = Field(description="Null for another institution's demonstration, unless the key allows texts.")
    output: str | None
    score: float
    similarity: float
    plausibility: float = Field(description="Probability that the institution gives the same output for the query.")
    reason: str


class Explained(BaseModel):
    """The selected demonstrations of a query, the most useful last."""

    selection_id: str
    institution: str
    method: str
    demonstrations: list[Why]


class Institution(BaseModel):
    """State of an institution."""

    institution: str
    labels: int
    scored: int
    method: str
    past: list[str] = Field(description="Past institutions in the prior that share demonstrations with this one.")


class Institutions(BaseModel):
    """The institutions that the key may ask for."""

    institutions: list[Institution]
