"""What an institution gives without its demonstrations: measured there, learned from elsewhere, the same as at hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Tiny
from oracles import BagOfWords, filled, hospitals, note_writers

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.embedding.encoder import Encoder, MiniLM
from metachain.errors import DataError, NotFoundError
from metachain.files import write_text
from metachain.learning.active_learning import suggest_labels
from metachain.learning.artifacts import load_prior, save_prior
from metachain.learning.calibration import Calibration
from metachain.learning.episodes import LABELS, SEEDS, all_episodes, episodes_of
from metachain.learning.guard import ARMS, arm_scores, best_arm, likeliest_answers
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import DEFAULT
from metachain.learning.posterior import adapt
from metachain.learning.prior import (
    Prior,
    learn,
    learned_from,
    rows_to_look_up,
    sources_of,
    statistics_of,
    transfer_matrix,
)
from metachain.learning.shared_past import pool_of
from metachain.learning.site_statistics import LARGEST_FILE, Contribution, read_contribution
from metachain.learning.transfer import prior_log_weights
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.selection.rehearsal import RehearsalSet
from metachain.selection.selector import Selector

WORLD = [
    replace(one, output=f"charge {one.output}", id=f"record {number}")
    for number, one in enumerate(generate_world(WorldSettings(institutions=9, systems=3, demonstrations=60)))
]
*NAMES, NEW = sorted({one.institution for one in WORLD})
PRIVATE = (NAMES[1], NAMES[4], NAMES[5])
SHARED = tuple(name for name in NAMES if name not in PRIVATE)


def those_of(made: Sequence[Demonstration], *institutions: str) -> list[Demonstration]:
    """Demonstrations of some institutions."""
    return [one for one in made if one.institution in institutions]


def library_of(path: Path, encoder: Encoder, *batches: list[Demonstration]) -> Library:
    """A library to which batches were added, and embedded, one after the other, as ``metachain add`` does."""
    library = Library.open(path, encoder)
    for batch in batches:
        library.add(batch, share=EVERYONE)
        library.vectors(batch)
    return library


def letting(library: Library, *institutions: str) -> Library:
    """The library, in which these institutions let everyone learn from their statistics."""
    grant = Grant(Audience("everyone"), "statistics")
    library.sharing.state_all({name: [grant] for name in institutions})
    return library


def written(folder: Path, encoder: Encoder, made: Sequence[Demonstration], shared: Sequence[str], name: str) -> Path:
    """The file of an institution that was measured on a machine of its own, beside the shared demonstrations."""
    with library_of(folder / f"{name}.db", encoder, those_of(made, *shared), those_of(made, name)) as site:
        return write_text(statistics_of(site, name).to_json(), folder / f"{name}.json")


BITS = 1e-5


def told(prior: Prior) -> tuple[Any, ...]:
    """All that a prior says, byte for byte."""
    lesson = prior.lesson
    return (
        (prior.institutions, prior.contributors, prior.fingerprint, prior.transfer.shape, prior.transfer.tobytes()),
        (lesson.settings, lesson.trusts_consensus, lesson.scores.tobytes(), lesson.unlabelled, lesson.labelled),
    )


def assert_alike(found: Prior, expected: Prior) -> None:
    """Compare two priors; numbers up to the last bits of products of matrices of other sizes, which processors vary."""
    one, other = found.lesson, expected.lesson
    assert told(found)[0][:4] == told(expected)[0][:4]
    assert (one.settings, one.trusts_consensus, one.sharpness) == (
        other.settings,
        other.trusts_consensus,
        other.sharpness,
    )
    assert np.allclose(found.transfer, expected.transfer, atol=BITS)
    assert np.allclose(one.scores, other.scores, atol=1e-3)
    for mine, theirs in ((one.unlabelled, other.unlabelled), (one.labelled, other.labelled)):
        assert (mine.intercept, mine.slope) == pytest.approx((theirs.intercept, theirs.slope), abs=1e-2)


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory: pytest.TempPathFactory, encoder: MiniLM) -> tuple[Path, Prior]:
    """A library that also holds the demonstrations of those that give statistics only, and what it teaches."""
    path = tmp_path_factory.mktemp("hand") / "all.db"
    private = [those_of(WORLD, name) for name in PRIVATE]
    with library_of(path, encoder, those_of(WORLD, *SHARED), *private) as library:
        return path, learned_from(library, SHARED, PRIVATE)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, encoder: MiniLM) -> list[Path]:
    """The files of three sites, each measured on a machine of its own."""
    folder = tmp_path_factory.mktemp("sites")
    return [written(folder, encoder, WORLD, SHARED, name) for name in PRIVATE]


@pytest.fixture
def small(tmp_path: Path) -> Contribution:
    """Statistics of a small hospital beside two others, with a tiny encoder."""
    with filled(tmp_path / "small.db", hospitals(3, 24)) as library:
        return statistics_of(library, "hospital 1")


def test_a_fit_from_files_is_the_fit_with_the_data_at_hand(
    tmp_path: Path, at_hand: tuple[Path, Prior], files: list[Path], encoder: MiniLM
) -> None:
    """Prior, posterior and every selection are the same, whether data or files are there."""
    path, expected = at_hand
    labels, texts = those_of(WORLD, NEW)[:8], [one.input for one in those_of(WORLD, NEW)[8:24]]
    with (
        library_of(tmp_path / "hub.db", encoder, those_of(WORLD, *SHARED)) as hub,
        library_of(path, encoder) as everything,
    ):
        found = learn(letting(hub, *PRIVATE), statistics=[read_contribution(file) for file in files])
        assert_alike(found, expected)
        assert (found.institutions, found.contributors) == (SHARED, PRIVATE)
        assert found.lesson.settings is not None
        fits, shown = [], []
        for library, prior in ((everything, expected), (hub, found)):
            library.add(labels, share=EVERYONE)
            posterior = adapt(prior, library, NEW)
            fits.append(posterior.fit)
            shown.append([Selector(library, posterior).select(text).chosen for text in texts])
        for name in ("standing", "evidence", "weights", "usage"):
            assert np.allclose(getattr(fits[0], name), getattr(fits[1], name), atol=BITS)
        assert [[one.demonstration for one in each] for each in shown[0]] == [
            [one.demonstration for one in each] for each in shown[1]
        ]
        assert {one.demonstration.institution for chosen in shown[0] for one in chosen} <= {*SHARED, NEW}


def test_texts_are_learned_from_files_too(tmp_path: Path) -> None:
    """Where answers are texts, the fit from a file is that with the data at hand."""
    made = note_writers(5, 16)
    private, shared = "hospital 2", ("hospital 0", "hospital 1", "hospital 3", "hospital 4")
    file = written(tmp_path, BagOfWords(), made, shared, private)
    with filled(tmp_path / "all.db", made) as library:
        expected = learned_from(library, shared, [private])
    with filled(tmp_path / "hub.db", those_of(made, *shared)) as hub:
        assert told(learn(letting(hub, private), statistics=[read_contribution(file)])) == told(expected)


def test_no_word_of_the_site_is_in_its_file(files: list[Path]) -> None:
    """A file holds no input, no answer and no id of anybody, and is small."""
    for file in files:
        content = file.read_bytes()
        assert len(content) < 16_000
        for one in WORLD:
            assert not any(text.encode() in content for text in (one.input, one.output, one.id))


def test_statistics_are_what_leaving_the_institution_out_would_say(tmp_path: Path) -> None:
    """The row is the transfer matrix', and the sums are of the scores that its rehearsals among all would have.

    All but for the last digits: answers that it alone gives have their small part in how sure others are.
    """
    made = hospitals(6, 40)
    with filled(tmp_path / "x.db", made) as library:
        pool, found = pool_of(library, library.demonstrations()), statistics_of(library, "hospital 2")
    study = NeighbourTable.of(pool, np.arange(len(pool.owner)))
    transfer, others = transfer_matrix(study), np.array([0, 1, 3, 4, 5])
    assert found.transfer == pytest.approx(transfer[2, others].tolist())
    unlike = others[transfer[2, others] < 0.6]
    assert 2 <= len(unlike) < len(others)
    sums = np.zeros((len(LABELS), len(ARMS)))
    for company in (others, unlike):
        for draw in episodes_of(pool, 2, company):
            sums[LABELS.index(draw.labels)] += arm_scores(study, draw, transfer)
    assert np.allclose(found.sums, sums, atol=1e-5)
    assert (found.items, found.rehearsals) == (40, 2 * len(SEEDS))


def test_statistics_change_the_lesson_as_the_data_would(tmp_path: Path) -> None:
    """Rehearsals that a file tells of count as much as those at hand, for scores and for the arm that is chosen.

    Probabilities are calibrated on the rehearsals at hand alone.
    """
    made = hospitals(6, 40)
    shared = ("hospital 0", "hospital 2", "hospital 4")
    with filled(tmp_path / "x.db", made) as library:
        alone, with_more = learned_from(library, shared), learned_from(library, shared, ["hospital 1", "hospital 3"])
        sources = sources_of(library, shared)
        rehearsed = sum(len(episodes_of(sources.table.pool, number, np.arange(3))) for number in range(3)) // len(
            LABELS
        )
    with filled(tmp_path / "y.db", those_of(made, *shared, "hospital 1")) as site:
        one = statistics_of(site, "hospital 1")
    with filled(tmp_path / "z.db", those_of(made, *shared, "hospital 3")) as site:
        other = statistics_of(site, "hospital 3")
    assert alone.lesson.settings != with_more.lesson.settings
    sums = alone.lesson.scores * rehearsed + one.sums + other.sums
    assert np.allclose(with_more.lesson.scores, sums / (rehearsed + one.rehearsals + other.rehearsals))
    assert with_more.lesson.settings == best_arm([with_more.lesson.scores[1], with_more.lesson.scores[2]])
    made_here = all_episodes(sources.table.pool, with_more.transfer, np.arange(3))
    for k in (0, 4):
        found = [
            likeliest_answers(sources.table, draw, with_more.transfer, with_more.lesson.settings)
            for draw in made_here
            if bool(draw.labels) == bool(k)
        ]
        probability, right = ([getattr(one, name) for one in found] for name in ("probability", "right"))
        expected = Calibration.learn(np.concatenate(probability), np.concatenate(right))
        assert with_more.lesson.calibration(k) == expected


def test_who_serves_a_contributor_is_not_held_back(tmp_path: Path) -> None:
    """A source that agrees with no other source is screened out, unless one that gave statistics bears it out."""
    made = [
        replace(one, output=f"{one.output}, apart") if one.institution in ("hospital 3", "hospital 4") else one
        for one in hospitals(5, 40, systems=1)
    ]
    with filled(tmp_path / "x.db", made) as library:
        doubted = learned_from(library, [f"hospital {number}" for number in range(4)])
        trusted = learned_from(library, [f"hospital {number}" for number in range(4)], ["hospital 4"])
    assert prior_log_weights(doubted.transfer, range(4))[3] < -2
    assert prior_log_weights(trusted.transfer, range(4))[3] == pytest.approx(0, abs=0.01)
    assert np.array_equal(prior_log_weights(trusted.transfer, range(3)), prior_log_weights(doubted.transfer, range(3)))


def test_the_order_of_files_changes_nothing(tmp_path: Path, files: list[Path], encoder: MiniLM) -> None:
    """However files are ordered, what is learned is the same, byte for byte."""
    given = [read_contribution(file) for file in files]
    with library_of(tmp_path / "hub.db", encoder, those_of(WORLD, *SHARED)) as hub:
        assert len({told(learn(letting(hub, *PRIVATE), statistics=order)) for order in permutations(given)}) == 1


def test_a_library_and_files_may_both_give_statistics(
    tmp_path: Path, at_hand: tuple[Path, Prior], files: list[Path], encoder: MiniLM
) -> None:
    """One institution's demonstrations that may not be shown, and the files of others, teach what all at hand do."""
    private = those_of(WORLD, PRIVATE[1])
    with library_of(tmp_path / "hub.db", encoder, those_of(WORLD, *SHARED), private) as hub:
        given = [read_contribution(files[2]), read_contribution(files[0])]
        assert_alike(learned_from(hub, SHARED, [PRIVATE[1]], statistics=given), at_hand[1])


def test_a_prior_with_contributors_comes_back_as_it_was(tmp_path: Path, small: Contribution) -> None:
    """Saving and loading change no byte."""
    with filled(tmp_path / "x.db", those_of(hospitals(3, 24), "hospital 0", "hospital 2")) as library:
        prior = learn(letting(library, "hospital 1"), statistics=[small])
        save_prior(library, prior)
        assert told(load_prior(library)) == told(prior)
    assert prior.contributors == ("hospital 1",)
    assert prior.transfer.shape == (3, 2)


def test_a_site_of_one_demonstration_can_be_measured(tmp_path: Path) -> None:
    """It can't rehearse, so its statistics are its row alone."""
    made = [*those_of(hospitals(3, 24), "hospital 0", "hospital 1"), Demonstration("new", "xray chest", "odd")]
    with filled(tmp_path / "x.db", made) as library:
        found = statistics_of(library, "new")
    assert (found.items, found.rehearsals, found.transfer) == (1, 0, (0.0, 0.0))
    assert Contribution.from_json(found.to_json()) == found
    assert not found.sums.any()


def test_an_institution_counts_once(tmp_path: Path, small: Contribution) -> None:
    """Two files of one institution, or one of an institution that is learned from, are refused by name."""
    made = hospitals(3, 24)
    with filled(tmp_path / "x.db", those_of(made, "hospital 0", "hospital 2")) as library:
        with pytest.raises(DataError, match="'hospital 1' comes twice"):
            learn(letting(library, "hospital 1"), statistics=[small, small])
        with pytest.raises(DataError, match="'hospital 2' comes twice"):
            learn(
                letting(library, "hospital 1"),
                statistics=[replace(small, institution="hospital 2", sources=("hospital 0", "hospital 1"))],
            )
        with pytest.raises(DataError, match="'hospital 2' comes twice"):
            learned_from(library, ["hospital 0", "hospital 2"], ["hospital 2"])


def test_files_are_for_the_demonstrations_they_were_measured_beside(tmp_path: Path, small: Contribution) -> None:
    """Another encoder, other institutions or other texts of theirs are refused, with what differs."""
    shared = those_of(hospitals(3, 24), "hospital 0", "hospital 2")
    given = [replace(small, file="site.json")]
    with Library.open(tmp_path / "tiny.db", Tiny()) as library:
        library.add(shared, share=EVERYONE)
        with pytest.raises(DataError, match=r"site.json: 'fingerprint' .*'bag-of-words/1', .* with 'tiny/1'"):
            learn(letting(library, "hospital 1"), statistics=given)
    other = [Demonstration("hospital 9", "a", "b")]
    with (
        filled(tmp_path / "more.db", [*shared, *other]) as library,
        pytest.raises(DataError, match=r"site.json: 'sources' differ .* in 'hospital 9'; measure again"),
    ):
        learn(letting(library, "hospital 1"), statistics=given)
    for changed in (replace(shared[0], output="another"), replace(shared[0], id="another")):
        with (
            filled(tmp_path / f"{changed.id} {changed.output}.db", [changed, *shared[1:]]) as library,
            pytest.raises(DataError, match=r"site.json: 'digest' .* other demonstrations .* measure again"),
        ):
            learn(letting(library, "hospital 1"), statistics=given)


@pytest.mark.parametrize(
    ("minimum", "said"),
    [
        (4, r"at least 4 institutions.* there are 3 \(hospital 0, hospital 1, hospital 2\).*minimum=3 \(--minimum 3\)"),
        (1, "'minimum' must be a whole number of at least 2, got 1"),
        ("3", "'minimum' must be a whole number of at least 2, got '3'"),
    ],
)
def test_a_prior_of_too_few_is_not_made(tmp_path: Path, small: Contribution, minimum: Any, said: str) -> None:
    """Sources and contributors count together; the error says who is there and what to do."""
    with filled(tmp_path / "x.db", those_of(hospitals(3, 24), "hospital 0", "hospital 2")) as library:
        with pytest.raises(DataError, match=said):
            learn(letting(library, "hospital 1"), statistics=[small], minimum=minimum)
        assert learn(letting(library, "hospital 1"), statistics=[small]).contributors == ("hospital 1",)
        assert learn(library, minimum=2).contributors == ()
        with pytest.raises(DataError, match=r"at least 3 .* there are 2 .*--minimum 2"):
            learn(library)


def test_one_source_is_enough_where_others_give_statistics(tmp_path: Path) -> None:
    """With one institution to show, what is learned is what the others' statistics say; with none there is nothing."""
    made = hospitals(3, 24)
    with filled(tmp_path / "x.db", made) as library:
        prior = learned_from(library, ["hospital 0"], ["hospital 1", "hospital 2"])
        assert prior.transfer.shape == (3, 1)
        assert np.isfinite(prior.lesson.scores).all()
        chosen = Selector(library, adapt(prior, library, "new")).select("xray chest").chosen
        assert {one.demonstration.institution for one in chosen} == {"hospital 0"}
        with pytest.raises(DataError, match="no institution whose demonstrations may be used"):
            learned_from(library, [], ["hospital 0", "hospital 1", "hospital 2"])
        with pytest.raises(NotFoundError, match="no demonstrations of 'hospital 7'"):
            learned_from(library, ["hospital 0", "hospital 1"], ["hospital 7"])


def test_all_that_reads_a_prior_reads_one_with_contributors(tmp_path: Path, small: Contribution) -> None:
    """What to label next, and rehearsals before a model, take a prior whose contributors show nothing."""
    with filled(tmp_path / "x.db", those_of(hospitals(3, 24), "hospital 0", "hospital 2")) as library:
        prior = learn(letting(library, "hospital 1"), statistics=[small])
        pool = pool_of(library, library.demonstrations())
        assert suggest_labels(library, adapt(prior, library, "new"), ["xray chest", "mri brain"], 2)
    stage = RehearsalSet(NeighbourTable.of(pool, rows_to_look_up(pool)), prior)
    (shown,) = stage.shown(next(stage.questions()), [DEFAULT])
    assert {one.institution for one in shown} <= {"hospital 0", "hospital 2"}


def test_only_the_sources_named_are_measured_beside(tmp_path: Path) -> None:
    """A site that holds more than what is shared names what is."""
    made = hospitals(4, 24)
    with filled(tmp_path / "x.db", made) as library, filled(tmp_path / "y.db", made[:72]) as other:
        found = statistics_of(library, "hospital 1", ["hospital 0", "hospital 2"])
        assert found == statistics_of(other, "hospital 1")
        with pytest.raises(NotFoundError, match="no demonstrations of 'hospital 7'"):
            statistics_of(library, "hospital 1", ["hospital 7"])


def test_nobody_is_measured_alone(tmp_path: Path) -> None:
    """A library without shared demonstrations, or without the institution, says what is missing."""
    with filled(tmp_path / "x.db", hospitals(1, 8)) as library:
        with pytest.raises(DataError, match="nobody in the library shares with 'hospital 0'; add the shared"):
            statistics_of(library, "hospital 0")
        with pytest.raises(NotFoundError, match="no demonstrations of 'St Mary'"):
            statistics_of(library, "St Mary")


def test_numbers_come_back_bit_by_bit(tmp_path: Path, small: Contribution) -> None:
    """A file is read as it was written, with its name for messages."""
    path = write_text(small.to_json(), tmp_path / "site.json")
    assert read_contribution(path) == small
    assert read_contribution(path).file == str(path)
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_contribution(tmp_path / "bom.json") == small


def bent(**changes: Any) -> Any:
    """Change fields of a record; None takes one away."""
    return lambda record: {key: value for key, value in {**record, **changes}.items() if value is not None}


ROWS = [[0.5] * len(ARMS)] * len(LABELS)
HOSTILE = {
    "no object": (lambda _: [1, 2], "the format is none, expected 'metachain-statistics/1'"),
    "other format": (bent(format="metachain-statistics/99"), "the format is 'metachain-statistics/99'"),
    "nested format": (bent(format=[["x"]]), "the format is list"),
    "a field less": (bent(items=None), "field 'items' is missing"),
    "a field more": (bent(inputs=["the patient's text"]), "field 'inputs' is not one that statistics have"),
    "our own field": (bent(file="/etc/passwd"), "field 'file' is not one"),
    "a long field": (bent(**{"x" * 5000: 1}), r"field 'x{59}… is not one"),
    "a name that is none": (bent(institution=7), "'institution' must be a string, got a number"),
    "a blank name": (bent(institution=" "), "'institution' is blank"),
    "NUL": (bent(fingerprint="a\0"), "'fingerprint' holds a NUL"),
    "half a pair": (bent(digest="\udc80"), "'digest' holds a lone surrogate"),
    "no sources": (bent(sources=[], transfer=[]), "'sources' must be a list of the institutions"),
    "sources a text": (bent(sources="ab"), "'sources' must be a list"),
    "sources an object": (bent(sources={"a": 1}), "'sources' must be a list"),
    "sources of lists": (bent(sources=[["a"], "b"]), "'sources' must be a string"),
    "sources unsorted": (bent(sources=["hospital 2", "hospital 0"]), "'sources' must be in alphabetical order"),
    "sources twice": (bent(sources=["hospital 0", "hospital 0"]), "'sources' must be in alphabetical order, each once"),
    "beside itself": (bent(sources=["hospital 0", "hospital 1"]), "'sources' holds 'hospital 1' itself"),
    "other arms": (bent(method="0" * 64), "'method' was measured by another version of the method"),
    "no arms": (bent(method=3), "'method' was measured by another version"),
    "no items": (bent(items=0), r"'items' must be a whole number in \[1, 220\], got 0"),
    "items true": (bent(items=True), "'items' must be a whole number"),
    "items a text": (bent(items="5"), "'items' must be a whole number"),
    "too many rehearsals": (bent(rehearsals=1_000_000), r"'rehearsals' must be a whole number in \[0, 4\]"),
    "half a rehearsal": (bent(rehearsals=1.5), "'rehearsals' must be a whole number"),
    "a short row": (bent(transfer=[0.5]), "'transfer' must hold 2 numbers in each list, got a list of 1"),
    "a row that is none": (bent(transfer=0.5), "'transfer' must hold 2 numbers in each list, got 0.5"),
    "over one": (bent(transfer=[0.5, 1.01]), r"'transfer' must hold numbers in \[0, 1\], got 1.01 in place 1"),
    "under none": (bent(transfer=[-1e-9, 0.5]), r"'transfer' must hold numbers in \[0, 1\], got -1e-09"),
    "far too large": (bent(transfer=[10**400, 0.5]), r"'transfer' must hold numbers in \[0, 1\], got 1000"),
    "a text in a row": (bent(transfer=["0.5", 0.5]), r"'transfer' must hold numbers in \[0, 1\], got '0.5'"),
    "a list in a row": (bent(transfer=[[0.5], 0.5]), r"'transfer' must hold numbers in \[0, 1\], got tuple"),
    "true in a row": (bent(transfer=[True, 0.5]), r"'transfer' must hold numbers"),
    "null in a row": (bent(transfer=[0.5, [None]]), r"'transfer' must hold numbers"),
    "too few labels": (bent(scores=ROWS[1:]), r"'scores' must be 3 lists, one for each of \(0, 4, 16\) labels"),
    "too few arms": (bent(scores=[row[1:] for row in ROWS]), f"'scores' must hold {len(ARMS)} numbers in each list"),
    "scores of lists": (bent(scores=[[[0.5]] * len(ARMS)] * 3), "'scores' must hold numbers in"),
    "scores an object": (bent(scores={"0": 1}), "'scores' must be 3 lists"),
    "over all rehearsals": (bent(scores=[[4.1] * len(ARMS)] * 3), "'scores' must hold numbers in"),
    "no rehearsals but scores": (bent(rehearsals=0, scores=ROWS), r"'scores' must hold numbers in \[0, 1e-09\]"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_was_never_measured_is_refused(tmp_path: Path, small: Contribution, name: str) -> None:
    """A file that holds anything else ends in a DataError that names it and the field."""
    change, said = HOSTILE[name]
    path = tmp_path / "site.json"
    path.write_text(json.dumps(change(json.loads(small.to_json()))))
    with pytest.raises(DataError, match=rf"^{path}: .*{said}") as caught:
        read_contribution(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON that can be read"),
        (b"PK\x03\x04", "not JSON that can be read"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 10_000, "not JSON that can be read"),
        (b'{"format": "a", "format": "b"}', "a field is given twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b" " * (LARGEST_FILE + 1), "over 1000000 bytes"),
    ],
    ids=["empty", "zip", "lists", "objects", "number", "twice", "utf-16", "large"],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Bytes that are no JSON, or too many or too deep, end in a DataError that names the file."""
    path = tmp_path / "site.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path}: .*{said}"):
        read_contribution(path)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("place", ["transfer", "scores"])
def test_what_is_no_number_is_refused(tmp_path: Path, small: Contribution, literal: str, place: str) -> None:
    """Not a number and infinity, which JSON does not have, are refused wherever they stand."""
    record = json.loads(small.to_json())
    if place == "scores":
        record[place][1][7] = 0.123456789
    else:
        record[place][0] = 0.123456789
    path = tmp_path / "site.json"
    path.write_text(json.dumps(record).replace("0.123456789", literal))
    with pytest.raises(DataError, match=rf"{path}: .*(is no number|must hold numbers)"):
        read_contribution(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(DataError, match=rf"can't read {tmp_path / 'site.json'}"):
        read_contribution(tmp_path / "site.json")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -0.1])
def test_statistics_made_in_python_are_checked_too(small: Contribution, number: float) -> None:
    """Whoever makes one by hand is told what is wrong in it, by the institution's name."""
    with pytest.raises(DataError, match="statistics of 'hospital 1': 'transfer' must hold numbers"):
        replace(small, transfer=(number, 0.5))


def test_names_in_a_file_are_compared_in_their_normal_form(tmp_path: Path) -> None:
    """A file that another program wrote with other blanks or decomposed letters is of the same institutions."""
    made = [*those_of(hospitals(3, 24), "hospital 0", "hospital 1"), Demonstration("Köln", "xray chest", "odd")]
    with filled(tmp_path / "x.db", made) as library:
        found = statistics_of(library, "Köln")
    text = found.to_json().replace("Köln", " Ko\u0308ln").replace("hospital 0", "hospital\u00a00 ")
    assert "Köln" not in text
    assert Contribution.from_json(text) == found
