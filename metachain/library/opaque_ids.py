"""Ids of demonstrations as other institutions see them: nobody can guess a text and check the guess by its id."""

import hmac
import secrets

from sqlalchemy import Engine, select

from metachain.library.database.bulk import insert_new
from metachain.library.database.engine import KEEPER, reading, writing
from metachain.library.database.schema import secrets as table

__all__ = ["OpaqueIds"]

NAME = "ids"
DIGITS = 20
STORED = select(table.c.value).where(table.c.name == NAME)


class OpaqueIds:
    """Keyed hashes of one library's ids, with a secret that the library makes at first use and never shows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._secret = b""

    def of(self, institution: str, id: str) -> str:
        """HMAC-SHA256 of a demonstration's institution and id: 20 hexadecimal digits, the same on all workers.

        Raises StorageError where the library has no secret yet and can't be written.
        """
        self._secret = self._secret or self._stored() or self._made()
        return hmac.digest(self._secret, f"{institution}\0{id}".encode(), "sha256").hex()[:DIGITS]

    def _stored(self) -> bytes:
        with reading(self._engine) as connection:
            return bytes.fromhex(connection.execute(STORED).scalar() or "")

    def _made(self) -> bytes:
        with writing(self._engine, KEEPER, alone=True) as connection:
            insert_new(connection, table, [{"name": NAME, "value": secrets.token_hex(32)}])
            return bytes.fromhex(connection.execute(STORED).scalar_one())
