"""Files of the version before the move to packages (commit 3b522c0) open unchanged, and give the same numbers.

``tests/files_of_3b522c0/make.py`` made them with that version; ``expected.json`` is what that version read of them.
"""

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Tiny, metachain
from recording import artifact, assert_same, contents, mixed_up, plain, suggestions

from metachain import EVERYONE, Audience, Grant, Library, Selector, adapt, learn, read_demonstrations, suggest_labels
from metachain.chains import OfflineChatModel
from metachain.chains.model_answerer import ModelAnswerer
from metachain.embedding.similarity import same_text
from metachain.errors import DataError
from metachain.learning import guard, load_posterior, load_prior, read_contribution, save_posterior, save_prior
from metachain.learning.site_statistics import METHOD, Contribution
from metachain.library.answer_cache import AnswerCache
from metachain.library.embedding_cache import cached_vectors
from metachain.retrievers import DemonstrationVectorStore, EncoderEmbeddings
from metachain.selection import Policy, read_policy

FILES = Path(__file__).parents[1] / "files_of_3b522c0"
EXPECTED = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))
NEW = "hospital 5"
"""The institution with labels, scored answers and its own prior."""
NAMES = tuple(EXPECTED["sqlite"]["selections"])
QUERIES = [one["query"] for one in EXPECTED["sqlite"]["selections"][NEW]["usual"]]
NOW_LEARNED = ("unlabelled", "labelled", "sharpness", "until", "learned")
UNCHANGED = ("zero", "random", "bm25", "semantic", "mmr", "support")
"""Selectors that choose as they did."""
SUMMED = ("selector", "labels")


def unpacked(name: str, to: Path) -> Path:
    """Unpack a file of before."""
    to.write_bytes(gzip.decompress((FILES / f"{name}.gz").read_bytes()))
    return to


def as_before(prior: dict[str, Any]) -> dict[str, Any]:
    """A prior's artefact without its calibrations and sharpness."""
    header = {name: part for name, part in prior["header"].items() if name not in NOW_LEARNED}
    return {**prior, "header": header}


def as_far_as(expected: Any, found: Any) -> Any:
    """The fields of ``found`` that the version before had."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {name: as_far_as(value, found[name]) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [as_far_as(*both) for both in zip(expected, found, strict=True)]
    return found


@pytest.fixture
def first_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard compares the arms of before, whose experts had other exponents and no lift."""
    of_before = {arm: replace(arm, usage=0.3, vote=0.2, lift=0.0, coverage=None) for arm in guard.ARMS if arm}
    monkeypatch.setattr(guard, "ARMS", (guard.NEAREST, *of_before.values()))
    monkeypatch.setattr(guard, "KERNELS", {key: of_before[arm] for key, arm in guard.KERNELS.items()})
    monkeypatch.setattr(guard, "PLAINEST", of_before[guard.PLAINEST])


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The database that holds the library."""
    return str(request.param)


@pytest.fixture
def place(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Path or address of a copy of the library."""
    if engine == "sqlite":
        return str(unpacked("library.sqlite", tmp_path / "library.db"))
    url: str = request.getfixturevalue("postgres_url")
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute((FILES / "postgresql.sql").read_text(encoding="utf-8"))  # type: ignore[call-overload]
    return url


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """The library, opened so that selecting adds nothing to it."""
    with Library.open(place, Tiny(), create=False, audit=False) as opened:
        yield opened


@pytest.fixture
def expected(engine: str) -> dict[str, Any]:
    """Record of what the version before read; for PostgreSQL only the differences from SQLite are kept."""
    found, differing = dict(EXPECTED["sqlite"]), EXPECTED["postgresql"] if engine == "postgresql" else {}
    return {**found, **differing, "contents": {**found["contents"], **differing.get("contents", {})}}


def test_all_that_was_stored_is_read(library: Library, expected: dict[str, Any]) -> None:
    """Demonstrations, rules, outcomes, audit, keys, answers, receipts and artefacts are read bit by bit."""
    found = contents(library)
    for name, value in expected["contents"].items():
        assert json.dumps(as_far_as(value, found[name])) == json.dumps(value), name
    assert found["audit"]
    assert library.audit.verify().broken is None
    assert library.audit.verify().entries == len(found["audit"])
    assert found["receipts"]


def test_keys_open_what_they_opened(library: Library, expected: dict[str, Any]) -> None:
    """Each secret given out before belongs to the key it did."""
    found = [plain(library.keys.of(secret)) for secret in expected["secrets"]]
    before = sorted(expected["contents"]["keys"], key=lambda key: key["id"])
    assert as_far_as(before, sorted(found, key=lambda key: key["id"])) == before


def test_the_learned_policy_is_read(library: Library, expected: dict[str, Any]) -> None:
    """The policy, and the numbers of its gain."""
    learned = read_policy(library, "stub:small")
    assert learned.policy == Policy.from_json(expected["policy"]) == Policy.from_json(EXPECTED["policies"]["weighed"])
    assert (learned.policy.shots, learned.policy.demoted) == (6, {("hospital 1", "id 0")})
    assert (learned.trials, learned.questions, learned.gain, learned.interval) == (40, 30, 0.125, (0.025, 0.225))


@pytest.mark.usefixtures("first_edition")
@pytest.mark.parametrize("institution", [None, NEW])
def test_the_same_is_learned(library: Library, expected: dict[str, Any], institution: str | None) -> None:
    """Learning from the same demonstrations stores the same prior; one that is read and stored is as it was.

    Of the arms of before. Calibrations are learned from more answers now, and there was no sharpness.
    """
    name = f"prior of {institution}" if institution else "prior"
    was = expected["contents"]["artifacts"][name]
    save_prior(library, load_prior(library, institution), institution)
    stored = artifact(library, name)
    assert stored["header"].pop("sharpness") == 1.0
    assert stored["header"].pop("until") == 0  # with the demonstrations that were there before changes were counted
    assert stored["header"].pop("learned")
    assert json.dumps(stored) == json.dumps(was)
    save_prior(library, learn(library, institution), institution)
    assert_same(as_before(artifact(library, name)), as_before(was))


@pytest.mark.parametrize("institution", NAMES)
def test_the_same_posterior_is_computed(library: Library, expected: dict[str, Any], institution: str) -> None:
    """Adapting gives the digest and the arrays of before, so that a stored posterior is used and not made anew."""
    name = f"posterior of {institution}"
    was = expected["contents"]["artifacts"][name]
    stored = load_posterior(library, institution)
    again = adapt(load_prior(library, institution), library, institution)
    assert stored.digest == again.digest == was["header"]["digest"]
    save_posterior(library, stored)
    assert json.dumps(artifact(library, name)) == json.dumps(was)
    save_posterior(library, again)
    assert_same(artifact(library, name), was)


@pytest.mark.parametrize("institution", NAMES)
@pytest.mark.parametrize("policy", EXPECTED["policies"])
def test_a_policy_of_before_selects(library: Library, expected: dict[str, Any], institution: str, policy: str) -> None:
    """Under each stored policy as many are shown as it allows, and none that it demotes, with the labels of before."""
    posterior, known = load_posterior(library, institution), Policy.from_json(EXPECTED["policies"][policy])
    selector = Selector(library, posterior, policy=known)
    for selection in selector.select_many(QUERIES):
        assert 0 < len(selection.chosen) <= known.shots
        assert not {one.key for one in selection.demonstrations} & known.demoted
    assert list(selector.labels()) == expected["labels"][institution]


@pytest.mark.parametrize("institution", NAMES)
def test_the_same_are_nearest_to_a_query(library: Library, expected: dict[str, Any], institution: str) -> None:
    """Plain nearest neighbours are those of before, where each text and answer counts once as it did then.

    Labels of the query's very text were left out then.
    """
    selector = Selector(library, load_posterior(library, institution), 100, Policy(nearest=True))
    own = [one for one in library.demonstrations() if one.institution == institution]
    for query, was in zip(QUERIES, expected["selections"][institution]["nearest"], strict=True):
        found = selector.select(query, without=[one for one in own if same_text(one.input) == same_text(query)])
        once = {(one.demonstration.input, one.demonstration.output): one for one in found.chosen[::-1]}
        near = sorted((one.similarity for one in once.values()), reverse=True)
        assert near[:3] == pytest.approx([similarity for *_, similarity, _ in was["chosen"][::-1]], abs=2e-5)


def test_learning_for_a_purpose_goes_on(place: str, expected: dict[str, Any]) -> None:
    """Demonstrations shared for research alone are learned from and shown for research."""
    with Library.open(place, Tiny(), audit=False, purpose="research") as library:
        found = Selector(library, adapt(learn(library, NEW), library, NEW)).select_many(QUERIES)
    assert [one.method for one in found] == [one["method"] for one in expected["research"]]
    assert all(one.chosen for one in found)


@pytest.mark.parametrize("institution", NAMES)
def test_the_same_labels_are_suggested(library: Library, expected: dict[str, Any], institution: str) -> None:
    """The same texts in the same order with the same gains."""
    found = suggest_labels(library, load_posterior(library, institution), QUERIES, 4)
    assert_same(suggestions(found), expected["suggestions"][institution])


def test_the_same_is_nearest(library: Library, expected: dict[str, Any]) -> None:
    """The database finds the same neighbours, in PostgreSQL by the index of before."""
    found = library.nearest(NEW, library.encoder.encode(QUERIES), 5)
    for near, was in zip(found, expected["nearest"], strict=True):
        assert [list(one.demonstration.key) for one in near] == [one[:2] for one in was]
        assert [one.similarity for one in near] == pytest.approx([one[2] for one in was], abs=2e-5)


def test_selecting_goes_on_where_it_was(place: str, expected: dict[str, Any]) -> None:
    """The next selection is recorded under the rules and the prior of the entries before it."""
    before = expected["contents"]["audit"]
    with Library.open(place, Tiny()) as library:
        Selector(library, load_posterior(library, NEW)).select(QUERIES[0])
        *known, last = (plain(one) for one in library.audit.entries())
    assert as_far_as(before, known) == before
    under = ("institution", "rules", "prior", "method")
    assert [last[key] for key in under] in [[one[key] for key in under] for one in before]


@pytest.mark.usefixtures("first_edition")
def test_answers_that_are_texts(tmp_path: Path) -> None:
    """A library whose answers are texts is read, learned and selected from as before."""
    was, institution = EXPECTED["notes"], "hospital 4"
    with Library.open(unpacked("notes.sqlite", tmp_path / "notes.db"), Tiny(), audit=False) as library:
        assert json.dumps({name: artifact(library, name) for name in library.learned()}) == json.dumps(was["artifacts"])
        stored = load_posterior(library, institution)
        again = adapt(load_prior(library), library, institution)
        assert again.digest == stored.digest
        queries = [one["query"] for one in was["selections"]]
        assert all(one.chosen for one in Selector(library, stored).select_many(queries))
        assert_same(suggestions(suggest_labels(library, stored, queries, 4)), was["suggestions"])
        save_posterior(library, again)
        save_prior(library, learn(library))
        found = {name: artifact(library, name) for name in library.learned()}
        for one in (found, was["artifacts"]):
            one["prior"] = as_before(one["prior"])
            one["prior"]["arrays"].pop("scores")  # of texts that were chosen otherwise
        assert_same(found, was["artifacts"])


@pytest.mark.usefixtures("first_edition")
def test_the_guard_refuses_as_before(tmp_path: Path) -> None:
    """Where nothing can be learned the prior says so, and plain nearest neighbours choose the same demonstrations."""
    was, made = EXPECTED["refused"], read_demonstrations(FILES / "demonstrations.jsonl")
    past, own = (mixed_up(one for one in made if (one.institution == NEW) is own) for own in (False, True))
    with Library.open(tmp_path / "refused.db", Tiny(), audit=False) as library:
        library.add(past, share=EVERYONE)
        library.add(own[:6])
        save_prior(library, learn(library))
        posterior = adapt(load_prior(library), library, NEW)
        save_posterior(library, posterior)
        found = {name: artifact(library, name) for name in library.learned()}
        for one in (found, was["artifacts"]):
            # Of the prior's own bits, which may differ in the last one.
            one[f"posterior of {NEW}"]["header"].pop("digest")
            one["prior"] = as_before(one["prior"])
        assert_same(found, was["artifacts"])
        queries = [one["query"] for one in was["selections"]]
        chosen = Selector(library, posterior).select_many(queries)
    assert {one.method for one in chosen} == {"nearest"}
    assert {one["method"] for one in was["selections"]} == {"nearest"}


@pytest.mark.parametrize("kept", [True, False])
def test_the_file_of_vectors_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """With the file beside the library nothing is embedded to learn, even where the database holds no embeddings.

    The file of before is made anew once, as the format has changed; the vectors in it are the same.
    """
    monkeypatch.setattr("metachain.library.vectors.FEWEST_IN_FILE", 40)
    path, encoder = unpacked("library.sqlite", tmp_path / "library.db"), Tiny()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM embeddings")
    shutil.copy(FILES / "vectors.npz", tmp_path / "library.db-vectors.npz")
    with Library.open(path, Tiny()) as library:
        demonstrations = library.demonstrations(*load_prior(library).institutions)
        library.hybrid_vectors(demonstrations)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM embeddings")
    if not kept:
        (tmp_path / "library.db-vectors.npz").unlink()
    with Library.open(path, encoder) as library:
        vectors = library.hybrid_vectors(demonstrations)
        assert bool(encoder.seen) is not kept
        with np.load(FILES / "vectors.npz", allow_pickle=False) as held:
            rows = {tuple(row) for row in held["rows"].tolist()}
    assert {tuple(row) for row in vectors.tolist()} <= rows or not kept


@pytest.mark.usefixtures("first_edition")
def test_statistics_are_learned_from_and_written_as_before(tmp_path: Path) -> None:
    """The file of before is refused, as the method is another; with the arms of before it teaches what it taught.

    The command writes the same fields again, of the same demonstrations.
    """
    with pytest.raises(DataError, match="another version of the method; measure again"):
        read_contribution(FILES / "statistics.json")
    was = json.loads((FILES / "statistics.json").read_text(encoding="utf-8"))
    fields = {name: value for name, value in was.items() if name != "method"}
    given = Contribution.from_json(json.dumps({**fields, "method": METHOD}))
    made = read_demonstrations(FILES / "demonstrations.jsonl")
    shared = [one for one in made if one.institution in given.sources]
    with Library.open(tmp_path / "receiving.db", Tiny()) as library:
        library.add(shared, share=EVERYONE)
        library.sharing.state(given.institution, Grant(Audience("everyone"), "statistics"))
        save_prior(library, learn(library, statistics=[given]))
        assert_same(as_before(artifact(library, "prior")), as_before(EXPECTED["statistics"]))
    with Library.open(tmp_path / "elsewhere.db", Tiny()) as library:
        library.add(shared, share=EVERYONE)
        library.add(one for one in made if one.institution == given.institution)
    written = tmp_path / "statistics.json"
    done = metachain("statistics", tmp_path / "elsewhere.db", given.institution, "--json", written)
    assert done.returncode == 0, done.stderr
    record = json.loads(written.read_text(encoding="utf-8"))
    for one in (record, was):
        assert len(one.pop("scores")) == 3
        one.pop("method")
    assert_same(record, was)
    assert written.read_text(encoding="utf-8") == read_contribution(written).to_json()


def test_the_vector_store_is_read(tmp_path: Path) -> None:
    """The folder is loaded, one text is embedded to check the model, and the same documents are found."""
    embedding = EncoderEmbeddings(Tiny())
    store = DemonstrationVectorStore.load(shutil.copytree(FILES / "store", tmp_path / "store"), embedding)
    assert len(embedding.encoder.seen) == 1  # type: ignore[attr-defined]
    assert len(store) == 23
    for query, was in EXPECTED["store"].items():
        found = store.similarity_search_with_score(query, 5, filter={"institution": "hospital 0"})
        assert [[one.id, one.page_content, one.metadata] for one, _ in found] == [one[:3] for one in was]
        assert [score for _, score in found] == pytest.approx([one[3] for one in was], abs=1e-6)


def test_caches_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is embedded again and no model is asked again."""
    encoder = Tiny()
    monkeypatch.setattr("metachain.library.embedding_cache.MiniLM", lambda: encoder)
    path = unpacked("cache.sqlite", tmp_path / "cache.db")
    assert cached_vectors(EXPECTED["embeddings"]["texts"], path).tolist() == EXPECTED["embeddings"]["vectors"]
    assert encoder.seen == []
    prompts = [(tuple(map(tuple, shown)), query) for shown, query in EXPECTED["answers"]["prompts"]]
    with AnswerCache.open(path) as cache:
        answerer = ModelAnswerer(OfflineChatModel(), "offline:slow", cache, calls=0, instructions="Give it.")
        assert answerer(prompts) == EXPECTED["answers"]["told"]
        assert answerer.calls == 0


@pytest.mark.parametrize("data", ["demonstrations", "notes"])
def test_an_evaluation_scores_the_same(tmp_path: Path, data: str) -> None:
    """``evaluate --json`` has the rows of before, and their scores for every selector that chooses as it did."""
    shutil.copy(FILES / f"{data}.jsonl", tmp_path)
    was = json.loads(gzip.decompress((FILES / f"evaluation of {data}.json.gz").read_bytes()))
    done = metachain(*was["settings"]["command"].split()[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / f"{data}.json").read_text(encoding="utf-8"))
    assert set(found) == set(was)
    for part in ("scores", "summary"):
        found[part] = [one for one in found[part] if one["selector"] != "metachain-lift"]  # a part of the method since
    for part, keys in (("scores", ("selector", "labels", "institution", "seed", "metric", "n")), ("summary", SUMMED)):
        assert [[one[key] for key in keys] for one in found[part]] == [[one[key] for key in keys] for one in was[part]]
        pairs = [
            (one, other) for one, other in zip(found[part], was[part], strict=True) if one["selector"] in UNCHANGED
        ]
        for one, other in pairs:
            assert_same({name: one[name] for name in other}, other)
    assert_same(found["transfer"], was["transfer"])
