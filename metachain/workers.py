"""Where work is done that can be done apart: in this process, or wherever else functions can be sent."""

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from metachain.errors import DataError, MetachainError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["HERE", "LOCAL", "DaskWorkers", "Here", "LostError", "Workers", "local_cluster", "workers_at"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """What does the same to many items."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, each handed on as soon as it and those before it are there.

        ``function`` is pure and may hold much, for it is sent to a worker once; items are small. All are picklable.
        """


class Here:
    """This process, one item after the other, each when its result is asked for."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Do what the built-in ``map`` does."""
        return map(function, items)


HERE = Here()

LOCAL = "local"
SECONDS_TO_CONNECT = 10
ITEMS_AHEAD = 4
"""Of each thread: so many are sent before the first one's result is handed on."""
TAKE = "take"
BEFORE, TRIM = "distributed.nanny.pre-spawn-environ", "MALLOC_TRIM_THRESHOLD_"
"""What Dask sets in the environment of workers; glibc, told when to give memory back, gives every large array's back
and has the system clear it again for the next, which takes longer."""


class LostError(ConnectionError):
    """A worker was lost, and with it what it did: nobody knows how far it came."""


class DaskWorkers:
    """The workers of a cluster, which all have this version of metachain.

    What is sent to them and back is pickled by Dask and never stored. Whoever reaches the scheduler can run code on the
    workers: it belongs in a network that you trust, or behind TLS.
    """

    def __init__(self, client: "Client") -> None:
        """``client`` of a cluster. Raises DataError for one without workers, or whose metachain is another."""
        self._client = client
        self._executor: Any = client.get_executor(pure=False)
        _check(client)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Do what ``Workers.map`` says. What a lost worker had is done again by another.

        Raises DataError where the cluster is lost, where a worker dies again and again, and for what can't be pickled.
        """
        import dask.config  # noqa: PLC0415

        with _told(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            # No scattered data, which is lost with its workers: a task's result is computed again.
            held = self._client.submit(_kept, function, pure=False)
            most = ITEMS_AHEAD * max(sum(self._client.nthreads().values()), 1)
            ahead: deque[Any] = deque()
            for item in items:
                ahead.append(self._client.submit(_done, held, item, pure=False))
                if len(ahead) == most:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    async def once(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in a worker, at most once: where the worker is lost, that it began is known to the scheduler.

        What it gives is of msgpack's kinds (texts, numbers, lists, dictionaries): it lies at the scheduler before the
        worker is done, so that it is not lost with the worker. Raises LostError where the call is.
        """
        # The client waits for the scheduler, and this loop is not its own.
        queue = await asyncio.to_thread(self._begun)
        try:
            sent = await asyncio.to_thread(self._executor.submit, _once, queue.name, function, arguments)
            return await asyncio.wrap_future(sent)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise LostError("the Dask cluster was lost") from None
        finally:
            queue.close()

    def _begun(self) -> Any:
        from distributed import Queue  # noqa: PLC0415

        queue = Queue(f"metachain-{uuid4().hex}", client=self._client)
        queue.put(TAKE)
        return queue


@contextmanager
def workers_at(address: str) -> Iterator[Workers]:
    """Whoever works at an address: ``tcp://HOST:PORT`` of a scheduler, ``local``, or nothing for this process alone.

    ``local`` starts one worker process for each core, ``local:4`` four, which listen on 127.0.0.1 alone and end with
    the block. Raises DataError where distributed is not installed, nobody answers, or there are no workers.
    """
    if not address:
        yield HERE
        return
    try:
        from distributed import Client  # noqa: PLC0415
    except ImportError:
        raise DataError("--dask needs a package that is not installed: pip install 'metachain[dask]'") from None
    kind, _, number = address.partition(":")
    if kind != LOCAL:
        with _connected(Client, address) as client:
            yield DaskWorkers(client)
        return
    if number and not (number.isdecimal() and int(number)):
        raise DataError(f"--dask {LOCAL}:N starts N workers, 1 or more, got {address!r}")
    with local_cluster(int(number) if number else None) as cluster, Client(cluster) as client:
        yield DaskWorkers(client)


def local_cluster(workers: int | None = None) -> Any:
    """A ``LocalCluster`` of so many processes of one thread each (None: one for each core) on 127.0.0.1 alone.

    Ctrl-C, which a terminal sends to all processes of a command, is for this one: it closes the others.
    """
    import dask.config  # noqa: PLC0415
    from distributed import LocalCluster  # noqa: PLC0415

    given = {name: value for name, value in dask.config.get(BEFORE).items() if name != TRIM}
    resource_tracker.ensure_running()  # it would unblock what is blocked where it is started
    with dask.config.set({BEFORE: given}), ThreadPoolExecutor(1, initializer=_deaf) as deaf:
        made = deaf.submit(
            LocalCluster,
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            # Else its server of counters warns where the usual port is taken.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs="CRITICAL",
        )
        return made.result()


def _deaf() -> None:
    """Keep Ctrl-C from this thread, the threads that it starts, and the processes that they do."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _connected(make: "type[Client]", address: str) -> "Client":
    try:
        return make(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError, TimeoutError) as error:
        raise DataError(
            f"no Dask scheduler answers at {address!r} ({type(error).__name__}); start one with: dask scheduler, "
            f"give its address, such as tcp://127.0.0.1:8786, or --dask {LOCAL}"
        ) from None


def _check(client: "Client") -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
    except TimeoutError:
        where = client.scheduler.address if client.scheduler else "ADDRESS"
        raise DataError(f"the Dask scheduler has no workers; start some: dask worker {where}") from None
    ours = _version()
    found: dict[str, Any] = client.run(_version, on_error="return")
    for name, theirs in found.items():
        if theirs != ours:
            raise DataError(
                f"the Dask worker {name} has no metachain {ours} ({theirs}); install the same version on all of them"
            )


@contextmanager
def _told() -> Iterator[None]:
    """Turn errors of the cluster into ours; those of what it did come through as they are."""
    from distributed import CancelledError as Lost  # noqa: PLC0415
    from distributed import KilledWorker  # noqa: PLC0415
    from distributed.comm import CommClosedError  # noqa: PLC0415

    try:
        yield
    except MetachainError:
        raise
    except KilledWorker as error:
        raise DataError(
            f"Dask workers died {error.allowed_failures + 1} times doing the same; see whether their memory suffices"
        ) from error
    except (Lost, CancelledError, CommClosedError) as error:
        raise DataError("the Dask cluster was lost; what was stored is kept, run again when it is back") from error


def _version() -> str:
    return str(import_module("metachain").__version__)


def _kept(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Let the scheduler hold a function, and each worker get it once."""
    return function


def _done(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


def _once(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Do what nobody has begun to do; what somebody has done and was lost with is there."""
    from distributed import Queue  # noqa: PLC0415

    queue = Queue(name)
    try:
        held = queue.get(batch=True)
        if not held:
            raise LostError("the worker was lost while it did this")
        found = function(*arguments) if held == [TAKE] else held[0][0]
        queue.put([found])
        return found
    finally:
        queue.close()
