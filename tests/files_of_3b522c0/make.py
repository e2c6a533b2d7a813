# Longer than 300 lines: one program that ran once, with a version that has none of today's helpers.
"""Makes the files of this folder, with the version before the move to packages (commit 3b522c0) and never a later one.

It is kept to show how they were made. From a checkout of that commit, with its virtual environment, NEW being this one:

    PYTHONPATH=.:tests:benchmarks:NEW/tests/support HF_HUB_OFFLINE=1 python NEW/tests/files_of_3b522c0/make.py
"""

import gzip
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from handmade import Tiny, jsonl
from handmade import metachain as command
from oracles import hospitals, note_writers
from postgres import PostgresServer, postgres_server
from recording import artifact, contents, mixed_up, plain, selections, suggestions

import metachain.embedding_cache
import metachain.vectors
from metachain import EVERYONE, Audience, Demonstration, Grant, Library, Selector, adapt, learn, suggest_labels
from metachain.answer_cache import AnswerCache
from metachain.chains import OfflineChatModel
from metachain.chains.answering import ModelAnswerer
from metachain.contribution import read_contribution
from metachain.forgetting import forget
from metachain.outcomes import Outcome
from metachain.policies import Learned, load_policy, save_policy
from metachain.policy import Policy
from metachain.posterior import load_posterior, save_posterior
from metachain.prior import load_prior, save_prior
from metachain.retrievers import DemonstrationVectorStore, EncoderEmbeddings

HERE = Path(__file__).parent
NEW = "hospital 5"
"""It has six labels, scored answers, a corrected one and its own prior."""
LISTED = "hospital 8"
"""It has a list of answers, no label, and everybody's prior."""
ASKED = ("hospital 0", NEW, LISTED)
LABELS = 6
END = datetime(2099, 12, 31, tzinfo=UTC)
POLICIES = {
    "usual": Policy(),
    "diverse": Policy(5, diversity=0.3, best_first=True),
    "weighed": Policy(6, 3.0, kept_share=0.1, demoted=frozenset({("hospital 1", "id 0")})),
    "nearest": Policy(3, 0),
}
LEARNED = Learned("stub:small", POLICIES["weighed"], "exact_match", 40, 30, 0.125, (0.025, 0.225))
PROMPTS = [((("xray chest", "code 0"), ("mri brain", "code 2")), text) for text in ("xray knee", "blood count")]
STATISTICS = "statistics elsewhere.db", "hospital 7", "--json", "statistics.json"
LEARN = "learn learn.db --model offline --calls 80 --max-concurrency 1"
EVALUATE = "--labels 0,4 --seeds 1 --shots 4 --queries 8 --json"
PRIVATE = "hospital 7"
"""It gives its statistics to the libraries elsewhere."""
SOURCES = tuple(f"hospital {number}" for number in range(4))


def main() -> None:
    """Make all files anew."""
    metachain.vectors.FEWEST_IN_FILE = 40  # texts, so that a small library has its file of vectors
    for path in HERE.iterdir():
        if path.name != "make.py" and path.is_file():
            path.unlink()
    shutil.rmtree(HERE / "store", ignore_errors=True)
    made = hospitals(count=9, each=20)
    jsonl(HERE / "demonstrations.jsonl", [_record(one) for one in made])
    notes = note_writers(count=5, each=20)
    jsonl(HERE / "notes.jsonl", [_record(one) for one in notes])
    with TemporaryDirectory() as name:
        folder = Path(name)
        sqlite = library_of(str(folder / "library.db"), made)
        expected = {
            "sqlite": sqlite,
            "postgresql": _differing(postgresql(made), sqlite),
            "policies": {title: policy.to_json() for title, policy in POLICIES.items()},
            "learned": learn_model(folder),
            "notes": notes_library(folder / "notes.db", notes),
            "refused": refused(folder / "refused.db", made),
            **statistics(folder, made),
            **caches(folder, made),
            "store": store(made),
        }
        evaluations(folder)
        for one in ("library", "notes", "cache"):
            _pack(folder / f"{one}.db", f"{one}.sqlite.gz")
        shutil.copy(folder / "library.db-vectors.npz", HERE / "vectors.npz")
    lines = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in expected.items())
    (HERE / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _pack(path: Path, name: str) -> None:
    (HERE / name).write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def _differing(found: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Keep the keys whose values are not those of another, and keys of keys."""
    parts = {key: value for key, value in found.items() if value != other[key]}
    nested = {key: _differing(value, other[key]) for key, value in parts.items() if isinstance(value, dict)}
    return {**parts, **nested}


def _record(one: Demonstration) -> dict[str, Any]:
    names = ("institution", "input", "output", "id", "metadata")
    return {name: dict(one.metadata) if name == "metadata" else getattr(one, name) for name in names}


def library_of(place: str, made: Sequence[Demonstration]) -> dict[str, Any]:
    """Fill a library, learn, adapt and select; everything that can be read of it."""
    texts = [one.input for one in made if one.institution == NEW][LABELS:]
    with Library.open(place, Tiny()) as library:
        _fill(library, made)
        secrets = _learn(library)
        index = library.index() if place.startswith("postgresql") else 0
        Selector(library, load_posterior(library, NEW)).select_many(texts[:2])
        id = next(library.audit.entries()).id
        library.audit.told(id, outcome="run 1", model="stub:small", demonstration_tokens=40, input_tokens=60)
    with Library.open(place, Tiny(), audit=False) as library:
        found: dict[str, Any] = {"contents": contents(library), "secrets": secrets, "index": index}
        found["policy"] = load_policy(library, LEARNED.model).to_json()
        found["selections"] = chosen(library, texts)
        found["suggestions"] = {
            name: suggestions(suggest_labels(library, load_posterior(library, name), texts, 4)) for name in ASKED
        }
        found["nearest"] = [
            plain([[*one.demonstration.key, one.similarity] for one in some])
            for some in library.nearest(NEW, library.encoder.encode(texts), 5)
        ]
        found["labels"] = {name: list(Selector(library, load_posterior(library, name)).labels) for name in ASKED}
    with Library.open(place, Tiny(), audit=False, purpose="research") as library:
        posterior = adapt(learn(library, NEW), library, NEW)
        found["research"] = selections(Selector(library, posterior).select_many(texts))
    return found


def chosen(library: Library, texts: Sequence[str]) -> dict[str, Any]:
    """Select for every institution by every policy."""
    return {
        name: {
            title: selections(Selector(library, load_posterior(library, name), policy=policy).select_many(texts))
            for title, policy in POLICIES.items()
        }
        for name in ASKED
    }


def _fill(library: Library, made: Sequence[Demonstration]) -> None:
    own = [one for one in made if one.institution == NEW]
    library.add(one for one in made if one.institution not in (NEW, LISTED))
    library.add(own[:LABELS])
    library.add([Demonstration("hospital 1", "xray chest ward z", "code 7", "doomed", {"patient": "p 1"})])
    library.sharing.state_all(
        {
            **{name: [EVERYONE] for name in SOURCES},
            "hospital 4": [Grant(Audience("everyone"), "statistics")],
            "hospital 6": [Grant(Audience("group", ("north",)), purposes=("audit", "research"), until=END)],
            "hospital 7": [Grant(Audience("institution", (NEW,)))],
            NEW: [],
        }
    )
    library.sharing.group("north", [NEW, "hospital 6"])
    library.outcomes.record(
        [
            Outcome("run 1", "chain", NEW, own[6].input, "stub:small", (("hospital 0", "id 1"),), own[6].output),
            Outcome("run 2", "chain", NEW, own[7].input, "stub:small", (), "code 7", "exact_match", 0.0, None, 30, 2),
            Outcome("run 3", "chain", NEW, own[8].input, "stub:small", (), own[9].output),
            Outcome("call 1", "collected", "hospital 0", "xray knee ward a", "stub:small", (), "code 1", score=1.0),
        ]
    )
    library.record_feedback("run 1", 0.75)
    library.record_feedback("run 3", correction=own[8].output)
    library.list_answers(LISTED, sorted({one.output for one in made if one.institution == LISTED}))
    forget(library, patient="p 1")


def _learn(library: Library) -> list[str]:
    """Learn and adapt; the secrets of two keys."""
    save_prior(library, learn(library))
    save_prior(library, learn(library, NEW), NEW)
    for name in ASKED:
        save_posterior(library, adapt(load_prior(library, name), library, name))
    save_policy(library, LEARNED)
    return [library.keys.make(NEW, ["ask", "explain"], END)[1], library.keys.make(None)[1]]


def postgresql(made: Sequence[Demonstration]) -> dict[str, Any]:
    """Do the same in PostgreSQL, whose dump is ``postgresql.sql``."""
    with postgres_server() as server:
        name = server.create_database()
        expected = library_of(server.url(name), made)
        (HERE / "postgresql.sql").write_text(_dump(server, name), encoding="utf-8")
    return expected


def _dump(server: PostgresServer, name: str) -> str:
    """SQL text without the commands of psql, and without the extension, which an empty database has."""
    server._run(
        "pg_dump", "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=200",
        f"--dbname={server.url(name, 'postgres').replace('+psycopg', '')}", f"--file={server.folder / 'dump'}",
    )  # fmt: skip
    lines = (server.folder / "dump").read_text(encoding="utf-8").splitlines()
    left_out = ("\\", "--", "CREATE EXTENSION", "COMMENT ON EXTENSION")
    return "\n".join(line for line in lines if line and not line.startswith(left_out)) + "\n"


def learn_model(folder: Path) -> dict[str, Any]:
    """Learn in a copy of the library from a model's answers, those of the offline reader."""
    shutil.copy(folder / "library.db", folder / "learn.db")
    _command(folder, *LEARN.split())
    with Library.open(folder / "learn.db", Tiny()) as library:
        collected = library.outcomes.of(origin="collected", model="offline")
        return {"command": LEARN, "policy": artifact(library, "policy of offline"), "collected": plain(collected)}


def refused(path: Path, made: Sequence[Demonstration]) -> dict[str, Any]:
    """Learn where the guard refuses learning."""
    past, own = (mixed_up(one for one in made if (one.institution == NEW) is own) for own in (False, True))
    with Library.open(path, Tiny(), audit=False) as library:
        library.add(past, share=EVERYONE)
        library.add(own[:LABELS])
        save_prior(library, learn(library))
        save_posterior(library, adapt(load_prior(library), library, NEW))
        texts = [one.input for one in own[LABELS:]]
        return {
            "artifacts": {name: artifact(library, name) for name in library.learned()},
            "selections": selections(Selector(library, load_posterior(library, NEW)).select_many(texts)),
        }


def notes_library(path: Path, notes: Sequence[Demonstration]) -> dict[str, Any]:
    """Learn where answers are texts."""
    new = "hospital 4"
    own = [one for one in notes if one.institution == new]
    with Library.open(path, Tiny(), audit=False) as library:
        library.add((one for one in notes if one.institution != new), share=EVERYONE)
        library.add(own[:LABELS])
        run = Outcome("run 1", "chain", new, own[LABELS].input, "stub:small", (), own[0].output, score=0.2)
        library.outcomes.record([run])
        save_prior(library, learn(library))
        save_posterior(library, adapt(load_prior(library), library, new))
        texts = [one.input for one in own[LABELS:]]
        posterior = load_posterior(library, new)
        return {
            "artifacts": {name: artifact(library, name) for name in library.learned()},
            "selections": selections(Selector(library, posterior).select_many(texts)),
            "suggestions": suggestions(suggest_labels(library, posterior, texts, 4)),
        }


def statistics(folder: Path, made: Sequence[Demonstration]) -> dict[str, Any]:
    """Measure an institution that keeps its demonstrations to itself, and learn from that elsewhere."""
    shared = [one for one in made if one.institution in SOURCES]
    with Library.open(folder / "elsewhere.db", Tiny()) as library:
        library.add(shared, share=EVERYONE)
        library.add(one for one in made if one.institution == PRIVATE)
    _command(folder, *STATISTICS)
    shutil.copy(folder / "statistics.json", HERE / "statistics.json")
    with Library.open(folder / "receiving.db", Tiny()) as library:
        library.add(shared, share=EVERYONE)
        library.sharing.state(PRIVATE, Grant(Audience("everyone"), "statistics"))
        save_prior(library, learn(library, statistics=[read_contribution(folder / "statistics.json")]))
        return {"statistics": artifact(library, "prior")}


def caches(folder: Path, made: Sequence[Demonstration]) -> dict[str, Any]:
    """Keep embeddings and answers in one file, as ``metachain evaluate --model --cache`` does."""
    usual, metachain.embedding_cache.MiniLM = metachain.embedding_cache.MiniLM, Tiny
    try:
        texts = [one.input for one in made[:20]]
        rows = metachain.embedding_cache.cached_vectors(texts, folder / "cache.db")
    finally:
        metachain.embedding_cache.MiniLM = usual
    with AnswerCache.open(folder / "cache.db") as cache:
        answers = ModelAnswerer(OfflineChatModel(), "offline:slow", cache, calls=10, instructions="Give it.")(PROMPTS)
    return {"embeddings": {"texts": texts, "vectors": rows.tolist()}, "answers": {"prompts": PROMPTS, "told": answers}}


def store(made: Sequence[Demonstration]) -> dict[str, Any]:
    """Save a LangChain vector store in the folder ``store``."""
    made = made[:24]
    held = DemonstrationVectorStore.from_texts(
        [one.input for one in made],
        EncoderEmbeddings(Tiny()),
        [{"institution": one.institution, "output": one.output} for one in made],
        ids=[f"{one.institution}/{one.id}" for one in made],
    )
    held.delete([f"{made[3].institution}/{made[3].id}"])
    held.save(HERE / "store")
    return {
        query: [
            plain([one.id, one.page_content, one.metadata, score])
            for one, score in held.similarity_search_with_score(query, 5, filter={"institution": "hospital 0"})
        ]
        for query in ("xray chest ward a", "visit at night")
    }


def evaluations(folder: Path) -> None:
    """Evaluate labels and texts, with every reader, fewer past institutions and parts left out."""
    for data, more in (
        ("demonstrations", "--past 3 --ablate all --selectors metachain,hybrid,prior,listed"),
        ("notes", "--readers all"),
    ):
        shutil.copy(HERE / f"{data}.jsonl", folder)
        _command(
            folder, "evaluate", f"{data}.jsonl", *EVALUATE.split(), f"{data}.json", *more.split(), "--cache", "new.db"
        )
        _pack(folder / f"{data}.json", f"evaluation of {data}.json.gz")


def _command(folder: Path, *arguments: str) -> None:
    done = command(*(arguments[0].split() + list(arguments[1:])), cwd=folder)
    if done.returncode:
        raise RuntimeError(done.stderr)


if __name__ == "__main__":
    main()
