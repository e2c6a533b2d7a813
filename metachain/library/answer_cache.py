"""Answers of models, cached in a file so that no answer is paid for twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Engine, MetaData, String, Table, Text, select

from metachain.library.database.bulk import batched, insert_new
from metachain.library.database.engine import reading, writing
from metachain.library.embedding_cache import cache_engine

__all__ = ["AnswerCache"]

KEYS_A_QUERY = 500

_tables = MetaData()
_answers = Table(
    "answers", _tables, Column("key", String(64), primary_key=True), Column("answer", Text, nullable=False)
)


class AnswerCache:
    """Answers by the hash of their prompt and model. The file holds no prompts, but the plain answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _tables.create_all(connection)

    @classmethod
    @contextmanager
    def open(cls, path: Path | None) -> Iterator["AnswerCache"]:
        """Open the cache in the same file as ``cached_vectors``."""
        with cache_engine(path) as engine:
            yield cls(engine)

    def by_key(self, keys: Sequence[str]) -> dict[str, str]:
        """Cached answers for these keys, by key; keys without an answer are left out."""
        with reading(self._engine) as connection:
            return {
                row.key: row.answer
                for batch in batched(keys, KEYS_A_QUERY)
                for row in connection.execute(select(_answers).where(_answers.c.key.in_(batch)))
            }

    def keep(self, key: str, answer: str) -> None:
        """Store an answer; it is on disk on return. Raises StorageError if it can't be stored."""
        row = {"key": key, "answer": answer.encode(errors="replace").decode()}
        with writing(self._engine) as connection:
            insert_new(connection, _answers, [row])
