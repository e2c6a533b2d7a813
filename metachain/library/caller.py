"""The caller on whose behalf the library works: a server's key and request, and the person who asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from metachain.errors import DataError

__all__ = ["ACTOR_CHARACTERS", "Caller", "called_by", "caller"]

ACTOR_CHARACTERS = 200
"""Maximum length of the name of a person who asks, in characters."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The origin of all that is done for one request or one command; the audit records it."""

    key: str = ""
    """Id of the server's key; empty outside a server."""
    request: str = ""
    """Id of the server's request (``X-Request-Id``); empty outside a server."""
    actor: str = ""
    """The person at the institution (``X-Actor``), or the user who runs a command; empty if nobody is named."""

    def __post_init__(self) -> None:
        """Raise DataError for an actor that is too long, or has characters that can't be printed."""
        if len(self.actor) > ACTOR_CHARACTERS or not self.actor.isprintable():
            raise DataError(f"an actor has at most {ACTOR_CHARACTERS} characters, all of them printable")


NOBODY = Caller()
CALLER: ContextVar[Caller] = ContextVar("metachain_caller", default=NOBODY)


def caller() -> Caller:
    """The caller of this task or thread; one with empty fields if none was set."""
    return CALLER.get()


@contextmanager
def called_by(one: Caller) -> Iterator[None]:
    """Record what the block does under this caller, in tasks and threads that copy the context too.

    ``asyncio.to_thread``, Starlette's thread pool and LangChain's executors copy it; a plain ``Thread`` does not.
    """
    token = CALLER.set(one)
    try:
        yield
    finally:
        CALLER.reset(token)
