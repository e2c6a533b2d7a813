"""What an institution asks beside answers: its posterior, feedback, what to label next, and why what was chosen."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from metachain.chains.service.callers import allowing, key_of
from metachain.chains.service.limits import Limits
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.problems import documented
from metachain.data.demonstration import Demonstration
from metachain.errors import NotFoundError
from metachain.learning.active_learning import suggest_labels
from metachain.learning.artifacts import load_prior, save_posterior
from metachain.learning.gaussian_process import institution_shares
from metachain.learning.institution_state import load_institution
from metachain.learning.posterior import Posterior, posterior_of
from metachain.library.library import Added, Library
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.selection import Chosen

__all__ = ["tenant_routes"]

REFUSALS = documented(401, 403, 404, 413, 422, 429, 500, 503, 504)
LEANS_ON = 8
ADAPT, FEEDBACK, LABEL, READ, EXPLAIN = map(allowing, ("adapt", "feedback", "label", "read", "explain"))
EVERY = allowing("read", named=False)
Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A body with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Example(Strict):
    """One labelled example of the institution that asks."""

    input: Text
    output: Text
    id: str = Field("", description="Left out, it is made of the texts: the same example is stored once.")
    metadata: dict[str, Any] = {}


class Support(Strict):
    """What the institution tells of itself."""

    examples: list[Example] = []
    answers: list[Text] = Field(
        [], description="All answers that it gives, such as its codes, in place of those listed before."
    )


class Leaning(BaseModel):
    """How much a past institution counts."""

    institution: str
    weight: float = Field(ge=0, le=1, description="Share of all past institutions' weight.")


class Adapted(BaseModel):
    """What is known of an institution now."""

    institution: str
    stored: int
    duplicates: int
    labels: int
    scored: int = Field(description="Answers that earned a bare score.")
    method: str = Field(description="metachain: learned selection; nearest: plain nearest neighbours.")
    leans_on: list[Leaning] = Field(description=f"The {LEANS_ON} past institutions that count most.")


class Judged(Strict):
    """What an answer earned."""

    run_id: Text = Field(description="metadata.run_id of the answer.")
    score: float | None = Field(None, ge=0, le=1, description="Probability that it is what the institution would say.")
    correction: Text | None = Field(None, description="What the institution says; it becomes a labelled example.")


class Kept(BaseModel):
    """What is kept of the feedback on an answer."""

    run_id: str
    score: float | None
    correction: str | None


class Unlabelled(Strict):
    """Texts to choose from."""

    texts: list[Text]
    budget: int = Field(8, ge=0, le=1000)


class Suggested(BaseModel):
    """One text worth labelling."""

    input: str
    removes: float = Field(description="Share of the error expected to remain that its label removes.")
    reason: str


class Suggestions(BaseModel):
    """What to label next, the most useful first."""

    suggestions: list[Suggested]


class Asked(Strict):
    """A query, to see what would be shown for it."""

    input: Text
    k: int | None = Field(None, ge=0, le=100, description="How many demonstrations at most.")


class Why(BaseModel):
    """One demonstration, and why it was chosen."""

    id: str
    institution: str
    input: str | None = Field(description="The institution's own; others' only with a key that allows texts.")
    output: str | None
    score: float
    similarity: float
    plausibility: float = Field(description="Probability that its answer is right here.")
    reason: str


class Explained(BaseModel):
    """What is shown to a model for a query, in the order of the prompt."""

    selection_id: str
    institution: str
    method: str
    demonstrations: list[Why]


class Institution(BaseModel):
    """What is known of an institution."""

    institution: str
    labels: int
    scored: int
    method: str
    past: list[str] = Field(description="Institutions whose demonstrations it may be shown and that were learned from.")


class Institutions(BaseModel):
    """Those that the key may ask for."""

    institutions: list[Institution]


def tenant_routes(library: Library, selector: LibraryExampleSelector, metrics: Metrics, limits: Limits) -> APIRouter:
    """``/adapt``, ``/feedback``, ``/label``, ``/explain`` and ``/institutions``, for the institution that asks."""
    routes = APIRouter(responses=REFUSALS, tags=["institution"])

    @routes.post("/adapt")
    def adapt_to(body: Support, institution: str = ADAPT) -> Adapted:
        """Store labelled examples and adapt to them: on disk when this is answered."""
        _at_most(limits.batch, len(body.examples), "examples")
        _at_most(limits.texts, len(body.answers), "answers")
        prior = load_prior(library, institution)
        added = library.add(_demonstration(institution, one) for one in body.examples)
        if body.answers:
            library.list_answers(institution, body.answers)
        state = load_institution(prior, library, institution)
        posterior = posterior_of(prior, state)
        save_posterior(library, posterior)
        metrics.labels.labels(institution).inc(added.stored)
        return _adapted(posterior, state.pool.institutions, added)

    @routes.post("/feedback")
    def record_feedback(body: Judged, institution: str = FEEDBACK) -> Kept:
        """Score or correct an answer: on disk when this is answered, and heeded by the next selection."""
        known = library.outcomes.by_id([body.run_id]).get(body.run_id)
        if known is None or known.institution != institution:
            raise NotFoundError(f"no answer of {institution!r} has the run_id {body.run_id!r}; it is in its metadata")
        kept = library.record_feedback(body.run_id, body.score, correction=body.correction)
        kind = "score" if body.correction is None else "correction"
        metrics.feedback.labels(institution, kind).inc()
        return Kept(run_id=body.run_id, score=kept.score, correction=kept.correction)

    @routes.post("/label")
    def suggest(body: Unlabelled, institution: str = LABEL) -> Suggestions:
        """Say which of some texts to label next."""
        _at_most(limits.texts, len(body.texts), "texts")
        found = suggest_labels(library, selector.of(institution).posterior, body.texts, body.budget)
        told = [Suggested(input=one.text, removes=one.gain, reason=one.reason) for one in found]
        return Suggestions(suggestions=told)

    @routes.post("/explain")
    def explain(request: Request, body: Asked, institution: str = EXPLAIN) -> Explained:
        """Select as for an answer, and say why; the audit keeps that it was shown."""
        selection = selector.of(institution).select(body.input, body.k)
        every = key_of(request).allows("texts")
        told = [_why(one, with_texts=every or one.demonstration.institution == institution) for one in selection.chosen]
        return Explained(
            selection_id=selection.id, institution=institution, method=selection.method, demonstrations=told
        )

    @routes.get("/institutions")
    def institutions(institution: str = EVERY) -> Institutions:
        """What is known of the institution that asks; of all, with an administrator's key that names none."""
        names = [institution] if institution else library.institutions()
        return Institutions(institutions=[_institution(library, selector, name) for name in names])

    return routes


def _at_most(most: int, got: int, what: str) -> None:
    if got > most:
        raise HTTPException(413, f"at most {most} {what} are taken at once, got {got}; send the rest later")


def _demonstration(institution: str, one: Example) -> Demonstration:
    return Demonstration(institution, one.input, one.output, one.id, one.metadata)


def _adapted(posterior: Posterior, past: Sequence[str], added: Added) -> Adapted:
    shares = institution_shares(posterior.fit)
    most = sorted(zip(shares.tolist(), past, strict=True), key=lambda one: (-one[0], one[1]))[:LEANS_ON]
    return Adapted(
        institution=posterior.institution,
        stored=added.stored,
        duplicates=added.duplicates,
        labels=posterior.labels,
        scored=posterior.scored,
        method=posterior.method,
        leans_on=[Leaning(institution=name, weight=share) for share, name in most],
    )


def _why(one: Chosen, *, with_texts: bool) -> Why:
    shown = one.demonstration
    return Why(
        id=shown.id,
        institution=shown.institution,
        input=shown.input if with_texts else None,
        output=shown.output if with_texts else None,
        score=one.score,
        similarity=one.similarity,
        plausibility=one.plausibility,
        reason=one.reason,
    )


def _institution(library: Library, selector: LibraryExampleSelector, name: str) -> Institution:
    known = selector.of(name).posterior
    allowed = library.sharing.usable_by(name).demonstrations
    return Institution(
        institution=name,
        labels=known.labels,
        scored=known.scored,
        method=known.method,
        past=[one for one in known.prior.institutions if one in allowed and one != name],
    )
