"""Erasure of demonstrations and of everything derived from them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, select, text

from metachain.embedding.similarity import text_sha256
from metachain.library.audit_chain import note
from metachain.library.database.bulk import batched
from metachain.library.database.engine import is_postgresql, outside_transactions
from metachain.library.database.schema import (
    artifacts,
    demonstrations,
    embeddings,
    grants,
    groups,
    keys,
    outcomes,
    receipts,
)
from metachain.library.revisions import bump_counter, bump_revision
from metachain.library.vector_index import rewrite
from metachain.normal_form import normal_form
from metachain.timestamps import now

__all__ = ["ANSWERS", "FUSION", "POSTERIOR", "Doomed", "Erased", "erase", "receipts_of", "records_sha256", "scrub"]

KEYS_A_QUERY = 400
WAIT_FOR_READERS_MS = 2000
"""Time that a scrub waits for readers of older data, in milliseconds."""
POSTERIOR = "posterior of "
FUSION = "fusion of "
PRIORS = "prior"
"""Start of the names of the common prior and of institutions' own."""
LEARNED = (PRIORS, POSTERIOR, FUSION)
"""Prefixes of artifacts that are learned from all demonstrations."""
POLICY = "policy of "
ANSWERS = "answers of "


@dataclass(frozen=True, slots=True)
class Doomed:
    """Target of an erasure: a demonstration, a recorded answer, a patient, or an institution with all its data."""

    institution: str | None = None
    id: str | None = None
    """Id of a demonstration."""
    patient: str | None = None
    answer: str | None = None
    """Id of an outcome; the demonstration made from its correction is erased with it."""

    def __post_init__(self) -> None:
        """Bring names and ids into their normal form."""
        for name in ("institution", "id", "patient", "answer"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, normal_form(value))

    @property
    def kind(self) -> str:
        """``demonstration``, ``answer``, ``patient`` or ``institution``."""
        kinds = {"answer": self.answer, "demonstration": self.id, "patient": self.patient}
        return next((kind for kind, given in kinds.items() if given is not None), "institution")

    @property
    def whole_institution(self) -> bool:
        """True if an institution is erased with all its data."""
        return self.kind == "institution"


@dataclass(frozen=True, slots=True)
class Erased:
    """Receipt of an erasure, kept in the library. It holds no text, no id of a demonstration and no patient."""

    id: str
    at: str
    """Time of the erasure, UTC, ISO 8601."""
    what: str
    """``demonstration``, ``answer``, ``patient`` or ``institution``."""
    demonstrations: dict[str, int]
    """Number of demonstrations by institution."""
    outcomes: int
    """Number of answers that were given to these inputs or were shown these demonstrations."""
    embeddings: int
    """Number of vectors."""
    artifacts: tuple[str, ...]
    """Names of artifacts and lists of answers, in alphabetical order."""
    sha256: str
    """Hash of the records in any order; a holder of the records can check it (``records_sha256``)."""


def erase(connection: Connection, doomed: Doomed) -> Erased | None:
    """Delete demonstrations and everything that may depend on them, within a transaction that writes alone.

    Dependent data are: outcomes that asked the same input, were shown the demonstration or were corrected to it;
    vectors of texts that no demonstration has any more; every prior, posterior and fusion; the policy of each model
    that lost an outcome or has demoted a demonstration that is erased; and, for a whole institution, its list of
    answers, sharing rules, memberships and keys. Returns None if there was nothing to erase.
    """
    gone = connection.execute(select(demonstrations).where(*_conditions(doomed))).all()
    lost = _affected_outcomes(connection, doomed, gone)
    names = _affected_artifacts(connection, doomed, gone, lost)
    if not (gone or lost or (doomed.whole_institution and _has_rules_or_artifacts(connection, doomed.institution))):
        return None
    connection.execute(delete(demonstrations).where(*_conditions(doomed)))
    for key, values in ((outcomes.c.id, sorted({row.id for row in lost})), (artifacts.c.name, names)):
        for batch in batched(values, KEYS_A_QUERY):
            connection.execute(delete(key.table).where(key.in_(batch)))
    texts = {row.text_sha256 for row in gone} | {text_sha256(row.input) for row in lost}
    vectors = _delete_vectors(connection, texts)
    if doomed.whole_institution:
        for table in (grants, groups):
            connection.execute(delete(table).where(table.c.institution == doomed.institution))
        bump_counter(connection, "rules")
        if connection.execute(delete(keys).where(keys.c.institution == doomed.institution)).rowcount:
            bump_counter(connection, "keys")
    bump_counter(connection, "forgotten")
    if any(name.startswith(PRIORS) for name in names):
        bump_counter(connection, "learned")
    counts = Counter(row.institution for row in gone)
    bump_revision(connection, {*counts, *(row.institution for row in lost)})
    digest = records_sha256((row.institution, row.id, row.input, row.output) for row in gone)
    found = Erased(
        str(uuid4()), now(), doomed.kind, dict(sorted(counts.items())), len(lost), vectors, tuple(names), digest
    )
    connection.execute(receipts.insert(), [{"id": found.id, "at": found.at, "receipt": asdict(found)}])
    named = doomed.institution or "" if doomed.whole_institution else ""
    note(connection, "forget", named, {"receipt": found.id, "what": found.what, "demonstrations": found.demonstrations})
    return found


def records_sha256(records: Iterable[tuple[str, str, str, str]]) -> str:
    """Hash of records (institution, id, input, output) in any order: SHA-256 over their sorted SHA-256 digests."""
    each = sorted(sha256(json.dumps(record).encode()).hexdigest() for record in records)
    return sha256("".join(each).encode()).hexdigest()


def receipts_of(connection: Connection) -> list[Erased]:
    """All receipts, oldest first."""
    rows = connection.execute(select(receipts.c.receipt).order_by(receipts.c.at, receipts.c.id)).scalars()
    return [Erased(**{**one, "artifacts": tuple(one["artifacts"])}) for one in rows]


def scrub(engine: Engine) -> bool:
    """Remove the bytes of deleted rows from the database's files; returns False if a reader prevented it.

    SQLite overwrites deleted rows with zeros; the write-ahead log is emptied here, unless another process still reads
    an older state. In PostgreSQL the tables are rewritten; the operator is responsible for its write-ahead log and
    backups.
    """
    if is_postgresql(engine):
        with outside_transactions(engine) as connection:
            for table in (demonstrations, outcomes, embeddings, artifacts):
                connection.execute(text(f"VACUUM FULL {table.name}"))
            rewrite(connection)
        return True
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        (timeout,) = raw.execute("PRAGMA busy_timeout").fetchone()
        raw.execute(f"PRAGMA busy_timeout = {WAIT_FOR_READERS_MS}")
        busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        raw.execute(f"PRAGMA busy_timeout = {timeout}")
    return not busy


def _has_rules_or_artifacts(connection: Connection, institution: str | None) -> bool:
    """True if an institution without demonstrations has a sharing rule, a list of answers or a posterior."""
    names = [f"{kind}{institution}" for kind in (ANSWERS, POSTERIOR)]
    rules = select(grants.c.institution).where(grants.c.institution == institution)
    return (
        connection.execute(rules.union_all(select(artifacts.c.name).where(artifacts.c.name.in_(names)))).first()
        is not None
    )


def _conditions(doomed: Doomed) -> list[ColumnElement[bool]]:
    if doomed.answer is not None:
        return [demonstrations.c.id == f"feedback {doomed.answer}"]
    named = {"institution": doomed.institution, "id": doomed.id, "patient": doomed.patient}
    return [demonstrations.c[column] == value for column, value in named.items() if value is not None]


def _affected_outcomes(connection: Connection, doomed: Doomed, gone: Sequence[Row[Any]]) -> list[Row[Any]]:
    keys = {(row.institution, row.id) for row in gone}
    asked = {(row.institution, row.text_sha256) for row in gone}
    corrected = {row._mapping["metadata"].get("feedback") for row in gone}
    everything_of = doomed.institution if doomed.whole_institution else None

    def is_affected(row: Row[Any]) -> bool:
        shown = {(institution, id) for institution, id in row.shown}
        sources = {row.institution, *(institution for institution, _ in shown)}
        return (
            everything_of in sources
            or row.id in corrected | {doomed.answer}
            or bool(shown & keys)
            or (row.institution, text_sha256(row.input)) in asked
        )

    columns = (outcomes.c[name] for name in ("id", "institution", "model", "input", "shown"))
    return list(filter(is_affected, connection.execute(select(*columns))))


def _affected_artifacts(
    connection: Connection, doomed: Doomed, gone: Sequence[Row[Any]], lost: Sequence[Row[Any]]
) -> list[str]:
    keys = {(row.institution, row.id) for row in gone}
    learned = LEARNED if keys or doomed.whole_institution else ()
    named = {f"{POLICY}{row.model}" for row in lost} | {f"{POSTERIOR}{row.institution}" for row in lost}
    if doomed.whole_institution:
        named.add(f"{ANSWERS}{doomed.institution}")
    found = []
    for name, header in connection.execute(select(artifacts.c.name, artifacts.c.header)):
        policy = header.get("policy", {}) if name.startswith(POLICY) else {}
        demoted = {(institution, id) for institution, id in policy.get("demoted", ())}
        if name.startswith(learned) or name in named or demoted & keys:
            found.append(name)
    return sorted(found)


def _delete_vectors(connection: Connection, hashes: set[str]) -> int:
    """Delete the vectors of texts that no demonstration has any more."""
    deleted = 0
    for batch in batched(sorted(hashes), KEYS_A_QUERY):
        held = select(demonstrations.c.text_sha256).where(demonstrations.c.text_sha256.in_(batch))
        where = embeddings.c.text_sha256.in_(batch), embeddings.c.text_sha256.not_in(held)
        deleted += connection.execute(select(func.count()).select_from(embeddings).where(*where)).scalar_one()
        connection.execute(delete(embeddings).where(*where))
    return deleted
