"""A library in PostgreSQL 15 or newer with pgvector; row-level security guards the rows of institutions."""

from importlib.util import find_spec

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from metachain.errors import DataError, LibraryError, NotFoundError, StorageError
from metachain.library.database.engine import KEEPER, Connections, place_of, reading, writing
from metachain.library.database.migrations import migrate, refuse_newer
from metachain.library.database.schema import SCHEMA_VERSION, demonstrations, placed, protected, tables

__all__ = ["open_postgresql"]

OLDEST = 15
"""Oldest supported major version of PostgreSQL."""
CONNECT_ARGUMENTS = {
    "connect_timeout": 10,
    "application_name": "metachain",
    "prepare_threshold": None,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""Arguments of psycopg. A server that vanished is noticed within a minute. Nothing is prepared on the server, and no
setting outlives a transaction, because a pooler such as PgBouncer gives each transaction another connection."""
VERSION_TABLE = "metachain_schema"
SHAREABLE = (demonstrations, placed)
"""Protected tables with rows that other institutions may see."""

GRANTING = """
    institution IN (
        SELECT g.institution FROM grants g
        WHERE g.use = 'demonstrations'
          AND g.purpose IN ('', current_setting('metachain.purpose', true))
          AND (g.until IS NULL OR g.until > to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
          AND current_setting('metachain.asks', true) <> ''
          AND (g.audience = 'everyone'
               OR (g.audience = 'institution' AND g.name = current_setting('metachain.asks', true))
               OR (g.audience = 'group' AND g.name IN (
                   SELECT m.name FROM groups m WHERE m.institution = current_setting('metachain.asks', true)))){live})
"""
"""The rules of ``sharing.granting``, once more as a row-level security condition."""
SHARED = f"""
    (origin IN ('imported', 'reviewed') AND {GRANTING.format(live="")})
    OR (origin IN ('adapted', 'corrected') AND {GRANTING.format(live=" AND g.live = 1")})
"""
"""The rules of ``origins.covered``."""


def open_postgresql(address: str, *, create: bool, connections: Connections) -> Engine:
    """Open the library in a database; make its tables if there are none and ``create`` is set.

    Raises NotFoundError (no library there), StorageError (can't be reached or written), LibraryError (foreign or newer
    tables, a server that is too old or lacks pgvector, a role that row-level security does not bind), DataError (an
    invalid address, a missing package).
    """
    for package in ("psycopg", "pgvector"):
        if find_spec(package) is None:
            raise DataError(f"a library in PostgreSQL needs {package}: pip install 'metachain[postgres]'")
    seconds = connections.statement_timeout
    engine = create_engine(
        _url(address),
        pool_pre_ping=True,
        pool_size=connections.most,
        max_overflow=0,
        pool_timeout=connections.timeout,
        hide_parameters=True,
        connect_args=CONNECT_ARGUMENTS,
        execution_options={"settings": {} if seconds is None else {"statement_timeout": f"{seconds * 1000:.0f}ms"}},
    )
    try:
        _check_server(engine)
        _prepare(engine, create=create)
    except BaseException:
        engine.dispose()
        raise
    event.listen(engine, "connect", _register_vector_type)
    engine.dispose()  # older connections don't know the type
    return engine


def _url(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        form = "postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
        raise DataError(f"the address can't be read; its form is {form}") from None
    if url.drivername not in {"postgresql", "postgresql+psycopg"} or not url.database:
        place = url.render_as_string(hide_password=True)
        raise DataError(f"{place}: an address is postgresql+psycopg://USER@HOST:PORT/DATABASE")
    return url.set(drivername="postgresql+psycopg")


def _register_vector_type(connection: object, _record: object) -> None:
    from pgvector.psycopg import register_vector  # noqa: PLC0415 - an extra

    register_vector(connection)


def _check_server(engine: Engine) -> None:
    with reading(engine) as connection:
        version = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
        rights = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        bypasses = connection.execute(rights).scalar_one()
    if version < OLDEST:
        raise LibraryError(f"{place_of(engine)} is PostgreSQL {version}; metachain needs {OLDEST} or newer")
    if bypasses:
        raise LibraryError(
            f"{place_of(engine)}: this role bypasses row-level security, so the database would guard nothing; "
            "connect as an ordinary role that owns the database (NOSUPERUSER NOBYPASSRLS)"
        )


def _prepare(engine: Engine, *, create: bool) -> None:
    place = place_of(engine)
    with reading(engine) as connection:
        existing = set(inspect(connection).get_table_names())
        version = _version(connection) if VERSION_TABLE in existing else 0
    if not version and existing & set(tables.tables):
        raise LibraryError(f"{place} has tables of another program; give the address of an empty database")
    refuse_newer(version, place)
    if version == SCHEMA_VERSION:
        return
    if not version and not create:
        raise NotFoundError(f"there is no library at {place}; make one with: metachain add {place} DATA.jsonl")
    try:
        with writing(engine, KEEPER, alone=True) as connection:
            _create_or_migrate(connection)
    except (LibraryError, StorageError) as error:
        raise type(error)(
            f"no library could be made at {place}: {error}. A library needs pgvector (CREATE EXTENSION vector) and a "
            "role that may create tables"
        ) from error


def _create_or_migrate(connection: Connection) -> None:
    """Make or migrate the tables, with the writers' lock held; another process may have done it already."""
    import pgvector.sqlalchemy  # noqa: F401, PLC0415 - an extra; SQLAlchemy then knows the type of the vectors

    if VERSION_TABLE not in inspect(connection).get_table_names():
        connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version integer NOT NULL)"))
        connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (0)"))  # noqa: S608
    version = _version(connection)
    if version == SCHEMA_VERSION:
        return
    if not version:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    migrate(connection, version)
    _enable_row_security(connection)
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version = {SCHEMA_VERSION}"))  # noqa: S608


def _version(connection: Connection) -> int:
    return int(connection.execute(text(f"SELECT version FROM {VERSION_TABLE}")).scalar_one())  # noqa: S608


def _enable_row_security(connection: Connection) -> None:
    """Enable row-level security on the protected tables with the present rules: the database itself hides the rows."""
    policies = {
        "keeper": "USING (current_setting('metachain.keeper', true) = 'yes')",
        "own": "USING (institution = current_setting('metachain.asks', true))",
    }
    for table in protected:
        shared = {"shared": f"FOR SELECT USING ({SHARED})"} if table in SHAREABLE else {}
        connection.execute(text(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY"))
        connection.execute(text(f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY"))
        for name, condition in (policies | shared).items():
            connection.execute(text(f"DROP POLICY IF EXISTS {name} ON {table.name}"))
            connection.execute(text(f"CREATE POLICY {name} ON {table.name} {condition}"))
