"""Removal of the vectors of long texts that an earlier version embedded by their beginnings alone."""

import re

from sqlalchemy import Connection, bindparam, delete, select

from metachain.embedding.encoder import MiniLM
from metachain.embedding.similarity import normalise_text
from metachain.library.database.bulk import batched
from metachain.library.database.schema import demonstrations, embeddings, placed

__all__ = ["remove_cut_vectors"]

OURS = re.compile(r".+/[0-9a-f]{12}")
"""Fingerprints of the encoders that embed long texts in parts. Other encoders' vectors have not changed."""
SURELY_SHORT = 126
"""Bytes of a text that fits into any model's window of 128 tokens or more: a token has a byte at least."""
MINILM_SHORT = 254
ROWS_AT_ONCE = 5000
KEYS_AT_ONCE = 500


def remove_cut_vectors(connection: Connection) -> int:
    """Remove the vectors of all texts that may be longer than the encoder's window, or are unknown; their number.

    Vectors of texts that surely fit stay as they are.
    """
    named = set(connection.execute(select(embeddings.c.fingerprint).distinct()).scalars())
    removed = 0
    for fingerprint in sorted(filter(OURS.fullmatch, named)):
        short = _short_texts(connection, MINILM_SHORT if fingerprint == MiniLM.fingerprint else SURELY_SHORT)
        own = embeddings.c.fingerprint == fingerprint
        cut = [
            key for key in connection.execute(select(embeddings.c.text_sha256).where(own)).scalars() if key not in short
        ]
        for batch in batched(cut, KEYS_AT_ONCE):
            connection.execute(delete(embeddings).where(own, embeddings.c.text_sha256.in_(batch)))
            _remove_placed(connection, fingerprint, batch)
        removed += len(cut)
    return removed


def _short_texts(connection: Connection, most: int) -> set[str]:
    """Hashes of the library's texts of at most so many bytes."""
    columns = demonstrations.c
    rows = connection.execute(select(columns.text_sha256, columns.input)).yield_per(ROWS_AT_ONCE)
    return {sha256 for sha256, text in rows if len(text) <= 2 * most and len(normalise_text(text).encode()) <= most}


def _remove_placed(connection: Connection, fingerprint: str, keys: list[str]) -> None:
    columns = demonstrations.c
    found = select(columns.institution, columns.id).where(columns.text_sha256.in_(keys))
    rows = connection.execute(found).all()
    ours = placed.c.fingerprint == fingerprint
    one = ours & (placed.c.institution == bindparam("of")) & (placed.c.id == bindparam("named"))
    if rows:
        connection.execute(delete(placed).where(one), [{"of": row[0], "named": row[1]} for row in rows])
