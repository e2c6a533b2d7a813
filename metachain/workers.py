"""Workers for independent pieces of work: this process, or the workers of a Dask cluster."""

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker
from operator import call
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from metachain.errors import DataError, MetachainError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["HERE", "LOCAL", "DaskWorkers", "Here", "LostError", "Workers", "local_cluster", "workers_at"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """Applies one function to many items."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, each as soon as it and the earlier ones are ready.

        ``function`` is pure; it may hold much data, as each worker receives it once. Items are small. The function,
        the items and the results can be pickled.
        """


class Here:
    """This process; an item is computed when its result is requested."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The built-in ``map``."""
        return map(function, items)


HERE = Here()
LOCAL = "local"
SECONDS_TO_CONNECT = 10
ITEMS_AHEAD = 4
"""Number of items per thread that are sent before the first result is returned."""
TAKE = "take"
BEFORE, TRIM = "distributed.nanny.pre-spawn-environ", "MALLOC_TRIM_THRESHOLD_"
"""Dask's setting of the workers' environment, and a variable in it that makes glibc return the memory of every large
array to the system, which slows down the next one."""


class LostError(ConnectionError):
    """A worker was lost during a call, so it is unknown how far the call came."""


class DaskWorkers:
    """Workers of a Dask cluster that all have this version of metachain.

    Dask pickles functions, items and results, and never stores them. Anyone who can reach the scheduler can run code on
    the workers, so run it in a network that you trust, or behind TLS.
    """

    def __init__(self, client: "Client") -> None:
        """Raise DataError if the cluster of ``client`` has no workers, or workers with another metachain."""
        self._client = client
        self._executor: Any = client.get_executor(pure=False)
        _check(client)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results as of ``Workers.map``; the items of a lost worker are computed again by another.

        Raises DataError if the cluster is lost, if workers die repeatedly, or if something can't be pickled.
        """
        import dask.config  # noqa: PLC0415

        with _our_errors(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            # Scattered data would be lost with its worker; the result of a task is computed again.
            held = self._client.submit(_unchanged, function, pure=False)
            most = ITEMS_AHEAD * max(sum(self._client.nthreads().values()), 1)
            ahead: deque[Any] = deque()
            for item in items:
                ahead.append(self._client.submit(call, held, item, pure=False))
                if len(ahead) == most:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    async def once(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in a worker, at most once: the scheduler knows of the start even if the worker is lost.

        The result consists of msgpack's types (texts, numbers, lists, dictionaries). It is stored at the scheduler
        before the worker finishes, so it is not lost with the worker. Raises LostError if the call is lost.
        """
        # The client blocks while it waits for the scheduler.
        queue = await asyncio.to_thread(self._new_queue)
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

    def _new_queue(self) -> Any:
        from distributed import Queue  # noqa: PLC0415

        queue = Queue(f"metachain-{uuid4().hex}", client=self._client)
        queue.put(TAKE)
        return queue


@contextmanager
def workers_at(address: str) -> Iterator[Workers]:
    """Workers at an address: ``tcp://HOST:PORT`` of a scheduler, ``local``, or "" for this process.

    ``local`` starts one worker process for each core, ``local:4`` starts four; they listen on 127.0.0.1 only and end
    with the block. Raises DataError if distributed is not installed, no scheduler answers, or there are no workers.
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
    """A ``LocalCluster`` of processes with one thread each (None: one for each core), on 127.0.0.1 only.

    The processes ignore Ctrl-C, which a terminal sends to all processes of a command; this process closes them.
    """
    import dask.config  # noqa: PLC0415
    from distributed import LocalCluster  # noqa: PLC0415

    given = {name: value for name, value in dask.config.get(BEFORE).items() if name != TRIM}
    resource_tracker.ensure_running()  # if the blocking thread started it, it would unblock Ctrl-C
    with dask.config.set({BEFORE: given}), ThreadPoolExecutor(1, initializer=_block_interrupts) as executor:
        cluster = executor.submit(
            LocalCluster,
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            # Otherwise its metrics server warns if the usual port is taken.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs="CRITICAL",
        )
        return cluster.result()


def _block_interrupts() -> None:
    """Block Ctrl-C in this thread, in threads that it starts, and in their processes."""
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
    for name, theirs in client.run(_version, on_error="return").items():
        if theirs != ours:
            missing = f"the Dask worker {name} has no metachain {ours} ({theirs})"
            raise DataError(f"{missing}; install the same version on all of them")


@contextmanager
def _our_errors() -> Iterator[None]:
    """Turn errors of the cluster into ours; errors of the function pass unchanged."""
    import distributed  # noqa: PLC0415

    try:
        yield
    except MetachainError:
        raise
    except distributed.KilledWorker as error:
        times = error.allowed_failures + 1
        raise DataError(f"Dask workers died {times} times doing the same; see whether their memory suffices") from error
    except (distributed.CancelledError, CancelledError, distributed.comm.CommClosedError) as error:
        raise DataError("the Dask cluster was lost; what was stored is kept, run again when it is back") from error


def _version() -> str:
    return str(import_module("metachain").__version__)


def _unchanged(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Result of a task by which the scheduler holds a function, so that each worker receives it once."""
    return function


def _once(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call the function if no worker began the call; return the stored result if one finished it and was lost."""
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
