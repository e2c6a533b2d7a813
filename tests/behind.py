"""Changing and reading a library's database behind metachain's back, in either engine."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url, text

__all__ = ["alter", "bare_engine", "rows"]

KEEPER = text("SELECT set_config('metachain.keeper', 'yes', true)")


def bare_engine(place: str) -> Engine:
    """SQLAlchemy's engine for the database at a path or an address, with none of our settings."""
    return create_engine(make_url(place) if "://" in place else URL.create("sqlite", database=place))


def alter(place: str, statement: str, **given: Any) -> None:
    """Execute a statement, in PostgreSQL as one that may see every row."""
    engine = bare_engine(place)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(KEEPER)
        connection.execute(text(statement), given)
    engine.dispose()


def rows(place: str, query: str, **settings: str) -> list[tuple[Any, ...]]:
    """Rows of a query; in PostgreSQL under these ``metachain.`` settings, and none where none is given."""
    engine = bare_engine(place)
    with engine.begin() as connection:
        for name, value in settings.items():
            connection.execute(
                text("SELECT set_config(:name, :value, true)"), {"name": f"metachain.{name}", "value": value}
            )
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found
