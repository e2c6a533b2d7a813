"""Workers that apply a function to many items: this process, or a Dask cluster."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from metachain.errors import DataError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["HERE", "LOCAL", "DaskWorkers", "Here", "LostError", "Workers", "local_cluster", "workers_at"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """Anything that applies one function to many items."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results in the order of the items, each as soon as it and those before it are there.

        ``function`` is pure; it may be large, since a worker receives it once. Items are small. All are picklable.
        """


class Here:
    """This process: one item after the other, each when its result is asked for."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Apply the function as the built-in ``map`` does."""
        return map(function, items)


HERE = Here()

LOCAL = "local"
SECONDS_TO_CONNECT = 10
ITEMS_AHEAD = 4
"""Items sent ahead for each thread, before the first one's result is yielded."""
TAKE = "take"
BEFORE, TRIM = "distributed.nanny.pre-spawn-environ", "MALLOC_TRIM_THRESHOLD_"
"""Dask's setting for the environment of workers, and the variable in it that is taken out: with it glibc returns the
memory of every large array to the system, which must clear it again for the next one, and that takes longer."""


class LostError(ConnectionError):
    """A worker was lost during a call; its progress is unknown."""


class DaskWorkers:
    """Workers of a Dask cluster, all with this version of metachain.

    Dask pickles everything sent to them and back; nothing of it is stored. Anybody who reaches the scheduler can run
    code on the workers: it belongs in a network that you trust, or behind TLS.
    """

    def __init__(self, client: "Client") -> None:
        """``client`` of a cluster. Raises DataError for one without workers or with another version of metachain."""
        self._client = client
        self._executor: Any = client.get_executor(pure=False)
        _check(client)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield results as ``Workers.map`` does. The items of a lost worker are done again by another.

        Raises DataError if the cluster is lost, if workers die repeatedly, and for anything that can't be pickled.
        """
        import dask.config  # noqa: PLC0415

        with _cluster_errors(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
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
        """Call a function in a worker, at most once, also if the worker is lost: the scheduler knows that it began.

        The result is of msgpack's kinds (texts, numbers, lists, dictionaries). It is at the scheduler before the worker
        is done, so that it is not lost with the worker. Raises LostError if the call is lost.
        """
        import asyncio  # noqa: PLC0415 - 20 ms, a tenth of the time of ``metachain --help``

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
    """Connect to the workers at an address: ``tcp://HOST:PORT`` of a scheduler, ``local``, or empty for this process.

    ``local`` starts one worker process for each core, ``local:4`` four; they listen on 127.0.0.1 only and end with the
    block. Raises DataError if distributed is not installed, no scheduler answers, or there are no workers.
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
    """Start a ``LocalCluster`` of ``workers`` processes (None: one for each core), one thread each, on 127.0.0.1 only.

    A terminal sends Ctrl-C to all processes of a command; the workers ignore it, and this process closes them.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - for clusters only, like the next three
    from multiprocessing import resource_tracker  # noqa: PLC0415

    import dask.config  # noqa: PLC0415
    from distributed import LocalCluster  # noqa: PLC0415

    given = {name: value for name, value in dask.config.get(BEFORE).items() if name != TRIM}
    resource_tracker.ensure_running()  # it would unblock what is blocked where it is started
    with dask.config.set({BEFORE: given}), ThreadPoolExecutor(1, initializer=_deaf) as deaf:
        return deaf.submit(
            LocalCluster,
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            # Else its server of counters warns where the usual port is taken.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs="CRITICAL",
        ).result()


def _deaf() -> None:
    """Block Ctrl-C in this thread, in the threads that it starts, and in their processes."""
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
def _cluster_errors() -> Iterator[None]:
    """Turn errors of the cluster into DataError; errors of the work itself pass through."""
    from concurrent.futures import CancelledError  # noqa: PLC0415 - for clusters only, like the next three

    from distributed import CancelledError as Lost  # noqa: PLC0415
    from distributed import KilledWorker  # noqa: PLC0415
    from distributed.comm import CommClosedError  # noqa: PLC0415

    try:
        yield
    except KilledWorker as error:
        raise DataError(
            f"Dask workers died {error.allowed_failures + 1} times doing the same; see whether their memory suffices"
        ) from error
    except (Lost, CancelledError, CommClosedError) as error:
        raise DataError("the Dask cluster was lost; what was stored is kept, run again when it is back") from error


def _version() -> str:
    return str(import_module("metachain").__version__)


def _kept(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Return the function as a task's result, so that each worker receives it once."""
    return function


def _done(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


def _once(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call the function if no worker has begun to; return the result of a worker that was lost after it was done."""
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
