"""Group commit: writes that come together share one transaction."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine

from metachain.library.database.engine import KEEPER, writing

__all__ = ["CommitGroup"]

Result = TypeVar("Result")


class CommitGroup:
    """Writes of one process to one database; safe to share among threads.

    A thread that commits takes along the writes of all threads that wait meanwhile. The disk is not waited for: on
    return a write survives a crash of the process, and a power failure may lose the last ones.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[_Write[Any]] = []
        self._adding, self._committing = Lock(), Lock()

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do the work in a transaction, and return its result once that is stored.

        If a write of the group fails, each is tried again alone, so ``work`` may run twice. Raises its own error, or
        StorageError if the database can't be written.
        """
        mine = _Write(work)
        with self._adding:
            self._waiting.append(mine)
        with self._committing:
            if not mine.ended:
                with self._adding:
                    group, self._waiting = self._waiting, []
                self._commit(group)
        return mine.outcome()

    def _commit(self, group: "list[_Write[Any]]") -> None:
        try:
            with writing(self._engine, KEEPER, waiting=False) as connection:
                results = [one.work(connection) for one in group]
        except BaseException as error:  # noqa: BLE001 - each thread of the group raises its own
            if len(group) == 1:
                group[0].fail(error)
                return
            for one in group:
                self._commit([one])
            return
        for one, result in zip(group, results, strict=True):
            one.succeed(result)


class _Write(Generic[Result]):
    """One write, and its end."""

    def __init__(self, work: Callable[[Connection], Result]) -> None:
        self.work = work
        self.ended = False
        self._result: Result
        self._error: BaseException | None = None

    def succeed(self, result: Result) -> None:
        self._result, self.ended = result, True

    def fail(self, error: BaseException) -> None:
        self._error, self.ended = error, True

    def outcome(self) -> Result:
        """The result. Raises the error of the work."""
        if self._error is not None:
            raise self._error
        return self._result
