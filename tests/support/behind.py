"""Direct changes and reads of a library's database, without metachain, in either engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, create_engine, make_url, text

__all__ = ["alter", "rows"]


def alter(place: str, statement: str, **given: Any) -> None:
    """Execute a statement; in PostgreSQL as the keeper, who sees every row."""
    with _transaction(place, {"keeper": "yes"}) as connection:
        connection.execute(text(statement), given)


def rows(place: str, query: str, **settings: str) -> list[tuple[Any, ...]]:
    """Rows of a query; in PostgreSQL under these ``metachain.`` settings, without which there are none."""
    with _transaction(place, settings) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@contextmanager
def _transaction(place: str, settings: dict[str, str]) -> Iterator[Connection]:
    engine = create_engine(make_url(place) if "://" in place else URL.create("sqlite", database=place))
    try:
        with engine.begin() as connection:
            for name, value in settings.items() if "://" in place else ():
                setting = {"name": f"metachain.{name}", "value": value}
                connection.execute(text("SELECT set_config(:name, :value, true)"), setting)
            yield connection
    finally:
        engine.dispose()
