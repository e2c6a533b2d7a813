"""Reading rows by their keys, on both engines."""

from pathlib import Path

from sqlalchemy import text

from metachain.data.demonstration import Demonstration
from metachain.library.database.bulk import with_keys
from metachain.library.database.engine import KEEPER, reading
from metachain.library.database.schema import demonstrations as table
from metachain.library.library import Library


def test_rows_are_found_by_their_keys(place: str) -> None:
    """Any text works as a key: quotation marks, other scripts, texts like numbers or JSON."""
    odd = ["7", "07", '{"a": 1}', "it's", "🩻", "null", "x y"]
    with Library.open(place) as library:
        library.add(Demonstration(one, "input", "output", other) for one in odd for other in odd)
        keys = [(one, one) for one in odd] + [("7", "absent"), ("absent", "7")]
        with reading(library._engine, KEEPER) as connection:
            found = connection.execute(with_keys(connection, table, keys)).all()
    assert sorted((row.institution, row.id) for row in found) == sorted((one, one) for one in odd)


def test_sqlite_uses_its_index(tmp_path: Path) -> None:
    """SQLite finds rows by the index; a scan of the table would slow down a growing library."""
    with Library.open(tmp_path / "x.db") as library, reading(library._engine, KEEPER) as connection:
        query = with_keys(connection, table, [("a", "b")])
        words = query.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {words}"))]
    assert any("SEARCH demonstrations USING INDEX" in step for step in plan)
    assert "SCAN demonstrations" not in plan
