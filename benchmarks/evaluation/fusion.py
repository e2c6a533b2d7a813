"""A language model's label scores, the posterior, and their fusion, on hospitals that took no part in learning it.

    python -m benchmarks.evaluation.fusion DATA.jsonl --model local --queries 3 [--labels 0,4,16] [--json FILE]

Each hospital's whole group is held out. A selector chooses the demonstrations, and the model writes an answer, and
scores the labels that a chain with a fusion allows (those shown, the hospital's own and the posterior's ten most
probable), also after a query without content. The fusions' weights are learned on the development hospitals; the table
has the others. Differences are means over hospitals, with paired 95 % bootstrap intervals. All that a model says
is kept in the cache at once, so the same command continues after an interruption.
"""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from benchmarks.common.hospital_split import development_hospitals
from metachain.chains.classification import classify
from metachain.chains.label_scores import scoring_model, without_content
from metachain.chains.model_answerer import load_countable, messages_of
from metachain.data.jsonl import read_demonstrations
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.bootstrap import mean_interval
from metachain.evaluation.holdout import held_out_together, pasts_of
from metachain.evaluation.plan import selectors_named
from metachain.evaluation.runner import SharedMeasurements
from metachain.evaluation.scorers import ShownPrompt, prompts_of
from metachain.evaluation.selectors import HeldOutQueries, Trial
from metachain.files import write_text
from metachain.learning.candidates import episode_fit, episode_profiles, plausibility
from metachain.learning.episodes import Episode, split
from metachain.learning.gaussian_process import PLAIN
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.library.answer_cache import AnswerCache
from metachain.library.embedding_cache import cached_vectors
from metachain.selection.fusion import FusionTrial, WordTrial, fusible_labels, learn_fusion, log_posterior
from metachain.selection.selection import AnswerProbability

SHOTS, STREAM, SEED = 8, 4000, 0
ANSWER_TOKENS = 16
GENERATED, POSTERIOR = "generated", "posterior alone"
BASES = (GENERATED, POSTERIOR)


@dataclass(frozen=True)
class Question:
    """One query of a held-out hospital, with its prompt, the posterior's answers and the labels to be scored."""

    hospital: str
    labels: int
    prompt: ShownPrompt
    own: tuple[str, ...]
    """Outputs of the hospital's labels."""
    answers: tuple[AnswerProbability, ...]
    """Most probable first."""
    truth: str

    @property
    def shown(self) -> tuple[str, ...]:
        """Labels shown."""
        return tuple(sorted({output for _, output in self.prompt[0]}))

    @property
    def allowed(self) -> tuple[str, ...]:
        """Labels that a chain with a fusion allows."""
        return tuple(fusible_labels([*self.shown, *self.own], self.answers))


@dataclass(frozen=True)
class Told:
    """Everything that a model says to one question."""

    words: str
    scores: tuple[float, ...]
    """Log-probability of each allowed label."""
    without_content: tuple[float, ...]
    """The same for a query without content."""

    @property
    def calibrated(self) -> tuple[float, ...]:
        """Scores less those for a query without content."""
        return tuple(np.subtract(self.scores, self.without_content).tolist())


def posterior_answers(trial):
    """Answers of the candidates for each query, with calibrated probabilities, most probable first."""
    known, episode = trial.knowledge, trial.episode
    profiles = episode_profiles(known.table, episode)
    fitted = episode_fit(known.table, episode, profiles, known.log_weights, known.lesson.settings or PLAIN)
    probability = plausibility(trial.candidates, fitted, profiles.query)
    calibrated = known.lesson.calibration(episode.labels).of(probability)
    names = known.table.pool.answers
    for numbers, values in zip(trial.candidates.answer.tolist(), calibrated.tolist(), strict=True):
        by_answer = {number: value for number, value in zip(numbers, values, strict=True) if number >= 0}
        best = sorted(by_answer.items(), key=lambda one: -one[1])
        yield tuple(AnswerProbability(names[number], value) for number, value in best)


def questions_of(known, target, selector, counts, queries):
    """Questions of one hospital, for each number of labels."""
    pool = known.table.pool
    support, query = split(pool, target, max(counts), queries, STREAM, SEED)
    held_out = HeldOutQueries(known, Episode(target, len(support), support, query, known.past))
    select = selectors_named([selector])[selector]
    for count in counts:
        trial = Trial(held_out, held_out.episode.taught(count), SHOTS, np.random.default_rng(SEED))
        own = tuple(pool.demonstrations[row].output for row in support[:count])
        prompts = prompts_of(pool, query, select(trial))
        for row, prompt, answers in zip(query, prompts, posterior_answers(trial), strict=True):
            yield Question(pool.institutions[target], count, prompt, own, answers, pool.demonstrations[row].output)


def all_questions(demonstrations, vectors, settings):
    """Questions of all hospitals."""
    pool = make_pool(demonstrations, hybrid_vectors(vectors, lexical_vectors([one.input for one in demonstrations])))
    pasts = pasts_of(demonstrations, held_out_together(demonstrations, "group"), None)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    found = []
    for target, past in enumerate(pasts):
        found += questions_of(bench.knowledge(past), target, settings.selector, settings.labels, settings.queries)
        print(f"selected for {target + 1} of {len(pasts)}", file=sys.stderr, flush=True)
    return found


def told(model, name, question, cache, instructions):
    """Everything that the model says to a question; from the cache, if it has been asked before."""
    key = sha256(json.dumps([name, instructions, *question.prompt, "fusion", question.allowed]).encode()).hexdigest()
    known = cache.by_key([key])
    if not known:
        messages = messages_of(question.prompt, instructions)
        words = str(model.invoke(messages).text)
        prompts = [messages, without_content(messages)]
        scores = [one.tolist() for one in model.label_log_probabilities(prompts, [question.allowed] * 2)]
        known = {key: json.dumps([words, *scores])}
        cache.keep(key, known[key])
    words, *scores = json.loads(known[key])
    return Told(words, *map(tuple, scores))


def trials(asked, scores_of):
    """Trials of questions that a model was asked, with its scores as ``scores_of`` gives them; and those in words."""
    scored = [
        FusionTrial(q.allowed, tuple(log_posterior(q.allowed, q.answers)), scores_of(said), q.truth)
        for q, said in asked
    ]
    return scored, [WordTrial(q.answers, word(q, said), q.truth) for q, said in asked]


def word(question, said):
    """The model's answer in words, as the classification chain reads it."""
    found = classify(said.words, question.allowed)
    return found.answer if found.label is None else found.label


def best(labels, scores, among=None):
    """Label with the highest score, of all or of those ``among``."""
    ranked = sorted(zip(scores, labels, strict=True), key=lambda one: -one[0])
    return next((label for _, label in ranked if among is None or label in among), "")


def answers_by_method(question, said, fusion, fusion_calibrated):
    """The answer of each method to one question."""
    labels, log_p = question.allowed, log_posterior(question.allowed, question.answers)

    def fused(weights, scores):
        return best(labels, weights.probabilities(log_p, np.array(scores)))

    return {
        GENERATED: word(question, said),
        "scored, labels shown": best(labels, said.scores, question.shown) or word(question, said),
        "scored, labels allowed": best(labels, said.scores),
        "scored and calibrated": best(labels, said.calibrated),
        POSTERIOR: question.answers[0].answer,
        "fused, scored": fused(fusion, said.scores),
        "fused, scored and calibrated": fused(fusion_calibrated, said.calibrated),
        "fused, words": fusion.worded(word(question, said), question.answers),
    }


def accuracies(asked, fusion, fusion_calibrated):
    """Share of right answers by number of labels, method and hospital."""
    right = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for question, said in asked:
        for method, answer in answers_by_method(question, said, fusion, fusion_calibrated).items():
            right[question.labels][method][question.hospital].append(answer == question.truth)
    return {
        count: {method: np.array([np.mean(some) for some in one.values()]) for method, one in methods.items()}
        for count, methods in right.items()
    }


def rows_of(found):
    """One row for each number of labels and method: its mean, and its lead over the two parts, with intervals."""
    return [
        {
            "labels": count,
            "method": method,
            "mean": float(own.mean()),
            **{f"over {base}": [float((own - some[base]).mean()), *mean_interval(own - some[base])] for base in BASES},
        }
        for count, some in found.items()
        for method, own in some.items()
    ]


def print_rows(rows, hospitals):
    """Print the table."""
    print(f"\n{hospitals} test hospitals\n")
    print(
        f"| labels | method | accuracy | over {GENERATED}, points | over {POSTERIOR}, points |\n|---|---|---|---|---|"
    )
    for row in rows:
        leads = ["{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * one for one in row[f"over {base}"])) for base in BASES]
        print(f"| {row['labels']} | {row['method']} | {row['mean']:.3f} | {' | '.join(leads)} |")


def main(settings):
    """Ask, learn on the development hospitals, and print the test hospitals' table."""
    demonstrations = read_demonstrations(settings.data)
    vectors = cached_vectors([one.input for one in demonstrations], settings.cache)
    questions = all_questions(demonstrations, vectors, settings)
    model = load_countable(settings.model, ANSWER_TOKENS)
    scoring_model(model)
    asked = []
    with AnswerCache.open(settings.cache) as cache:
        for done, question in enumerate(questions, start=1):
            asked.append((question, told(model, settings.model, question, cache, settings.instructions)))
            if done % 20 == 0:
                print(f"asked {done} of {len(questions)}", file=sys.stderr, flush=True)
    development = set(development_hospitals(demonstrations))
    learning = [one for one in asked if one[0].hospital in development]
    testing = [one for one in asked if one[0].hospital not in development]
    scored, worded = trials(learning, lambda said: said.scores)
    fusion = learn_fusion(scored, worded)
    calibrated = learn_fusion(trials(learning, lambda said: said.calibrated)[0], worded)
    rows = rows_of(accuracies(testing, fusion, calibrated))
    hospitals = len({one.hospital for one, _ in testing})
    print(f"fusion of scores: {fusion}\nfusion of calibrated scores: {calibrated}")
    print_rows(rows, hospitals)
    if settings.json:
        told_all = {**vars(settings), "fusion": asdict(fusion), "fusion_calibrated": asdict(calibrated), "rows": rows}
        write_text(json.dumps(told_all, indent=1, default=str), settings.json)


def counts(text):
    """Read ``"0,4,16"``."""
    return tuple(sorted(map(int, text.split(","))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="local")
    parser.add_argument("--selector", default="metachain")
    parser.add_argument("--queries", type=int, default=3)
    parser.add_argument("--labels", type=counts, default=(0, 4, 16))
    parser.add_argument("--instructions", default="")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cache", type=Path)
    main(parser.parse_args())
