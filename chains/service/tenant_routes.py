"""Routes of an institution: adaptation, feedback, label suggestions, and explained selections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from metachain.chains.service.callers import caller_of, key_of, target_institution
from metachain.chains.service.fair_queue import FairQueue, Kind
from metachain.chains.service.limits import Limits
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.problems import documented
from metachain.chains.service.strict_json import strict_route
from metachain.data.demonstration import Demonstration
from metachain.errors import NotFoundError
from metachain.learning.active_learning import suggest_labels
from metachain.learning.artifacts import load_prior, save_posterior
from metachain.learning.gaussian_process import institution_shares
from metachain.learning.posterior import Posterior
from metachain.library.library import Added, Library
from metachain.retrievers.explaining_selector import described
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.selection import Chosen

__all__ = ["tenant_routes"]

REFUSALS = documented(401, 403, 404, 413, 415, 422, 429, 500, 503, 504)
LEANS_ON = 8
"""Number of past institutions in the answer to ``/adapt``."""
ADAPT, FEEDBACK, LABEL, EXPLAIN = map(target_institution, ("adapt", "feedback", "label", "explain"))
READ = target_institution("read", required=False)
Text = Annotated[str, Field(min_length=1)]
Result = TypeVar("Result")


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


class Leaning(BaseModel):
    """Weight of a past institution."""

    institution: str
    weight: float = Field(ge=0, le=1, description="Share of the total weight of all past institutions.")


class Adapted(BaseModel):
    """State of an institution after adaptation."""

    institution: str
    stored: int
    duplicates: int
    labels: int
    scored: int = Field(description="Number of answers with a score and no correction.")
    method: str = Field(description="metachain: learned selection; nearest: plain nearest neighbours.")
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

    id: str
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


def tenant_routes(
    library: Library, selector: LibraryExampleSelector, metrics: Metrics, limits: Limits, queue: FairQueue
) -> APIRouter:
    """Make the routes ``/adapt``, ``/feedback``, ``/label``, ``/explain`` and ``/institutions``."""
    routes = APIRouter(responses=REFUSALS, tags=["institution"], route_class=strict_route(limits.characters))
    endpoints = _Endpoints(library, selector, metrics, limits, queue)
    routes.post("/adapt")(endpoints.adapt_to)
    routes.post("/feedback")(endpoints.record_feedback)
    routes.post("/label")(endpoints.suggest)
    routes.post("/explain")(endpoints.explain)
    routes.get("/institutions")(endpoints.institutions)
    return routes


@dataclass(frozen=True)
class _Endpoints:
    """Functions of the routes; OpenAPI takes their names and docstrings."""

    library: Library
    selector: LibraryExampleSelector
    metrics: Metrics
    limits: Limits
    queue: FairQueue

    async def adapt_to(self, request: Request, body: Support, institution: str = ADAPT) -> Adapted:
        """Store labelled examples and adapt to them; all is on disk before the answer."""
        _at_most(self.limits.batch, len(body.examples), "examples")
        _at_most(self.limits.texts, len(body.answers), "answers")
        with self.queue.taking(caller_of(key_of(request)), len(body.examples), len(body.answers)):
            return await self._in_turn("adapt", request, lambda: self._adapt_to(body, institution))

    async def record_feedback(self, request: Request, body: Judged, institution: str = FEEDBACK) -> Kept:
        """Score or correct an answer; it is on disk before the answer, and counts in the next selection."""
        return await self._in_turn("feedback", request, lambda: self._record_feedback(body, institution))

    async def suggest(self, request: Request, body: Unlabelled, institution: str = LABEL) -> Suggestions:
        """Suggest the texts to label next."""
        _at_most(self.limits.texts, len(body.texts), "texts")
        with self.queue.taking(caller_of(key_of(request)), texts=len(body.texts)):
            return await self._in_turn("label", request, lambda: self._suggest(body, institution))

    async def explain(self, request: Request, body: Asked, institution: str = EXPLAIN) -> Explained:
        """Select demonstrations as for an answer, and give reasons; the audit records the selection."""
        texts = key_of(request).allows("texts")
        return await self._in_turn("ask", request, lambda: self._explain(body, institution, with_texts=texts))

    async def institutions(self, request: Request, institution: str = READ) -> Institutions:
        """Give the state of the key's institution; an administrator's key that names none gets all institutions."""
        return await self._in_turn("ask", request, lambda: self._institutions(institution))

    async def _in_turn(self, kind: Kind, request: Request, compute: Callable[[], Result]) -> Result:
        return await self.queue.run(kind, caller_of(key_of(request)), lambda: run_in_threadpool(compute))

    def _adapt_to(self, body: Support, institution: str) -> Adapted:
        load_prior(self.library, institution)  # without one, nothing is stored
        examples = [Demonstration(institution, one.input, one.output, one.id, one.metadata) for one in body.examples]
        self.library.embed_anew(examples)
        added = self.library.add(examples)
        if body.answers:
            self.library.list_answers(institution, body.answers)
        state, posterior = self.selector.of(institution, new=True).current()
        save_posterior(self.library, posterior)
        self.metrics.labels.labels(institution).inc(added.stored)
        return _adapted(posterior, state.pool.institutions, added)

    def _record_feedback(self, body: Judged, institution: str) -> Kept:
        known = self.library.outcomes.by_id([body.run_id]).get(body.run_id)
        if known is None or known.institution != institution:
            raise NotFoundError(f"no answer of {institution!r} has the run_id {body.run_id!r}; it is in its metadata")
        self.library.embed_anew([Demonstration(institution, known.input, body.correction or "a score")])
        kept = self.library.record_feedback(body.run_id, body.score, correction=body.correction)
        kind = "score" if body.correction is None else "correction"
        self.metrics.feedback.labels(institution, kind).inc()
        return Kept(run_id=body.run_id, score=kept.score, correction=kept.correction)

    def _suggest(self, body: Unlabelled, institution: str) -> Suggestions:
        state, posterior = self.selector.of(institution).current()
        found = suggest_labels(self.library, posterior, body.texts, body.budget, state=state)
        return Suggestions(
            suggestions=[Suggested(input=one.text, removes=one.gain, reason=one.reason) for one in found]
        )

    def _explain(self, body: Asked, institution: str, *, with_texts: bool) -> Explained:
        selection = self.selector.of(institution).select(body.input, body.k)
        why = [
            _why(one, with_texts=with_texts or one.demonstration.institution == institution) for one in selection.chosen
        ]
        return Explained(
            selection_id=selection.id, institution=institution, method=selection.method, demonstrations=why
        )

    def _institutions(self, institution: str) -> Institutions:
        names = [institution] if institution else self.library.institutions()
        return Institutions(institutions=[_institution(self.library, self.selector, name) for name in names])


def _at_most(most: int, got: int, what: str) -> None:
    if got > most:
        raise HTTPException(413, f"at most {most} {what} are taken at once, got {got}; send the rest later")


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
    return Why(**described(one) | ({} if with_texts else {"input": None, "output": None}))


def _institution(library: Library, selector: LibraryExampleSelector, name: str) -> Institution:
    known = selector.of(name).posterior()
    allowed = library.sharing.usable_by(name).demonstrations
    return Institution(
        institution=name,
        labels=known.labels,
        scored=known.scored,
        method=known.method,
        past=[one for one in known.prior.institutions if one in allowed and one != name],
    )
