"""The verdict in words: wins, losses, no difference, and what can't be judged."""

from typing import Any

import pytest
from results import stored

from metachain.evaluation.result import Evaluation
from metachain.reporting import verdict as reporting

Interval = list[float] | None


def verdict(parts: dict[str, Any]) -> str:
    """The verdict on a result that has these parts."""
    return reporting.verdict(Evaluation.from_json(stored(parts)))


def evaluation(gains: dict[int, tuple[float | None, Interval]], **settings: Any) -> dict[str, Any]:
    """Ten institutions at 0.4; metachain gains as told at nine of them and loses a little at the tenth."""
    scores = [
        {"selector": selector, "labels": labels, "institution": f"h{place}", "seed": 0, "metric": "accuracy", "n": 9}
        | {"score": 0.4 * (1 + (selector == "metachain") * ((gain or 0) if place else -0.1))}
        for labels, (gain, _) in gains.items()
        for selector in ("semantic", "metachain")
        for place in range(10)
    ]
    rows = [
        {"selector": "metachain", "labels": labels, "mean": 0.4, "worst_decile": 0.35, "gain": gain, "ci95": interval}
        for labels, (gain, interval) in gains.items()
    ]
    plain = [
        {"selector": "semantic", "labels": labels, "mean": 0.4, "worst_decile": 0.3, "gain": 0.0, "ci95": [0.0, 0.0]}
        for labels in gains
    ]
    return {"scores": scores, "summary": rows + plain, "settings": settings}


def test_a_win_names_labels_gain_interval_institutions_and_worst_decile() -> None:
    """Winning everywhere says from where to where, who loses, and that it pays."""
    text = verdict(evaluation({16: (0.25, [0.2, 0.3]), 4: (0.15, [0.1, 0.2])}))
    assert text == (
        "metachain beats semantic (plain nearest neighbours) at 4 and 16 labels: "
        "+15.0 % at 4 labels (95 % interval +10.0 % to +20.0 %) and "
        "+25.0 % at 16 labels (95 % interval +20.0 % to +30.0 %). "
        "At 16 labels, 9 of 10 institutions gain and 1 loses, "
        "and the worst decile of institutions scores 0.350 (semantic: 0.300). "
        "It pays to use metachain at every label count tried."
    )


def test_a_win_that_starts_later_says_where_nothing_was_shown() -> None:
    """An interval that includes 0 at no labels is told, and the advice starts where the win does."""
    text = verdict(evaluation({0: (0.01, [-0.02, 0.04]), 4: (0.15, [0.1, 0.2]), 8: (0.2, [0.1, 0.3])}))
    assert "at 0 labels no difference could be shown: +1.0 % at 0 labels" in text
    assert "which includes 0" in text
    assert text.endswith("It pays to use metachain from 4 labels on.")


def test_a_win_with_a_loss_tells_both() -> None:
    """A loss at some label count is never hidden behind a win at another."""
    text = verdict(evaluation({0: (-0.1, [-0.15, -0.05]), 8: (0.2, [0.1, 0.3])}))
    assert "it loses at 0 labels: −10.0 % at 0 labels (95 % interval −15.0 % to −5.0 %)" in text
    assert text.endswith("It pays to use metachain at 8 labels; at 0 labels keep semantic, the simpler one.")


def test_no_difference_is_not_called_a_win() -> None:
    """Where every interval includes 0, the verdict says that nothing was shown and advises the simpler one."""
    text = verdict(evaluation({0: (0.0, [-0.02, 0.02]), 8: (0.03, [-0.01, 0.07])}))
    assert text.startswith("No difference between metachain and semantic (plain nearest neighbours) could be shown")
    assert "+3.0 % at 8 labels (95 % interval −1.0 % to +7.0 %, which includes 0)" in text
    assert "Nothing here says that it pays: keep semantic" in text
    assert "beats" not in text


def test_a_loss_is_said() -> None:
    """Where the intervals lie below 0, the verdict says that it loses and does not pay."""
    text = verdict(evaluation({8: (-0.2, [-0.3, -0.1])}))
    assert text.startswith("metachain loses to semantic (plain nearest neighbours) at 8 labels: −20.0 % at 8 labels")
    assert "0 of 10 institutions gain and 10 lose" in text
    assert text.endswith("It does not pay here: keep semantic, the simpler one.")


@pytest.mark.parametrize("interval", [None, [float("nan"), float("nan")]])
def test_without_an_interval_nothing_is_claimed(interval: Interval) -> None:
    """A gain without an interval, however large, is no win."""
    text = verdict(evaluation({1: (0.9, interval)}))
    assert "+90.0 % at 1 label (too few institutions for an interval)" in text
    assert "beats" not in text


@pytest.mark.parametrize("missing", ["metachain", "semantic"])
def test_a_missing_selector_is_named(missing: str) -> None:
    """Without metachain or the baseline the verdict says which one is missing, and what to do."""
    result = evaluation({8: (None, None)})
    result["summary"] = [row for row in result["summary"] if row["selector"] != missing]
    text = verdict(result)
    assert f"it has no scores of {missing}" in text
    assert "Evaluate both" in text


def test_nothing_scored_is_said() -> None:
    """An empty evaluation can't say whether it pays."""
    assert "It scored nothing." in verdict({"scores": [], "summary": [], "settings": {}})


def test_a_synthetic_world_is_named() -> None:
    """Wherever numbers of a generated world appear, the words say so."""
    assert "generated, synthetic world" in verdict(evaluation({8: (0.2, [0.1, 0.3])}, synthetic=True))


@pytest.mark.parametrize(
    "gains",
    [
        {0: (0.01, [-0.1, 0.1]), 4: (-0.1, [-0.2, -0.05]), 8: (0.2, [0.1, 0.3])},
        {4: (0.1, None)},
        {4: (None, None)},
    ],
)
def test_a_verdict_is_two_to_four_sentences(gains: dict[int, tuple[float | None, Interval]]) -> None:
    """However mixed the outcome, the verdict stays short."""
    sentences = [part for part in verdict(evaluation(gains, synthetic=True)).split(". ") if part]
    assert 2 <= len(sentences) <= 4


def graded(gains: dict[int, dict[float, tuple[float, Interval]]]) -> dict[str, Any]:
    """The made-up evaluation with gains and intervals by label count and skill."""
    found = evaluation({labels: curve[0.0] for labels, curve in gains.items()})
    row = {"selector": "metachain", "mean": 0.4, "worst_decile": 0.1}
    higher = [
        {**row, "labels": labels, "gain": gain, "ci95": interval, "skill": skill}
        for labels, curve in gains.items()
        for skill, (gain, interval) in curve.items()
        if skill
    ]
    return {**found, "summary": found["summary"] + higher}


WINS, LOSES, OPEN = (0.2, [0.1, 0.3]), (-0.2, [-0.3, -0.1]), (0.01, [-0.1, 0.1])


def test_a_win_is_one_at_every_skill() -> None:
    """Then the sentence says so, and the numbers of institutions are those of the reader itself."""
    text = verdict(graded({4: {0.0: WINS, 0.5: WINS, 1.0: (0.02, [0.01, 0.03])}}))
    assert text.startswith(
        "metachain beats semantic (plain nearest neighbours) at 4 labels, whatever the reader's skill (0, 0.5 and 1); "
        "at skill 0: +20.0 % at 4 labels (95 % interval +10.0 % to +30.0 %). At 4 labels, 9 of 10"
    )
    assert "the worst decile of institutions scores 0.350" in text
    assert text.endswith("It pays to use metachain at 4 labels.")


def test_a_win_at_some_skills_only_is_no_win() -> None:
    """The skills at which it loses are named with their gains, and the advice depends on the model."""
    text = verdict(graded({8: {0.0: WINS, 0.5: OPEN, 0.75: (-0.1, [-0.2, -0.05]), 1.0: LOSES}}))
    assert text.startswith("metachain beats semantic (plain nearest neighbours) only at some skills of the reader; ")
    assert (
        "The reader's skill decides: at 8 labels it wins at skill 0 (+20.0 %), shows no difference at skill 0.5 "
        "(+1.0 %) and loses at skill 0.75 to 1 (−10.0 % to −20.0 %)."
    ) in text
    assert text.endswith(
        "It pays only with a model of a skill at which metachain wins; else keep semantic, the simpler one."
    )


def test_a_loss_at_a_higher_skill_is_told() -> None:
    """Where nothing is won, one skill that loses is a loss; a win at another label count hides none."""
    lost = {0.0: OPEN, 1.0: LOSES}
    text = verdict(graded({8: lost}))
    assert text.startswith(
        "metachain loses to semantic (plain nearest neighbours) at 8 labels: −20.0 % at 8 labels and skill 1 (95 %"
    )
    assert "at 8 labels it shows no difference at skill 0 (+1.0 %) and loses at skill 1 (−20.0 %)" in text
    assert text.endswith("It does not pay here: keep semantic, the simpler one.")
    text = verdict(graded({2: {0.0: OPEN, 1.0: OPEN}, 4: lost, 8: {0.0: WINS, 1.0: OPEN}, 16: {0.0: WINS, 1.0: WINS}}))
    assert "it loses at 4 labels: −20.0 % at 4 labels and skill 1" in text
    assert "at 8 labels it wins at skill 0 (+20.0 %) and shows no difference at skill 1 (+1.0 %)" in text
    assert text.endswith(
        "It pays to use metachain at 16 labels; at 8 labels that depends on your model's skill; "
        "at 4 labels keep semantic, the simpler one."
    )


def test_what_is_shown_is_told_beside_the_baseline_s() -> None:
    """The best answer shown, and how many different ones on how many demonstrations; nothing where it is unknown."""
    found = evaluation({8: (0.2, [0.1, 0.3])})
    assert "best answer shown" not in verdict(found)
    for row, recall in zip(found["summary"], (0.9, 0.7), strict=True):
        row.update(recall=recall, distinct=2.04, shots=8.0)
    assert (
        "; the best answer shown scores 0.900, of 2.0 different ones on 8.0 demonstrations "
        "(semantic: 0.700, of 2.0 different ones on 8.0)."
    ) in verdict(found)


def test_other_readers_are_heard() -> None:
    """Their gains at the label count that the verdict dwells on stand before the advice, wins or not."""
    result = evaluation({4: (0.15, [0.1, 0.2]), 16: (0.25, [0.2, 0.3])}, readers=["vote", "copy", "majority", "dense"])
    row = {"selector": "metachain", "labels": 16, "mean": 0.4, "worst_decile": 0.3}
    result["readers"] = {
        "copy": {"summary": [{**row, "gain": 0.3, "ci95": [0.1, 0.5]}]},
        "majority": {"summary": [{**row, "gain": -0.05, "ci95": [-0.1, 0.02]}]},
        "dense": {"summary": [{**row, "gain": None, "ci95": None}]},
    }
    sentences = verdict(result).split(". ")
    assert sentences[-2] == (
        "Other readers find: copy +30.0 % at 16 labels (95 % interval +10.0 % to +50.0 %) and "
        "majority −5.0 % at 16 labels (95 % interval −10.0 % to +2.0 %, which includes 0)"
    )
    assert sentences[-1] == "It pays to use metachain at every label count tried."
