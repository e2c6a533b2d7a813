"""Apportionment, against giving the places out one by one, and against Sainte-Laguë's method by hand."""

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly

from metachain.learning.apportionment import apportion_answers, apportion_meanings, attention
from metachain.learning.ranking import at_places
from metachain.scoring.reader import vote


def drawn(seed: int, m: int, answers: int = 4) -> tuple[Any, Any, Any]:
    """Weights of answers, similarities and answers of m candidates for three queries; some candidates are missing."""
    rng = np.random.default_rng(seed)
    answer = rng.integers(-1, answers, size=(3, m))
    by_answer = rng.dirichlet(np.ones(answers), size=3)
    weight = np.where(answer < 0, 0.0, np.take_along_axis(by_answer, np.maximum(answer, 0), axis=1))
    similarity = np.where(answer < 0, -np.inf, np.round(rng.uniform(-1, 1, size=(3, m)), 2))
    return weight, similarity, answer


def one_by_one(weight: Any, similarity: Any, answer: Any, shots: int) -> set[int]:
    """Places given to one query, as the slow oracle gives them."""
    return set(oracles.choice(similarity.tolist(), weight.tolist(), answer.tolist(), shots)) - {-1}


@given(SEEDS, st.integers(0, 14), st.integers(0, 9))
@briefly
def test_places_are_those_given_one_by_one(seed: int, m: int, shots: int) -> None:
    """The static quotients find what the method of highest averages finds step by step."""
    weight, similarity, answer = drawn(seed, m)
    given = apportion_answers(weight, similarity, answer, shots)
    assert given.places.shape == given.quotients.shape == (3, min(shots, m))
    for row in range(3):
        found = [place for place in given.places[row].tolist() if place >= 0]
        assert len(found) == len(set(found))
        assert set(found) == one_by_one(weight[row], similarity[row], answer[row], shots)


@given(SEEDS, st.integers(1, 40))
@briefly
def test_equal_attention_is_the_apportionment_by_sainte_lague(seed: int, shots: int) -> None:
    """Seats by the odd divisors 1, 3, 5, …, where these give the likeliest answer a lead; else it leads by one."""
    votes = np.random.default_rng(seed).dirichlet(np.ones(5))
    answer = np.repeat(np.arange(5), 40)[None]
    given = apportion_answers(votes[answer], np.full(answer.shape, 0.5), answer, shots)
    seats = np.bincount(answer[0, given.places[0]], minlength=5)
    averages = sorted(((votes[y] / (2 * i + 1), y) for y in range(5) for i in range(shots)), reverse=True)[:shots]
    plain = np.bincount([y for _, y in averages], minlength=5)
    others = np.delete(seats, votes.argmax())
    assert seats.sum() == shots
    assert seats[votes.argmax()] > others.max()
    if plain[votes.argmax()] > np.delete(plain, votes.argmax()).max():
        assert seats.tolist() == plain.tolist()


def test_half_a_third_and_a_sixth_share_six() -> None:
    """By hand: three, two and one; with four shots two, one and one."""
    answer = np.repeat([0, 1, 2], 6)[None]
    weight = np.array([1 / 2, 1 / 3, 1 / 6])[answer]
    for shots, seats in ((6, [3, 2, 1]), (4, [2, 1, 1]), (1, [1, 0, 0])):
        places = apportion_answers(weight, np.full(answer.shape, 0.9), answer, shots).places
        assert np.bincount(answer[0, places[0]], minlength=3).tolist() == seats


@given(SEEDS, st.integers(1, 14), st.integers(0, 8))
@briefly
def test_fewer_shots_show_a_part_of_what_more_show(seed: int, m: int, shots: int) -> None:
    """House monotone: one more shot takes nothing away."""
    few, many = (apportion_answers(*drawn(seed, m), k).places for k in (shots, shots + 1))
    for one, other in zip(few, many, strict=True):
        assert set(one.tolist()) - {-1} <= set(other.tolist())


@given(SEEDS, st.integers(1, 14), st.sampled_from([0.5, 1.0, 3.0]))
@briefly
def test_the_likeliest_comes_first_and_of_it_the_nearest(seed: int, m: int, sharpness: float) -> None:
    """Places are in order of weight, then of similarity; those without a candidate come last."""
    weight, similarity, answer = drawn(seed, m)
    for row, places in enumerate(apportion_answers(weight**sharpness, similarity, answer, 6).places.tolist()):
        found = [place for place in places if place >= 0]
        assert places == found + [-1] * (len(places) - len(found))
        keys = [(-weight[row, place], answer[row, place], -similarity[row, place]) for place in found]
        assert keys == sorted(keys)
        if found:
            assert weight[row, found[0]] == weight[row].max()


@given(SEEDS, st.integers(1, 14), st.integers(1, 8), st.sampled_from([0.5, 1.0]))
@briefly
def test_a_reader_who_votes_or_counts_gives_the_likeliest(seed: int, m: int, shots: int, sharpness: float) -> None:
    """Whatever the similarities, and with any number of shots."""
    weight, similarity, answer = drawn(seed, m)
    places = apportion_answers(weight**sharpness, similarity, answer, shots).places[:, ::-1]
    near = np.take_along_axis(similarity, np.maximum(places, 0), axis=1)
    shown = at_places(answer, places, -1)
    voted, counted = vote(np.where(places < 0, -np.inf, near), shown), vote(np.zeros(near.shape), shown)
    for row in range(3):
        given_any = (places[row] >= 0).any()
        assert voted[row] == counted[row] == (answer[row, weight[row].argmax()] if given_any else -1)


def test_an_alternative_louder_than_the_likeliest_answer_is_left_out() -> None:
    """Its second demonstration, to which a reader attends less, speaks for it."""
    answer, weight = np.array([[0, 1, 1]]), np.array([[0.52, 0.48, 0.48]])
    places = apportion_answers(weight, np.array([[0.5, 0.95, 0.4]]), answer, 8).places
    assert places.tolist() == [[0, 2, -1]]


def test_a_nearer_alternative_waits_until_the_likeliest_answer_is_attended_to() -> None:
    """A reader attends to near demonstrations: eight of the likeliest answer outweigh one much nearer alternative."""
    similarity = np.array([[0.9, 0.89, 0.88, *[0.5] * 9]])
    answer = np.array([[1, 1, 1, *[0] * 9]])
    weight = np.where(answer == 0, 0.6, 0.4)
    for shots, seats in ((8, [8, 0]), (9, [8, 1])):
        places = apportion_answers(weight, similarity, answer, shots).places[0]
        assert np.bincount(answer[0, places], minlength=2).tolist() == seats
    plain = apportion_answers(weight, np.full(similarity.shape, 0.5), answer, 8).places[0]
    assert np.bincount(answer[0, plain], minlength=2).tolist() == [5, 3]


def test_no_alternative_takes_the_place_of_the_likeliest_answer() -> None:
    """Where the likeliest answer has one demonstration only, the others get no more than their share beside it."""
    answer = np.array([[0, *[1] * 9]])
    given = apportion_answers(np.where(answer == 0, 0.6, 0.4), np.full(answer.shape, 0.5), answer, 8)
    assert sorted(answer[0, given.places[0][given.places[0] >= 0]].tolist()) == [0, 1]


def test_attention_falls_with_distance() -> None:
    """1 for the nearest, ``exp(-1)`` at a distance of 0.2, 0 for none."""
    assert attention(np.array([[0.7, 0.5, -np.inf]]))[0] == pytest.approx([1.0, np.exp(-1), 0.0])
    assert attention(np.zeros((2, 0))).shape == (2, 0)


@given(SEEDS, st.integers(0, 9), st.integers(0, 6))
@briefly
def test_meanings_are_apportioned_as_answers_where_they_are_the_same_or_unlike(seed: int, m: int, shots: int) -> None:
    """With unit vectors that are equal or orthogonal, candidates of one meaning share as those of one answer do."""
    weight, similarity, answer = drawn(seed, m)
    vectors = np.eye(5, dtype=np.float32)[answer + 1]
    by_meaning = apportion_meanings(weight, similarity, vectors, shots)
    for row in range(3):
        chosen: list[int] = []
        for _ in range(min(shots, int((weight[row] > 0).sum()))):
            attended = attention(similarity)[row]
            paid = [sum(attended[j] for j in chosen if answer[row, j] == answer[row, c]) for c in range(m)]
            quotient = [0.0 if c in chosen else weight[row, c] / (1 + 2 * paid[c]) for c in range(m)]
            chosen.append(int(np.argmax(quotient)))
        assert set(by_meaning.places[row].tolist()) - {-1} == set(chosen)


def test_a_second_text_of_the_same_meaning_gives_way() -> None:
    """Of three texts about as likely, the two that say different things are shown."""
    vectors = np.eye(2, dtype=np.float32)[[[0, 0, 1]]]
    given = apportion_meanings(np.array([[0.5, 0.49, 0.4]]), np.full((1, 3), 0.5), vectors, 2)
    assert given.places.tolist() == [[0, 2]]
