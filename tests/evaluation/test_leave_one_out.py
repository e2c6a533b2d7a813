"""Leaving institutions out: what may be known, what comes out, and data that is hard to evaluate on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import oracles
import pytest
from oracles import BagOfWords, hospitals
from results import summarise

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import lexical_vectors, normalise_text
from metachain.errors import DataError
from metachain.evaluation import plan as planned
from metachain.evaluation import runner as playing
from metachain.evaluation.holdout import fewer_past
from metachain.evaluation.leave_one_out import Plan, check_comparable, evaluate
from metachain.evaluation.selectors import SELECTORS, Shown, Trial, shown_with_probability
from metachain.evaluation.summary import worth
from metachain.learning.calibration import expected_calibration_error, reliability
from metachain.selection.baselines import bm25_weights

MADE = hospitals(4, 20)
PLAN = Plan(labels=(0, 4), seeds=(0, 1), queries=8)


def evaluated(demonstrations: Sequence[Demonstration], plan: Plan = PLAN) -> dict[str, Any]:
    """The result with the tiny encoder."""
    dense = BagOfWords().encode([normalise_text(one.input) for one in demonstrations])
    return evaluate(demonstrations, dense, plan, dataset="tiny").to_json()


def timeless(result: dict[str, Any]) -> str:
    """The bytes of a result, without how long it took."""
    return json.dumps({**result, "cost": {**result["cost"], "seconds": 0}}, allow_nan=False)


def cells(result: dict[str, Any]) -> dict[tuple[str, int, str, int], float]:
    """Score by selector, labels, institution and seed."""
    return {(row["selector"], row["labels"], row["institution"], row["seed"]): row["score"] for row in result["scores"]}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """Four hospitals, evaluated once."""
    return evaluated(MADE)


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Trial, Shown]]:
    """Every episode that ``semantic`` was asked to show demonstrations in, and what it showed."""
    seen: list[tuple[Trial, Shown]] = []
    original: Callable[[Trial], Shown] = SELECTORS["semantic"]

    def noted(trial: Trial) -> Shown:
        seen.append((trial, original(trial)))
        return seen[-1][1]

    monkeypatch.setattr(planned, "SELECTORS", {**SELECTORS, "semantic": noted})
    return seen


def test_the_result_has_the_keys_of_the_contract(result: dict[str, Any]) -> None:
    """Names and order are those that others build on."""
    top = ["dataset", "protocol", "model", "shots", "seeds", "settings", "scores", "summary", "cost"]
    assert list(result) == [*top, "harm", "transfer", "origins", "calibration"]
    assert {tuple(row) for row in result["scores"]} == {
        ("selector", "labels", "institution", "seed", "metric", "score", "n", "recall", "distinct", "shots")
    }
    assert {tuple(row) for row in result["summary"]} == {
        ("selector", "labels", "mean", "worst_decile", "gain", "ci95", "recall", "distinct", "shots")
    }
    assert list(result["cost"]) == ["seconds", "model_calls", "tokens"]
    assert (result["dataset"], result["protocol"], result["model"]) == ("tiny", "institution", "offline")
    assert (result["shots"], result["seeds"]) == (8, [0, 1])


def test_the_result_is_json(result: dict[str, Any]) -> None:
    """It comes back from JSON as it was, without infinities."""
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_every_selector_is_scored_everywhere(result: dict[str, Any]) -> None:
    """Each selector has a score at each label count, institution and seed; ``support`` none without labels."""
    expected = {
        (selector, labels, f"hospital {number}", seed)
        for selector in SELECTORS
        for labels in PLAN.labels
        for number in range(4)
        for seed in PLAN.seeds
        if selector != "support" or labels
    }
    assert set(cells(result)) == expected
    assert len(result["scores"]) == len(expected)
    assert all(0 <= row["score"] <= 1 and row["n"] == 8 for row in result["scores"])


def test_the_same_seed_gives_the_same_bytes(result: dict[str, Any]) -> None:
    """Evaluating again gives the same result but for the time it took."""
    assert timeless(evaluated(MADE)) == timeless(result)


def test_another_seed_draws_other_supports(result: dict[str, Any]) -> None:
    """Scores of different seeds are not copies of each other."""
    by_seed = [{key[:3]: score for key, score in cells(result).items() if key[3] == seed} for seed in PLAN.seeds]
    assert by_seed[0] != by_seed[1]


def test_the_order_of_records_changes_nothing(result: dict[str, Any]) -> None:
    """A shuffled file gives the same bytes."""
    order = np.random.default_rng(0).permutation(len(MADE))
    assert timeless(evaluated([MADE[place] for place in order])) == timeless(result)


def test_selectors_and_label_counts_do_not_disturb_each_other(result: dict[str, Any]) -> None:
    """A plan with fewer selectors and the same largest label count gives the scores of the larger plan."""
    few = evaluated(MADE, replace(PLAN, labels=(4,), selectors=("random", "metachain")))
    assert cells(few).items() <= cells(result).items()


def test_zero_is_wrong_and_the_oracle_is_best(result: dict[str, Any]) -> None:
    """Without demonstrations nothing is right; knowing the answer is best at every label count."""
    means = {(row["selector"], row["labels"]): row["mean"] for row in result["summary"]}
    for (selector, labels), mean in means.items():
        assert mean <= means["oracle", labels]
        assert selector != "zero" or mean == 0


def test_texts_of_the_support_are_never_asked_about(episodes: list[tuple[Trial, Shown]]) -> None:
    """No query has the text of a label, however written, at any label count, though institutions repeat their texts."""
    again = [replace(one, input=f" {one.input.upper()}", id=f"{one.id} again") for one in MADE]
    evaluated([*MADE, *again], replace(PLAN, queries=100))
    assert episodes
    for trial, _ in episodes:
        texts = [normalise_text(one.input) for one in trial.knowledge.table.pool.demonstrations]
        assert not {texts[row] for row in trial.episode.support} & {texts[row] for row in trial.episode.query}


def test_queries_are_the_same_at_every_label_count(episodes: list[tuple[Trial, Shown]]) -> None:
    """Curves compare like with like: more labels of the same support, the same queries."""
    evaluated(MADE)
    for (less, _), (more, _) in zip(episodes[::2], episodes[1::2], strict=True):
        assert (len(less.episode.support), len(more.episode.support)) == (0, 4)
        assert less.episode.query.tolist() == more.episode.query.tolist()


@pytest.mark.parametrize(("protocol", "others"), [("institution", 3), ("group", 2)])
def test_what_is_held_out_is_never_past(episodes: list[tuple[Trial, Shown]], protocol: str, others: int) -> None:
    """Neither the target nor, under ``group``, any of its group is among the past, nor shown but as a label."""
    evaluated(MADE, replace(PLAN, protocol=protocol, selectors=("semantic",)))
    for trial, shown in episodes:
        pool = trial.knowledge.table.pool
        group = [one.metadata["group"] for one in pool.demonstrations]
        target = pool.owner[trial.episode.query[0]]
        assert len(trial.episode.past) == others
        assert target not in trial.episode.past
        foreign = set(shown.ravel()) - set(trial.episode.support)
        assert not {pool.owner[row] for row in foreign} & {target}
        if protocol == "group":
            assert group[trial.episode.query[0]] not in {group[row] for row in foreign}


def test_a_held_out_group_teaches_nothing() -> None:
    """Under ``group``, whatever a sister answers, the target's scores and what is learned for it stay."""
    outputs = sorted({one.output for one in MADE})
    swapped = [
        replace(one, output=outputs[(outputs.index(one.output) + 3) % len(outputs)])
        if one.institution == "hospital 2"
        else one
        for one in MADE
    ]
    plan = replace(PLAN, protocol="group")
    before, after = evaluated(MADE, plan), evaluated(swapped, plan)
    for key, score in cells(before).items():
        if key[2] == "hospital 0":
            assert cells(after)[key] == score
    assert before["settings"]["lessons"]["hospital 0"] == after["settings"]["lessons"]["hospital 0"]
    assert cells(before) != cells(after)


def test_an_institution_without_a_group_is_held_out_alone(episodes: list[tuple[Trial, Shown]]) -> None:
    """Under ``group`` an institution that names none is a group of its own."""
    made = [replace(one, metadata={}) if one.institution in ("hospital 0", "hospital 2") else one for one in MADE]
    evaluated(made, replace(PLAN, protocol="group", selectors=("semantic",)))
    past = {int(one.knowledge.table.pool.owner[one.episode.query[0]]): one.episode.past.tolist() for one, _ in episodes}
    assert past == {0: [1, 2, 3], 1: [0, 2], 2: [0, 1, 3], 3: [0, 2]}


def test_a_score_is_the_share_the_reader_answers_right(episodes: list[tuple[Trial, Shown]]) -> None:
    """Each score is that of voting, query by query, with lexical similarity over what was shown, the best last."""
    plan = replace(PLAN, selectors=("semantic",))
    rows = evaluated(MADE, plan)["scores"]
    for row, (trial, shown) in zip(rows, episodes, strict=True):
        pool, right = trial.knowledge.table.pool, 0
        lexical = lexical_vectors([one.input for one in pool.demonstrations])
        for query, several in zip(trial.episode.query, shown[:, ::-1].tolist(), strict=True):
            similarity = [sum(map(float, lexical[query] * lexical[place])) for place in several]
            right += oracles.vote(similarity, [int(pool.answer[place]) for place in several]) == pool.answer[query]
        assert row["score"] == pytest.approx(right / len(shown), abs=1.01 / len(shown))
        assert row["n"] == len(shown)


def test_word_statistics_are_those_of_the_past(episodes: list[tuple[Trial, Shown]]) -> None:
    """What BM25 knows of how often words occur comes from past institutions, not from the one held out."""
    evaluated(MADE, replace(PLAN, selectors=("semantic",)))
    for trial, _ in episodes:
        known = trial.knowledge
        past = [row for row, owner in enumerate(known.table.pool.owner) if owner in known.past]
        assert np.allclose(known.bm25.data, bm25_weights(known.words, np.array(past)).data)


def test_learning_pays_where_systems_contradict_each_other() -> None:
    """With labels, ``metachain`` beats plain neighbours, and never by knowing less than its own prior."""
    made = hospitals(6, 40)
    result = evaluated(made, Plan(labels=(8,), seeds=(0,), queries=20, selectors=("semantic", "prior", "metachain")))
    gain = {row["selector"]: row["gain"] for row in result["summary"]}
    assert gain["metachain"] > gain["prior"]
    assert gain["metachain"] > 0.1


@pytest.mark.parametrize("sizes", [(2, 20, 20), (3, 2, 5), (20, 1, 20), (1, 1, 4)])
def test_institutions_with_few_demonstrations(sizes: tuple[int, ...]) -> None:
    """One with a single demonstration asks about it without labels; a few give as many labels as half of them."""
    made = [one for number, size in enumerate(sizes) for one in MADE[20 * number :][:size]]
    result = evaluated(made, Plan(labels=(0, 1, 2, 8), seeds=(0,), queries=5))
    for number, size in enumerate(sizes):
        counts = {row["labels"] for row in result["scores"] if row["institution"] == f"hospital {number}"}
        assert counts == {k for k in (0, 1, 2, 8) if k <= size // 2}
    timeless(result)


def test_identical_texts_everywhere() -> None:
    """Where all texts are the same there is nothing to ask with labels held, and without any there is."""
    same = [replace(one, input="the same text") for one in MADE]
    with pytest.raises(DataError, match="nothing to score"):
        evaluated(same)
    result = evaluated(same, replace(PLAN, labels=(0,)))
    assert {row["labels"] for row in result["scores"]} == {0}
    timeless(result)


def test_labels_never_seen_before() -> None:
    """Where every institution has answers of its own nothing is right without labels, and nothing breaks with them."""
    own = [replace(one, output=f"{one.output} at {one.institution}") for one in MADE]
    result = evaluated(own)
    means = {(row["selector"], row["labels"]): row["mean"] for row in result["summary"]}
    assert all(mean == 0 for (_, labels), mean in means.items() if labels == 0)
    assert means["support", 4] > 0
    assert all(row["gain"] is None for row in result["summary"] if row["labels"] == 0)
    timeless(result)


def test_more_shots_than_demonstrations() -> None:
    """Asking for a thousand shots shows what there is."""
    result = evaluated(hospitals(2, 4), Plan(labels=(0, 2), seeds=(0,), shots=1000, queries=9))
    assert {row["labels"] for row in result["scores"]} == {0, 2}
    assert {row["selector"] for row in result["scores"]} == set(SELECTORS)


def test_more_labels_than_available_are_left_out() -> None:
    """A label count that no institution reaches has no rows, and the others are there."""
    result = evaluated(MADE, Plan(labels=(0, 4, 1000), seeds=(0,), queries=5))
    assert {row["labels"] for row in result["scores"]} == {0, 4}
    assert result["settings"]["labels"] == [0, 4, 1000]


@pytest.mark.parametrize("text", ["x" * 100_000, "שלום עולם", "🩺💉"])
def test_any_text_can_be_evaluated(text: str) -> None:
    """Very long texts, right-to-left scripts and emoji among the inputs change nothing about the rest."""
    made = [replace(MADE[0], input=text), *MADE[1:]]
    assert len(evaluated(made)["scores"]) == len(SELECTORS) * 2 * 4 * 2 - 4 * 2


@pytest.mark.parametrize(
    ("demonstrations", "plan", "message"),
    [
        ([], PLAN, "only one institution"),
        (MADE[:20], PLAN, r"only one institution \(hospital 0\)"),
        (MADE[:20] + MADE[40:60], replace(PLAN, protocol="group"), "only one group"),
        ([replace(one, metadata={}) for one in MADE], replace(PLAN, protocol="group"), "metadata.group"),
        ([MADE[0], MADE[20]], replace(PLAN, labels=(4,)), "nothing to score"),
    ],
)
def test_what_cannot_be_compared_is_refused(demonstrations: list[Demonstration], plan: Plan, message: str) -> None:
    """Nobody to learn from, no groups to hold out, or nothing to ask: each is said in words."""
    with pytest.raises(DataError, match=message):
        evaluated(demonstrations, plan)


def test_further_readers_read_the_same_choices(episodes: list[tuple[Trial, Shown]], result: dict[str, Any]) -> None:
    """Each selector chooses once; the first reader's rows are those of a run of its own, in the contract's place."""
    plan = replace(PLAN, selectors=("semantic", "metachain"))
    several = evaluated(MADE, replace(plan, readers=("vote", "copy", "majority")))
    chosen = len(episodes)
    assert list(several["readers"]) == ["copy", "majority"]
    alone = {reader: evaluated(MADE, replace(plan, readers=(reader,))) for reader in ("vote", "copy", "majority")}
    assert len(episodes) == 4 * chosen == 4 * 4 * 2 * 2
    for reader, part in {"vote": several, **several["readers"]}.items():
        assert part["scores"] == alone[reader]["scores"]
        assert part["summary"] == alone[reader]["summary"]
        assert "readers" not in alone[reader]
    assert cells(several).items() <= cells(result).items()
    assert several["readers"]["copy"]["scores"] != several["scores"]


def test_a_copy_is_right_where_the_best_shown_is(episodes: list[tuple[Trial, Shown]]) -> None:
    """``copy`` scores the share of queries whose first choice has the right answer, counted by hand."""
    rows = evaluated(MADE, replace(PLAN, selectors=("semantic",), readers=("copy",)))["scores"]
    for row, (trial, shown) in zip(rows, episodes, strict=True):
        answer = trial.knowledge.table.pool.answer
        right = sum(
            answer[several[0]] == answer[query] for query, several in zip(trial.episode.query, shown, strict=True)
        )
        assert row["score"] == right / len(shown)


def test_a_smaller_past_is_all_that_is_known(episodes: list[tuple[Trial, Shown]]) -> None:
    """With 2 and 3 of five hospitals' past, what is shown, taught and counted comes from these; the 2 are of the 3."""
    made = hospitals(6, 20)
    plan = Plan(labels=(0, 4), seeds=(0, 1), queries=5, selectors=("semantic",), past=(2, 3))
    result = evaluated(made, plan)
    assert [part["past"] for part in result["past"]] == [2, 3]
    fewer = episodes[6 * 2 * 2 :]
    assert [len(trial.episode.past) for trial, _ in fewer[::2]] == [2, 3] * 12
    for (two, _), (three, _) in zip(fewer[::4], fewer[2::4], strict=True):
        assert set(two.episode.past) < set(three.episode.past)
        assert two.episode.query.tolist() == three.episode.query.tolist()
    for trial, shown in fewer:
        known = trial.knowledge
        owner = known.table.pool.owner
        target = owner[trial.episode.query[0]]
        assert target not in known.past
        assert set(owner[np.setdiff1d(shown, trial.episode.support)]) <= set(known.past)
        counted = np.flatnonzero(np.isin(owner, known.past))
        assert np.allclose(known.bm25.data, bm25_weights(known.words, counted).data)


def test_a_smaller_past_is_as_if_the_others_were_never_there() -> None:
    """Scores with 2 past hospitals are those of a file that holds these two and the new one alone."""
    made = hospitals(5, 20)
    plan = Plan(labels=(4,), seeds=(0,), queries=10, selectors=("semantic", "hybrid", "scratch", "metachain"))
    found = cells(evaluated(made, replace(plan, past=(2,)))["past"][0])
    names = sorted({one.institution for one in made})
    for target, name in enumerate(names):
        past = fewer_past(np.delete(np.arange(5), target), 2, name, 0)
        kept = {name, *(names[number] for number in past)}
        alone = cells(evaluated([one for one in made if one.institution in kept], plan))
        assert {key: score for key, score in alone.items() if key[2] == name} == {
            key: score for key, score in found.items() if key[2] == name
        }


def test_a_smaller_past_leaves_the_main_scores(result: dict[str, Any]) -> None:
    """The main scores stay those with all; the parts have the contract's rows, summed up by themselves."""
    more = evaluated(MADE, replace(PLAN, past=(2, 30)))
    assert (more["scores"], more["summary"], more["harm"]) == (result["scores"], result["summary"], result["harm"])
    assert more["calibration"] == result["calibration"]
    (part,) = more["past"]
    assert list(part) == ["past", "summary", "scores"]
    assert part["past"] == 2
    assert part["summary"] == summarise(part["scores"])
    assert [tuple(row) for row in part["scores"]] == [tuple(row) for row in result["scores"]]
    assert more["settings"]["past"] == [2, 30, "all"]


@pytest.mark.parametrize(("protocol", "past"), [("institution", (3, 4)), ("group", (2,))])
def test_a_past_that_is_not_smaller_is_refused_early(protocol: str, past: tuple[int, ...]) -> None:
    """Where no size is smaller than what some hospital has, checking says so before any work."""
    with pytest.raises(DataError, match="each number must be smaller"):
        check_comparable(MADE, replace(PLAN, protocol=protocol, past=past))


def test_harm_is_counted_from_the_scores(result: dict[str, Any]) -> None:
    """One row a label count, each draw once."""
    assert [(row["labels"], row["draws"]) for row in result["harm"]] == [(0, 8), (4, 8)]


def written(count: int = 4) -> list[Demonstration]:
    """Hospitals that write a sentence of their own to each text, every one but in a few words alike."""
    words = ("mild", "severe", "stable", "worse", "chronic", "new")
    return [
        replace(one, output=f"At {one.institution} {one.input} is seen and {words[place % 6]} again, visit {place}.")
        for place, one in enumerate(hospitals(count, 20))
    ]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Hospitals that write texts, evaluated once."""
    return evaluated(
        written(), replace(PLAN, selectors=("zero", "semantic", "metachain", "oracle"), readers=("vote", "copy"))
    )


def test_texts_are_scored_by_each_suited_metric(told: dict[str, Any]) -> None:
    """A row a metric, side by side; the main ones are those of the first; the others have summaries of their own."""
    assert told["settings"]["metrics"] == ["rouge_l", "token_f1"]
    assert [row["metric"] for row in told["scores"]] == ["rouge_l", "token_f1"] * (len(told["scores"]) // 2)
    parts = [[row for row in told["scores"] if row["metric"] == name] for name in ("rouge_l", "token_f1")]
    assert told["summary"] == summarise(parts[0])
    assert told["metrics"] == {"token_f1": {"summary": summarise(parts[1])}}
    assert told["readers"]["copy"]["summary"] == summarise(told["readers"]["copy"]["scores"][::2])
    assert all(0 <= row["score"] <= 1 for row in told["scores"])
    timeless(told)


def test_the_oracle_of_texts_is_the_best_to_copy(told: dict[str, Any]) -> None:
    """Copied, what the oracle shows best comes nearer to the truth, by token F1, than what others do, at every draw."""
    found = {
        (row["selector"], row["labels"], row["institution"], row["seed"]): row["score"]
        for row in told["readers"]["copy"]["scores"]
        if row["metric"] == "token_f1"
    }
    assert all(score <= found["oracle", *key] for (_, *key), score in found.items())
    assert any(score < found["oracle", *key] for (name, *key), score in found.items() if name == "semantic")


def test_a_metric_can_be_named() -> None:
    """It takes the place of those that suit, for labels too: a code half right counts half."""
    plan = replace(PLAN, selectors=("semantic",), metric="token_f1")
    for made in (MADE, written()):
        result = evaluated(made, plan)
        assert {row["metric"] for row in result["scores"]} == {"token_f1"}
        assert "metrics" not in result
    exact, partly = (evaluated(MADE, replace(plan, metric=name))["scores"] for name in ("exact_match", "token_f1"))
    assert all(one["score"] <= other["score"] for one, other in zip(exact, partly, strict=True))
    assert exact != [{**row, "metric": "exact_match"} for row in partly]


def test_only_labels_of_metachain_have_a_calibration(told: dict[str, Any]) -> None:
    """Texts are seldom right to the letter, other selectors give no probabilities; scored otherwise, labels are."""
    assert "calibration" not in told
    assert "calibration" not in evaluated(MADE, replace(PLAN, selectors=("semantic", "prior")))
    assert "calibration" in evaluated(MADE, replace(PLAN, selectors=("metachain",), metric="token_f1"))


def test_calibration_is_that_of_what_metachain_shows(result: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It chooses once an episode; each distinct answer counts once, with the probability that it is shown with."""
    seen: list[tuple[Trial, Shown, Any]] = []

    def noted(trial: Trial) -> tuple[Shown, Any]:
        seen.append((trial, *shown_with_probability(trial)))
        return seen[-1][1:]

    monkeypatch.setattr(playing, "shown_with_probability", noted)
    again = evaluated(MADE, replace(PLAN, selectors=("metachain",)))
    assert again["calibration"] == result["calibration"]
    assert len(seen) == 4 * 2 * 2
    told: dict[int, dict[tuple[int, int], tuple[float, bool]]] = {0: {}, 4: {}}
    for place, (trial, shown, probability) in enumerate(seen):
        pool = trial.knowledge.table.pool
        for query, rows, sure in zip(trial.episode.query, shown.tolist(), probability.tolist(), strict=True):
            for row, one in zip(rows, sure, strict=True):
                if row >= 0:
                    key = (1000 * place + int(query), int(pool.answer[row]))
                    told[len(trial.episode.support)][key] = (one, pool.answer[row] == pool.answer[query])
    for row in result["calibration"]:
        pairs = list(told[row["labels"]].values())
        bins = reliability(np.array([one for one, _ in pairs]), np.array([right for _, right in pairs]))
        assert row["n"] == len(pairs)
        assert row["ece"] == pytest.approx(expected_calibration_error(bins))
        assert [one["n"] for one in row["bins"]] == [one.n for one in bins]


def test_parts_are_left_out_where_asked_for(result: dict[str, Any]) -> None:
    """Selectors without them are compared besides, all other scores stay, and what a part is worth is counted."""
    more = evaluated(MADE, replace(PLAN, selectors=("semantic", "metachain"), ablate=("evidence", "vote")))
    assert more["settings"]["selectors"] == ["semantic", "metachain", "metachain-evidence", "metachain-vote"]
    same = {key: score for key, score in cells(more).items() if "-" not in key[0]}
    assert same.items() <= cells(result).items()
    assert len(cells(more)) == 2 * len(same)
    assert more["ablation"] == worth(more["scores"], {"evidence": "metachain-evidence", "vote": "metachain-vote"})
    assert [(row["part"], row["labels"]) for row in more["ablation"]] == [
        *(("evidence", 0), ("evidence", 4), ("vote", 0), ("vote", 4)),
    ]
    assert more["calibration"] == result["calibration"]
    timeless(more)
