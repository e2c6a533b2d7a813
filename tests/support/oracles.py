# Longer than 300 lines: one independent re-computation of the whole method, which is read from top to bottom.
"""Small data, and slow and obvious re-computations of the learner's formulas.

All oracles are plain loops over lists and dictionaries, written from the formulas, without the learner's code.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from math import exp, log, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.learning.answer_fits import TEXT_TEMPERATURE, UNLISTED
from metachain.learning.gaussian_process import NOISE, Settings
from metachain.learning.index import InstitutionIndex, Neighbours
from metachain.learning.pool import Pool, make_pool
from metachain.learning.reply_profile import Profile, reply_profile
from metachain.learning.transfer import SHARING_FLOOR, SHARING_WEIGHT
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.normal_form import normal_form

briefly = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
rarely = settings(briefly, max_examples=5)
SNARES = ["{input}", "{output}", "{", "}", "{{", "}}", "{0}", "{input!r}", "{{input}}", '{"icd": "I10"}', "%s", "$x"]
SNARES += [r"\frac{a}{b}", "{% if %}", "{{#input}}", "\n", "human: ", "ai: ", "🩻", "مرحبا"]
SIMPLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
TEXTS = st.lists(st.sampled_from(SNARES) | SIMPLE, min_size=1, max_size=4).map("".join).filter(normal_form)
"""Texts that break template languages."""
STORABLE = TEXTS.filter(lambda text: "\0" not in text)
"""Such texts that a library accepts."""
SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = st.builds(
    Settings,
    belief=st.sampled_from([0.0, 0.3, 1.0]),
    scale=st.floats(0, 2),
    slip=st.sampled_from([0.05, 0.2]),
    intercept=st.sampled_from([0.0, 0.4, 1.0]),
    usage=st.sampled_from([0.0, 0.3, 1.0]),
    vote=st.sampled_from([0.0, 0.2, 1.0]),
    lift=st.sampled_from([0.0, 0.5, 1.0]),
    coverage=st.sampled_from([None, 0.2, 0.05]),
)

ITEMS = ("xray chest", "xray knee", "mri brain", "mri spine", "blood panel", "blood count", "visit short", "visit long")
HANDS = ("nurse amsel", "doctor birkenfeld", "sister distel", "erlach", "for dr fichte", "mx ginster")
PLACES = ("ward a", "ward b", "clinic north", "clinic south", "night shift", "day unit")


class BagOfWords:
    """A tiny encoder: each word has a direction, and a text is the sum of its words."""

    fingerprint = "bag-of-words/1"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 24) rows of unit length."""
        sums = [np.sum([_direction(word) for word in text.split()], axis=0) for text in texts]
        return np.array([one / np.linalg.norm(one) for one in sums], np.float32).reshape(-1, 24)


def _direction(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=24)


def hospitals(count: int = 5, each: int = 20, seed: int = 0, systems: int = 2) -> list[Demonstration]:
    """Make ``count`` hospitals of ``systems`` health systems; the systems differ in the codes of half of the items.

    Texts are distinct within a hospital; ids don't depend on the outputs.
    """
    rng = np.random.default_rng(seed)
    texts = [f"{item} {place}" for item in ITEMS for place in PLACES]
    made = []
    for number in range(count):
        system = number % systems
        for place in rng.permutation(len(texts))[:each]:
            item = int(place) // len(PLACES)
            output = f"code {item}" if item % 2 else f"code {item} of system {system}"
            metadata = {"group": f"system {system}"}
            made.append(Demonstration(f"hospital {number}", texts[place], output, f"id {place}", metadata))
    return made


def note_writers(count: int = 4, each: int = 20, seed: int = 0) -> list[Demonstration]:
    """Make ``count`` hospitals of two systems that answer with texts in the system's phrases and their own signature.

    No two answers are the same, so only their similarity can be learned from.
    """
    styles = ("please book {} and call the ward back", "report: {} is unremarkable, no further imaging advised")
    made = []
    for one in hospitals(count, each, seed):
        number = int(one.institution.split()[-1])
        made.append(replace(one, output=f"{styles[number % 2].format(one.input)}, {HANDS[number]}"))
    return made


def scrambled(demonstrations: Sequence[Demonstration], institution: str, seed: int = 0) -> list[Demonstration]:
    """Permute one institution's answers among its texts."""
    own = [one.output for one in demonstrations if one.institution == institution]
    mixed = iter(np.random.default_rng(seed).permutation(own).tolist())
    return [replace(one, output=next(mixed)) if one.institution == institution else one for one in demonstrations]


def filled(place: str | Path, demonstrations: Sequence[Demonstration]) -> Library:
    """Make a library at ``place`` with the demonstrations and the tiny encoder."""
    library = Library.open(place, BagOfWords())
    library.add(demonstrations, share=EVERYONE)
    return library


def unit_vectors(seed: int, n: int, d: int = 5) -> NDArray[np.float32]:
    """Random unit rows (n, d) with positive coordinates, so that similarities are positive, as mostly for texts."""
    rows = np.abs(np.random.default_rng(seed).normal(size=(n, d))) + 0.1
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def random_pool(seed: int, sizes: Sequence[int], answers: int = 4) -> Pool:
    """Make an institution for each size, with random vectors and random answers."""
    rng = np.random.default_rng(seed)
    made = [
        Demonstration(f"h{number}", f"text {row}", f"answer {rng.integers(answers)}", f"id {row:03}")
        for number, size in enumerate(sizes)
        for row in range(size)
    ]
    return make_pool(made, unit_vectors(seed, len(made)), [f"answer {number}" for number in range(answers)])


def random_profile(
    seed: int, pool: Pool, n: int, r: int = 8, meaning: NDArray[np.float32] | None = None
) -> tuple[Profile, "list[Replies]"]:
    """Reply profiles of random texts from a pool, with random lifts, by the implementation and by the oracle."""
    near = InstitutionIndex(pool).nearest(unit_vectors(seed + 1, n), r)
    profile, told = reply_profile(near, pool.answer, len(pool.answers), meaning), replies(near, pool.answer, meaning)
    if meaning is not None:
        return profile, told
    lift = np.random.default_rng(seed).uniform(0.1, 2.0, (n, len(pool.answers)))
    return replace(profile, lift=lift), with_lifts(told, lift.tolist())


def random_meaning(seed: int, answers: int = 4, d: int = 3) -> NDArray[np.float32]:
    """Random unit vectors (C, d) of answers that are texts, in all directions."""
    rows = np.random.default_rng(seed).normal(size=(answers, d))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def every_answer(profile: Profile) -> NDArray[np.int64]:
    """All answer numbers for each text of a profile; (n, C)."""
    return np.array([range(profile.answers) for _ in profile.coverage], np.int64).reshape(-1, profile.answers)


def random_answers(seed: int, pool: Pool, n: int) -> NDArray[np.int64]:
    """Random answer numbers (n,)."""
    return np.random.default_rng(seed).integers(len(pool.answers), size=n)


class Replies(NamedTuple):
    """Reply profile of one text: the answers of each institution's nearest demonstrations."""

    shares: list[dict[int, float]]
    coverage: list[float]
    vote: dict[int, float]
    """Weights of the answers of the 8 nearest of all institutions."""
    meaning: NDArray[np.float32] | None
    """(C, d) unit vectors of the answers if they are texts."""
    lift: list[float] | None = None
    """Lift of each answer by the pooled regression, if the settings use one."""


def softmax(values: Sequence[float]) -> list[float]:
    """``exp(v) / Σ exp(v)``."""
    powers = [exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def replies(near: Neighbours, answer: NDArray[np.int64], meaning: NDArray[np.float32] | None = None) -> list[Replies]:
    """Step A for every text."""
    told = []
    for rows_of_text, similarity_of_text in zip(near.rows.tolist(), near.similarity.tolist(), strict=True):
        shares, coverage, everybody = [], [], []
        for rows, similarity in zip(rows_of_text, similarity_of_text, strict=True):
            known = [(row, h) for row, h in zip(rows, similarity, strict=True) if row >= 0]
            weights = softmax([h / 0.06 for _, h in known])
            share: dict[int, float] = {}
            for (row, _), weight in zip(known, weights, strict=True):
                share[int(answer[row])] = share.get(int(answer[row]), 0.0) + weight
            shares.append(share)
            coverage.append(max(h for _, h in known))
            everybody += known
        told.append(Replies(shares, coverage, neighbour_vote(everybody, answer), meaning))
    return told


def with_lifts(told: Sequence[Replies], lifts: Sequence[list[float]]) -> list[Replies]:
    """Add each text's lifts to its replies."""
    return [text._replace(lift=lift) for text, lift in zip(told, lifts, strict=True)]


def lifts(pool: Pool, institutions: Sequence[int], vectors: NDArray[np.float32]) -> list[list[float]]:
    """Lift of every answer to n texts by one ridge regression on all demonstrations of some institutions."""
    rows = [row for row in range(len(pool.answer)) if int(pool.owner[row]) in [int(one) for one in institutions]]
    x, y = pool.vectors[rows].astype(float), np.eye(len(pool.answers))[pool.answer[rows]]
    weights = np.linalg.inv(x.T @ x + np.eye(x.shape[1])) @ x.T @ y
    every, told = range(len(pool.answers)), np.maximum(vectors.astype(float) @ weights, 0.0)
    kin = [[other for other in every if other == one or are_kin(pool, one, other)] for one in every]
    exponent = 0.8 if any(len(some) > 1 for some in kin) else 0.0

    def quotient(shares: NDArray[np.float64], some: list[int]) -> float:
        return float((shares[some].sum() + 0.02) / (y[:, some].mean(axis=0).sum() + 0.001) ** 0.4)

    return [[quotient(one, [at]) * quotient(one, kin[at]) ** exponent for at in every] for one in told]


def are_kin(pool: Pool, one: int, other: int) -> bool:
    """True where two answers are codes that differ after all but the last character of the shorter."""
    first, second = (re.sub("[^a-z0-9]", "", pool.answers[at].lower()) for at in (one, other))
    codes = all(len(code) > 2 and any(map(str.isdigit, code)) for code in (first, second))
    blank = any(" " in pool.answers[at] for at in (one, other))
    return (
        codes and not blank and first[: min(len(first), len(second)) - 1] == second[: min(len(first), len(second)) - 1]
    )


def neighbour_vote(known: Sequence[tuple[int, float]], answer: NDArray[np.int64]) -> dict[int, float]:
    """Weights ``exp(h / 0.2)`` of the 8 nearest (row, h) by answer, normalised; of ties the earlier is nearer."""
    nearest = sorted(known, key=lambda pair: -pair[1])[:8]
    vote: dict[int, float] = {}
    for (row, _), weight in zip(nearest, softmax([h / 0.2 for _, h in nearest]), strict=True):
        vote[int(answer[row])] = vote.get(int(answer[row]), 0.0) + weight
    return vote


def attention(text: Replies, log_weights: Sequence[float] | None = None, temperature: float = 0.15) -> list[float]:
    """``softmax_s(cov_s / 0.15 + ℓ_s)``."""
    added = log_weights if log_weights is not None else [0.0] * len(text.coverage)
    return softmax([cov / temperature + more for cov, more in zip(text.coverage, added, strict=True)])


def cosine(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Cosine of two vectors, 0 if one is zero."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0


def mean_meaning(weights: dict[int, float], meaning: NDArray[np.float32]) -> NDArray[np.floating]:
    """``Σ_y w_y φ(y)``, in double precision."""
    rows = meaning.astype(np.float64)
    total: NDArray[np.floating] = sum((w * rows[y] for y, w in weights.items()), np.zeros(rows.shape[1]))
    return total


def share(text: Replies, s: int, answer: int) -> float:
    """Share of an answer in one institution's reply; replies that are texts count by their cosine to it."""
    if text.meaning is None:
        return text.shares[s].get(answer, 0.0)
    return sum(g * max(0.0, cosine(text.meaning[y], text.meaning[answer])) for y, g in text.shares[s].items())


def kinship(one: Replies, other: Replies) -> float:
    """Step C: κ of two texts."""
    total = 0.0
    heard, heard_too = attention(one), attention(other)
    for s in range(len(one.shares)):
        if one.meaning is not None:
            mean, mean_too = mean_meaning(one.shares[s], one.meaning), mean_meaning(other.shares[s], one.meaning)
            total += sqrt(heard[s] * heard_too[s]) * cosine(mean, mean_too)
            continue
        for y in one.shares[s]:
            if y in other.shares[s]:
                total += sqrt(heard[s] * one.shares[s][y]) * sqrt(heard_too[s] * other.shares[s][y])
    return total


def kernel(texts: Sequence[Replies], others: Sequence[Replies]) -> NDArray[np.float64]:
    """κ of all pairs; (n, k)."""
    return np.array([[kinship(one, other) for other in others] for one in texts]).reshape(len(texts), len(others))


def consensus(text: Replies, weights: Sequence[float], answers: int) -> list[float]:
    """``Σ_s π_s g_s(·)``."""
    return [sum(weights[s] * text.shares[s].get(y, 0.0) for s in range(len(weights))) for y in range(answers)]


def evidence(text: Replies, answer: int, slip: float) -> list[float]:
    """Evidence of one label for each institution."""
    return [
        exp((cov - 1) / 0.5) * log(slip + (1 - slip) * share(text, s, answer)) for s, cov in enumerate(text.coverage)
    ]


def sharing(pool: Pool, institutions: Sequence[int], listed: set[str]) -> list[float]:
    """``4 log(|given and listed| / √(|given| |listed|) + 0.01)`` for each of some institutions."""
    weights = []
    for number in institutions:
        name = pool.institutions[number]
        given = {one.output for one in pool.demonstrations if one.institution == name}
        weights.append(SHARING_WEIGHT * log(len(given & listed) / sqrt(len(given) * len(listed)) + SHARING_FLOOR))
    return weights


class Known(NamedTuple):
    """Labels of a new institution, and the prior's settings."""

    labels: list[Replies]
    given: list[int]
    standing: list[float]
    settings: Settings
    listed: list[bool] | None = None
    """(C,) True for answers on the institution's list."""


def prior_mean(text: Replies, known: Known, answers: int, without: int | None = None) -> list[float]:
    """Steps D and E for one text; the label ``without`` is left out."""
    log_weights = list(known.standing)
    for i, label in enumerate(known.labels):
        if i == without:
            continue
        spoken = evidence(label, known.given[i], known.settings.slip)
        for s in range(len(log_weights)):
            log_weights[s] += 2 * known.settings.belief * kinship(text, label) * spoken[s]
    usual = 0.15 if known.labels else 0.1
    return consensus(text, attention(text, log_weights, known.settings.coverage or usual), answers)


def posterior_mean(text: Replies, known: Known, answers: int) -> list[float]:
    """Step F for one text: the posterior mean of every answer, for labels and for texts."""
    mean = prior_mean(text, known, answers)
    if not known.labels:
        return mean
    residuals = []
    for i, label in enumerate(known.labels):
        told = prior_mean(label, known, answers, without=i)
        residuals.append([(1.0 if y == known.given[i] else 0.0) - told[y] for y in range(answers)])
    k, c, c0 = len(known.labels), known.settings.scale, known.settings.intercept
    own = [[c * (kinship(one, other) + c0) for other in known.labels] for one in known.labels]
    weights = np.linalg.inv(np.array(own) + NOISE * np.eye(k)) @ np.array(residuals)
    near = [c * (kinship(text, label) + c0) for label in known.labels]
    return [mean[y] + sum(near[i] * weights[i][y] for i in range(k)) for y in range(answers)]


def expectation(text: Replies, known: Known, answers: int) -> list[float]:
    """``V(x, ·)`` of one text; if answers are texts, the vector ``Σ_y V(x, y) φ(y)``, mixed after learning."""
    expected = posterior_mean(text, known, answers)
    return expected if text.meaning is None else mean_meaning(dict(enumerate(expected)), text.meaning).tolist()


def fits(text: Replies, known: Known, answers: int) -> list[float]:
    """``max(V, 0.001) · ((n_y + 0.5) / (e_y + 0.5))^u · (v + 0.02)^w · lift^z`` for every answer to one text.

    An answer that is not on a known list counts a ten-thousandth. Answers that are texts fit by their cosine to the
    expected mean: ``exp(cos / 0.6)``.
    """
    expected, scored = expectation(text, known, answers), []
    if text.meaning is not None:
        mean = np.array(expected)
        return [exp(cosine(mean, text.meaning[y]) / TEXT_TEMPERATURE) for y in range(answers)]
    told = [consensus(label, attention(label, known.standing), answers) for label in known.labels]
    for y in range(answers):
        used = (known.given.count(y) + 0.5) / (sum(label[y] for label in told) + 0.5)
        voted = text.vote.get(y, 0.0) + 0.02
        known_answer = known.listed is None or known.listed[y]
        product = max(expected[y], 0.001) * used**known.settings.usage * voted**known.settings.vote
        if known.settings.lift:
            assert text.lift is not None
            product *= text.lift[y] ** known.settings.lift
        scored.append(product if known_answer else product * UNLISTED)
    return scored


def vote(similarity: Sequence[float], answers: Sequence[int], temperature: float = 0.2) -> int:
    """The answer with most weight; of ties the later shown; -1 if nothing is shown."""
    weight: dict[int, float] = {}
    for h, y in zip(similarity, answers, strict=True):
        if y >= 0:
            weight[y] = weight.get(y, 0.0) + exp((h - 1) / temperature)
    best = -1
    for y in answers:
        if y >= 0 and (best < 0 or weight[y] >= weight[best] - 1e-12):
            best = y
    return best


def plausible(fits: list[float], answers: list[int]) -> list[float]:
    """``p(y | x)`` in proportion to the fits (C,), normalised over the distinct answers of the candidates (m,)."""
    mass = {y: fits[y] for y in answers if y >= 0}
    return [mass[y] / sum(mass.values()) if y >= 0 else 0.0 for y in answers]


def choice(similarity: list[float], plausibility: list[float], answers: list[int], k: int) -> list[int]:
    """Step G for one text with labels: a place at a time for the answer with the largest ``p / (1 + 2 attention)``.

    Places in order of p, then of similarity; -1 where the likeliest answer would be next and has no candidate left. An
    alternative gets none with which it had more attention than the likeliest has by then, or as many demonstrations
    (but for one beside a single one), nor one with more attention than the likeliest can ever get.
    """
    attended = [exp((h - max([-1.0, *similarity])) / 0.2) for h in similarity]
    nearest = sorted((c for c, p in enumerate(plausibility) if p > 0), key=lambda c: -similarity[c])
    paid, given = dict.fromkeys(answers, 0.0), []
    standard = min(nearest, key=lambda c: (-plausibility[c], answers[c]), default=None)
    first = None if standard is None else answers[standard]
    supply = sum(attended[c] for c in nearest if answers[c] == first)
    single = sum(answers[c] == first for c in nearest) == 1
    nearest = [c for c in nearest if answers[c] == first or attended[c] <= supply]

    def waits(c: int) -> bool:
        if answers[c] == first:
            return False
        own, ours = (sum(answers[one] == y for one in given) for y in (answers[c], first))
        behind = own + 1 >= ours and not (single and own == 0 and ours == 1)
        return behind or paid[answers[c]] + attended[c] > paid[first] + 1e-9

    def quotient(c: int) -> float:
        return plausibility[c] / (1 + 2 * paid[answers[c]])

    while nearest and len(given) < k:
        next_ones = [next(c for c in nearest if answers[c] == y) for y in {answers[c] for c in nearest}]
        best = max((c for c in next_ones if not waits(c)), key=lambda c: (quotient(c), -nearest.index(c)), default=None)
        if best is None or quotient(best) < quotient(standard) - 1e-9:
            break
        given.append(best)
        nearest.remove(best)
        paid[answers[best]] += attended[best]
    given.sort(key=lambda c: (-plausibility[c], answers[c], -similarity[c]))
    return given + [-1] * (min(k, len(answers)) - len(given))


def choice_of_texts(
    similarity: list[float], plausibility: list[float], meaning: NDArray[np.float32], k: int
) -> list[int]:
    """Step G for one text whose candidates' answers are texts with unit vectors ``meaning`` (m, d)."""
    best = max([*plausibility, 1e-300])
    weight = [
        (p / best) ** 10 * exp((h - max(similarity)) / 0.1) for h, p in zip(similarity, plausibility, strict=True)
    ]
    likely = sorted(range(len(weight)), key=lambda c: -weight[c])[: 8 * k]
    attended = {c: exp((similarity[c] - max(similarity[one] for one in likely)) / 0.2) for c in likely}
    given: list[int] = []
    for _ in range(min(k, len(likely))):
        paid = {c: sum(attended[j] * cosine(meaning[c], meaning[j]) ** 2 for j in given) for c in likely}
        given.append(max((c for c in likely if c not in given), key=lambda c: weight[c] / (1 + 2 * paid[c])))
    return sorted((c for c in given if weight[c] > 0), key=lambda c: -weight[c])


class Rule(NamedTuple):
    """One sharing rule in plain types."""

    use: str
    kind: str
    names: tuple[str, ...]
    purposes: tuple[str, ...]
    until: str | None
    """End of the rule, in the format of ``Sharing.now``."""


def permitted(
    rules: dict[str, list[Rule]], groups: dict[str, list[str]], asker: str, purpose: str, moment: str
) -> tuple[set[str], set[str]]:
    """Institutions that share demonstrations with ``asker``, and those that its prior may learn from."""
    shown, learned = set(), set()
    for institution, allowed in rules.items():
        for rule in allowed:
            if rule.until is not None and moment >= rule.until:
                continue
            if rule.purposes and purpose not in rule.purposes:
                continue
            meant = rule.kind == "everyone" or (rule.kind == "institution" and asker in rule.names)
            for name in rule.names if rule.kind == "group" else ():
                meant = meant or asker in groups.get(name, [])
            if meant:
                learned.add(institution)
            if meant and rule.use == "demonstrations":
                shown.add(institution)
    return shown, learned
