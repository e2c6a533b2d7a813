"""Metrics against values worked out by hand, and the rule that says which one suits."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly
from rouge_score.rouge_scorer import RougeScorer

from metachain.errors import DataError
from metachain.scoring.metrics import (
    METRICS,
    are_texts,
    bag_f1,
    checked_metric,
    exact_match,
    label_f1,
    rouge_l,
    span_f1,
    suited_metric,
    token_f1,
    word_bags,
)

DATA = Path(os.environ.get("METACHAIN_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["none", "None.", "fever [Sign]", "fever [Sign]; Fever  [sign]", "No fever today.", "today no fever", "0450"]
)
ASCII = st.lists(st.sampled_from(["the", "knee", "hurts", "b12", "x-ray", "Knee,", "."]), max_size=8).map(" ".join)
LONG = "Discharge to home with oxygen"


@pytest.mark.parametrize("name", METRICS)
@given(TEXTS, TEXTS)
@briefly
def test_every_metric_is_a_share(name: str, one: str, other: str) -> None:
    """A metric lies in [0, 1], says the same of (a, b) and (b, a), and 1 of a text and itself."""
    metric = METRICS[name]
    assert 0 <= metric(one, other) <= 1
    assert metric(one, other) == pytest.approx(metric(other, one))
    assert metric(one, one) == 1


def test_exact_match_forgives_only_what_nobody_sees() -> None:
    """Case, the place of blanks and signs count; blanks around, their kind and their number don't."""
    assert [exact_match(one, "0450") for one in (" 0450\n", "0450\u00a0", "\ufeff0450")] == [1] * 3
    assert [exact_match(one, "Acute care") for one in ("Acute  care", "Acute\u00a0care")] == [1] * 2
    assert [exact_match(one, "Acute care") for one in ("acute care", "Acutecare", "Acute care.", "")] == [0] * 4


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("the left knee hurts", "the knee, it hurts", 2 * (3 / 4) * (3 / 4) / (3 / 4 + 3 / 4)),
        ("hurts knee the", "the knee hurts", 2 * (1 / 3) * (1 / 3) / (1 / 3 + 1 / 3)),
        ("pain", "pain pain pain", 2 * 1 * (1 / 3) / (1 + 1 / 3)),
        ("Pain.", "pain", 1),
        ("", "pain", 0),
        ("", "...", 1),
        ("schmerzen im rücken", "rücken", 2 * (1 / 3) * 1 / (1 / 3 + 1)),
    ],
)
def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence(
    prediction: str, reference: str, expected: float
) -> None:
    """Precision and recall are the common subsequence over each length; words keep letters outside ASCII."""
    assert rouge_l(prediction, reference) == pytest.approx(expected)


@given(ASCII, ASCII)
@briefly
def test_rouge_l_is_the_librarys_own_where_there_are_words(prediction: str, reference: str) -> None:
    """On ASCII texts with words the value is what rouge-score gives with its own tokenizer and no stemmer."""
    official = RougeScorer(["rougeL"], use_stemmer=False).score(reference, prediction)["rougeL"].fmeasure
    if any(one.isalnum() for one in prediction + reference):
        assert rouge_l(prediction, reference) == pytest.approx(official)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("Hurts knee, the!", "the knee hurts", 1),
        ("knee pain", "left knee pain since may", 2 * (2 / 2) * (2 / 5) / (2 / 2 + 2 / 5)),
        ("pain pain", "pain", 2 * (1 / 2) * 1 / (1 / 2 + 1)),
        ("pain", "", 0),
        ("", " . ", 1),
    ],
)
def test_token_f1_compares_bags_of_words(prediction: str, reference: str, expected: float) -> None:
    """Order, case and signs don't count, repetitions do; two empty bags score 1."""
    assert token_f1(prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("0450", " 0450. ", 1),
        ("0450", "0451", 0),
        ("Chest X-ray", '"chest  x-ray"', 1),
        ("a, b", "b; A", 1),
        ("- a\n- b", '["b", "a"]', 1),
        ("a, c, c", "a; b | d", 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)),
        ("", "a", 0),
        ("a", "[]", 0),
        ("", " [] ", 1),
    ],
)
def test_label_f1_compares_sets_of_labels(prediction: str, reference: str, expected: float) -> None:
    """Order, case, repetitions, quotes and bullets don't count; a single label is right or wrong."""
    assert label_f1(prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "score"), [(0, 0.0), (1, 1.0), (True, 1.0), (0.5, 0.5), (np.float32(0.5), 0.5), (1 + 1e-12, 1.0)]
)
def test_a_checked_metric_passes_on_what_is_in_range(value: object, score: float) -> None:
    """Any real number in [0, 1], as a float; what rounding adds is cut off."""
    found = checked_metric(lambda *_: value)("a", "b")
    assert (found, type(found)) == (score, float)


@pytest.mark.parametrize("value", [7, -0.1, float("nan"), float("inf"), None, "1", 1j, [1.0]])
def test_a_checked_metric_refuses_anything_else(value: object) -> None:
    """A DataError names the metric and the value."""

    def mine(prediction: str, reference: str) -> object:
        return value

    with pytest.raises(
        DataError, match=f"'mine' must give a finite number in \\[0, 1\\], it gave {re.escape(str(value))}"
    ):
        checked_metric(mine)("a", "b")
    with pytest.raises(DataError, match="'other'"):
        checked_metric(mine, "other")("a", "b")


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("none", "None.", 1),
        ("none", "fever [Sign]", 0),
        ("fever [Sign]", "none", 0),
        ("fever [Sign]; zinc [Drug]", "zinc [Drug]; Fever [sign]", 1),
        ("zinc [Drug]", "zinc [Drug]; fever [Sign]", 2 * 1 * (1 / 2) / (1 + 1 / 2)),
        ("zinc [Sign]", "zinc [Drug]", 0),
        ("zinc [Drug]; zinc [Drug]; zinc [Drug]", "zinc [Drug]", 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("I see no entities here.", "none", 0),
        ("", "none", 0),
    ],
)
def test_span_f1_compares_multisets_of_text_and_type(prediction: str, reference: str, expected: float) -> None:
    """Text and type must both agree, repetitions count; an answer in another form is wrong, an empty one too."""
    assert span_f1(prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("outputs", "texts", "metric"),
    [
        (["0450", "0450", "0320", "0320"], False, "exact_match"),
        (["0450", "0320", "0301"], False, "exact_match"),
        ([LONG, LONG, "Transfer to the skilled ward", "Transfer to the skilled ward"], False, "exact_match"),
        (["No cough today.", "Knee hurts at night.", "None."], True, "rouge_l"),
        (["No cough today.", "Knee hurts at night.", "It hurts less.", "None.", "NONE."], True, "rouge_l"),
        (["zinc [Drug]", "fever [Sign]", "none", "none"], True, "span_f1"),
        (["zinc [Drug]"] * 3 + ["none"] * 3, False, "span_f1"),
        (["none"] * 4, False, "exact_match"),
        (["", " "], False, "exact_match"),
        ([], False, "exact_match"),
        (["zinc [Drug]"] * 9 + ["I see nothing here"], False, "span_f1"),
        (["zinc [Drug]"] * 8 + ["I see nothing here"] + [""] * 9, False, "exact_match"),
    ],
)
def test_the_outputs_say_which_metric_suits(outputs: Sequence[str], texts: bool, metric: str) -> None:
    """Labels recur or are short, texts do neither, span lists show their form; blank outputs say nothing."""
    assert are_texts(outputs) == texts
    assert suited_metric(outputs) == metric


@given(st.permutations(["No cough today.", "Knee hurts at night.", "It hurts less.", "None.", "None.", ""]))
@briefly
def test_the_order_of_outputs_does_not_matter(outputs: list[str]) -> None:
    """The rule sees a bag of outputs."""
    assert suited_metric(outputs) == "rouge_l"


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("chargemaster", "exact_match"),
        ("aci_bench_notes", "rouge_l"),
        ("mts_dialog", "rouge_l"),
        ("bioner", "span_f1"),
    ],
)
def test_the_rule_suits_real_data(name: str, metric: str) -> None:
    """Charge codes are labels, notes are texts and entities are spans."""
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}")
    with path.open(encoding="utf-8") as lines:
        outputs = [json.loads(line)["output"] for line in lines]
    assert suited_metric(outputs) == metric
    assert are_texts(outputs) == (metric != "exact_match")


def test_metrics_load_the_scorer_when_it_is_first_used() -> None:
    """Importing the metrics imports no rouge_score, nltk or absl."""
    code = "import sys, metachain.scoring.metrics; print({'rouge_score', 'nltk', 'absl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "set()"


OVERLAP_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["none", "None.", "fever [Sign]", "fever [Sign]; Fever  [sign]", "No fever today.", "today no fever", "0450"]
)
WORDS = st.lists(st.sampled_from(["knee", "Knee", "hurts", "b12", "größe", "..."]), max_size=9).map(" ".join)


@given(st.lists(OVERLAP_TEXTS | WORDS, min_size=1, max_size=7), SEEDS, st.integers(0, 3), st.integers(0, 5))
@briefly
def test_bags_have_the_token_f1_of_each_pair(texts: list[str], seed: int, n: int, m: int) -> None:
    """Many pairs at once score what ``token_f1`` says of each, empty bags and repetitions too; nothing scores 0."""
    rng = np.random.default_rng(seed)
    one, others = rng.integers(len(texts), size=n), rng.integers(-1, len(texts), size=(n, m))
    found = bag_f1(word_bags(texts), one, others)
    assert found.shape == (n, m)
    expected = [
        [token_f1(texts[a], texts[b]) if b >= 0 else 0.0 for b in row] for a, row in zip(one, others, strict=True)
    ]
    assert np.allclose(found, np.reshape(expected, (n, m)), rtol=1e-12)


@given(st.lists(WORDS, max_size=6))
@briefly
def test_bags_count_what_two_texts_have_in_common(texts: list[str]) -> None:
    """Products of bags are sizes of the common multisets of words, a bag with itself all its words; 0 and 1 alone."""
    bags = word_bags(texts)
    assert set(bags.toarray().ravel().tolist()) <= {0.0, 1.0}
    words = [re.findall(r"[a-zäöüß0-9]+", text.lower()) for text in texts]
    expected = [[sum(min(a.count(w), b.count(w)) for w in set(a)) for b in words] for a in words]
    assert (bags @ bags.T).toarray().tolist() == expected
