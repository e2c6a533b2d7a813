"""Routes of an institution: adaptation, feedback, label suggestions, and explained selections."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import TypeVar

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from metachain.chains.service.bodies import (
    LEANS_ON,
    Adapted,
    Asked,
    Changed,
    Conflicting,
    Explained,
    Institution,
    Institutions,
    Judged,
    Kept,
    Leaning,
    Suggested,
    Suggestions,
    Support,
    Unlabelled,
    Why,
)
from metachain.chains.service.callers import caller_of, key_of, target_institution
from metachain.chains.service.fair_queue import FairQueue, Kind
from metachain.chains.service.limits import Limits
from metachain.chains.service.metrics import Metrics
from metachain.chains.service.problems import documented
from metachain.chains.service.strict_json import strict_route
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import same_text
from metachain.errors import NotFoundError
from metachain.learning.active_learning import suggest_labels
from metachain.learning.artifacts import load_prior, save_posterior
from metachain.learning.changes import Change, describe_change
from metachain.learning.gaussian_process import institution_shares
from metachain.learning.own_labels import Conflict, conflicts
from metachain.learning.posterior import Posterior
from metachain.library.caller import caller
from metachain.library.library import Added, Library
from metachain.normal_form import normal_form
from metachain.retrievers.explaining_selector import described
from metachain.retrievers.library_example_selector import LibraryExampleSelector
from metachain.selection.selection import Chosen

__all__ = ["tenant_routes"]

REFUSALS = documented(401, 403, 404, 413, 415, 422, 429, 500, 503, 504)
ADAPT, FEEDBACK, LABEL, EXPLAIN = map(target_institution, ("adapt", "feedback", "label", "explain"))
READ = target_institution("read", required=False)
Result = TypeVar("Result")


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
        quoting = key_of(request).allows("texts")
        _at_most(self.limits.texts, len(body.texts), "texts")
        with self.queue.taking(caller_of(key_of(request)), texts=len(body.texts)):
            return await self._in_turn("label", request, lambda: self._suggest(body, institution, quoting=quoting))

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
        self._check_room(len(examples))
        if body.answers and not body.force:
            self.library.check_answers(institution, body.answers, [one.output for one in examples])
        self.library.embed_anew(examples)
        added = self.library.add(examples, origin="adapted", anew=True)
        if body.answers:
            self.library.list_answers(institution, body.answers, force=True)
        state, posterior = self.selector.of(institution, new=True).current()
        save_posterior(self.library, posterior)
        detail = {"stored": added.stored, "duplicates": added.duplicates, "answers": len(body.answers)}
        self.library.audit.note("adapt", institution, detail)
        self.metrics.labels.labels(institution).inc(added.stored)
        self.metrics.changes.labels(institution).set(sum(one.sure for one in posterior.changes))
        asked = {same_text(one.input) for one in examples}
        found = [one for one in conflicts(self.library, institution) if same_text(one.newest.input) in asked]
        return _adapted(posterior, state.pool.institutions, added, found)

    def _record_feedback(self, body: Judged, institution: str) -> Kept:
        known = self.library.outcomes.by_id([body.run_id]).get(normal_form(body.run_id))
        if known is None or known.institution != institution:
            raise NotFoundError(f"no answer of {institution!r} has the run_id {body.run_id!r}; it is in its metadata")
        self._check_room(0 if body.correction is None else 1)
        corrected = [] if body.correction is None else [Demonstration(institution, known.input, body.correction)]
        self.library.embed_anew(corrected, [known.input])
        kept = self.library.record_feedback(body.run_id, body.score, correction=body.correction)
        kind = "score" if body.correction is None else "correction"
        self.metrics.feedback.labels(institution, kind).inc()
        return Kept(run_id=body.run_id, score=kept.score, correction=kept.correction)

    def _check_room(self, more: int) -> None:
        """Raise HTTPException 403 where so many more examples of the caller's key may not wait for a review."""
        key = caller().key
        if key and more and self.library.review.count(key) + more > self.limits.unreviewed:
            raise HTTPException(
                403,
                f"{self.limits.unreviewed} examples of this key may wait for a review; let the library's keeper "
                "release or refuse some: metachain review",
            )

    def _suggest(self, body: Unlabelled, institution: str, *, quoting: bool) -> Suggestions:
        end = monotonic() + self.limits.seconds

        def in_time(*_: object) -> None:
            if monotonic() > end:  # the request has been answered already
                raise HTTPException(504, "the suggestions took too long; ask for fewer, or of fewer texts")

        state, posterior = self.selector.of(institution).current()
        found = suggest_labels(
            self.library, posterior, body.texts, body.budget, progress=in_time, state=state, quoting=quoting
        )
        self.library.audit.note("label", institution, {"texts": len(body.texts), "suggested": len(found)})
        return Suggestions(
            suggestions=[Suggested(input=one.text, removes=one.gain, reason=one.reason) for one in found]
        )

    def _explain(self, body: Asked, institution: str, *, with_texts: bool) -> Explained:
        selection = self.selector.of(institution).select(body.input, body.k)
        why = [self._why(one, institution, with_texts=with_texts) for one in selection.chosen]
        return Explained(
            selection_id=selection.id, institution=institution, method=selection.method, demonstrations=why
        )

    def _why(self, one: Chosen, institution: str, *, with_texts: bool) -> Why:
        """Describe a demonstration; another institution's has an opaque id, and without the scope no text."""
        told, owner = described(one), one.demonstration.institution
        if owner != institution:
            told["id"] = self.library.opaque_ids.of(owner, one.demonstration.id)
            if not with_texts:
                told |= {"input": None, "output": None, "reason": one.reason.removesuffix(one.comparison)}
        return Why(**told)

    def _institutions(self, institution: str) -> Institutions:
        names = [institution] if institution else self.library.institutions()
        return Institutions(institutions=[_institution(self.library, self.selector, name) for name in names])


def _at_most(most: int, got: int, what: str) -> None:
    if got > most:
        raise HTTPException(413, f"at most {most} {what} are taken at once, got {got}; send the rest later")


def _adapted(posterior: Posterior, past: Sequence[str], added: Added, found: Sequence[Conflict]) -> Adapted:
    shares = institution_shares(posterior.fit)
    most = sorted(zip(shares.tolist(), past, strict=True), key=lambda one: (-one[0], one[1]))[:LEANS_ON]
    return Adapted(
        institution=posterior.institution,
        stored=added.stored,
        duplicates=added.duplicates,
        labels=posterior.labels,
        scored=posterior.scored,
        method=posterior.method,
        conflicts=[_conflicting(one) for one in found],
        changes=[_changed(one) for one in posterior.changes],
        leans_on=[Leaning(institution=name, weight=share) for share, name in most],
    )


def _conflicting(one: Conflict) -> Conflicting:
    others = list(dict.fromkeys(other.output for other in one.others))
    return Conflicting(input=one.newest.input, output=one.newest.output, others=others)


def _changed(one: Change) -> Changed:
    values = {name: value for name, value in asdict(one).items() if name != "evidence"}
    return Changed(told=describe_change(one), **values)


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
