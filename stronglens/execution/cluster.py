"""Run chunks on Dask workers: processes of this machine or of a cluster. Only this module imports Dask."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from itertools import count, repeat
from tempfile import TemporaryDirectory
from threading import Lock
from uuid import uuid4

import dask
from distributed import Client, KilledWorker, LocalCluster, get_worker
from distributed.comm import CommClosedError, get_address_host_port
from distributed.protocol.pickle import dumps, loads
from distributed.utils import silence_logging_cmgr

from stronglens.execution.commands import hold_signals
from stronglens.execution.console import Console
from stronglens.parameters import RunError, UsageError

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection to a scheduler."""

WORKERS_TIMEOUT = 60.0
"""Seconds to wait for a scheduler's first worker."""

COUNT_INTERVAL = 2.0
"""Seconds after which a cluster's threads are counted again."""

STOP_TIMEOUT = 5.0
"""Seconds to wait for starting processes before all are stopped."""

SILENT = logging.CRITICAL + 1

LOCAL_SETTINGS = {
    "distributed.worker.multiprocessing-method": "spawn",  # JAX's threads do not survive a fork
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
    "distributed.scheduler.allowed-failures": 3,
    # A thread gets its next chunk when it has finished one, so that a crash counts against the running chunks only.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.admin.large-graph-warning-threshold": "1 GB",  # refinements with pixels send matrices of 0.1 GB
}

IMPORT_REMEDY = "start it in the project's folder, in the project's environment (or set PYTHONPATH)"


@contextmanager
def start_workers(workers: int, threads: int):
    """Start processes on this machine; a process that dies is replaced.

    Parameters
    ----------
    workers : int
        Number of processes.
    threads : int
        Threads of each process.

    Yields
    ------
    ClusterExecutor
    """
    with ExitStack() as stack:
        scratch = stack.enter_context(TemporaryDirectory(prefix="stronglens-"))
        stack.enter_context(dask.config.set({**LOCAL_SETTINGS, "temporary-directory": scratch}))
        stack.enter_context(silence_logging_cmgr(SILENT))
        with hold_signals():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=max(1, threads),
                processes=True,
                memory_limit=None,
                dashboard_address="127.0.0.1:0",  # the usual port may be another cluster's
                scheduler_kwargs={"dashboard": False},
                silence_logs=False,
            )
            stack.callback(_stop, cluster.close)
            client = Client(cluster, set_as_default=False)
            stack.callback(_stop, client.close)
            # Closing fails while a process starts in place of a dead one, so wait for it.
            stack.callback(_stop, client.wait_for_workers, workers, timeout=STOP_TIMEOUT)
        yield ClusterExecutor(client)


@contextmanager
def connect_cluster(address: str, describe: Callable[[], dict] | None, console: Console):
    """Connect to a running Dask scheduler and check that its workers have the same versions as this process.

    Parameters
    ----------
    address : str, ``tcp://host:port``
    describe : callable or None
        See :func:`stronglens.execution.open_executor`.
    console : Console

    Yields
    ------
    ClusterExecutor

    Raises
    ------
    UsageError
        When the address is not valid.
    RunError
        When the scheduler cannot be reached, has no workers, or has workers that cannot do this work.
    """
    try:
        get_address_host_port(address, strict=True)
    except ValueError:
        raise UsageError(f"--scheduler={address}: not an address such as tcp://host:8786") from None
    with silence_logging_cmgr(SILENT):
        try:
            client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except OSError:
            raise RunError(f"no Dask scheduler answers at {address}") from None
        with client:
            _wait_for_workers(client, address, console)
            expected = describe() if describe else None
            if describe:
                expected = describe()
                _check_cluster(client, describe, expected)
            yield ClusterExecutor(client, describe, expected, console)


class ClusterExecutor(Executor):
    """An executor that runs chunks on a Dask cluster.

    Unlike Dask's own executor (``Client.get_executor``) it sends the work as bytes, which a worker unpickles once and
    keeps, with the compiled program, for all its chunks; and it raises RunError for failures of the cluster.

    Parameters
    ----------
    client : distributed.Client
    describe : callable, optional
        See :func:`stronglens.execution.open_executor`. Each worker calls it before its first chunk, since workers may
        join at any time.
    expected : dict, optional
        Result of ``describe`` in this process.
    console : Console, optional
    """

    def __init__(
        self,
        client: Client,
        describe: Callable[[], dict] | None = None,
        expected: dict | None = None,
        console: Console | None = None,
    ):
        self._client, self._describe, self._expected = client, describe, expected
        self._console = console or Console()
        # Keys with one prefix are a group of tasks, which Dask distributes evenly.
        self._keys = zip(repeat(f"chunk-{uuid4().hex}"), count())
        self._pack = lru_cache(maxsize=1)(lambda work: dumps((work, describe, expected)))
        self._threads, self._counted = 0, -COUNT_INTERVAL

    @property
    def threads(self) -> int:
        """Number of chunks that the workers compute at the same time; 1 without workers."""
        if time.monotonic() - self._counted >= COUNT_INTERVAL:
            try:
                threads = sum(self._client.nthreads().values())
            except OSError:
                raise self._lost() from None
            if self._describe and self._threads and not threads:
                self._console.warn("all workers are lost: waiting for new workers")
            self._threads, self._counted = threads, time.monotonic()
        return max(1, self._threads)

    def submit(self, work: Callable[[int], int], chunk: int, /) -> Future[int]:  # type: ignore[override]  # chunks only
        """Submit a chunk to the workers."""
        future: Future[int] = Future()
        remote = self._client.submit(_run, self._pack(work), chunk, key=next(self._keys), pure=False)
        self._client.loop.add_callback(self._settle, future, chunk, remote)  # type: ignore[union-attr]  # it is open
        return future

    async def _settle(self, future: Future, chunk: int, remote) -> None:
        try:
            images, error = await self._client.gather(remote, asynchronous=True), None
        except BaseException as raised:  # any exception must reach the future
            lost = remote.cancelled() or isinstance(raised, CommClosedError)
            images, error = None, self._lost() if lost else _explain(raised, chunk)
        if not future.set_running_or_notify_cancel():
            return
        if error is None:
            future.set_result(images)
        else:
            future.set_exception(error)

    def _lost(self) -> RunError:
        return RunError(f"lost the Dask scheduler at {self._client.scheduler.address}")  # type: ignore[union-attr]  # as above


def _explain(error: BaseException, chunk: int) -> BaseException:
    if isinstance(error, KilledWorker):
        return RunError(
            f"the process that computed chunk {chunk} was killed {error.allowed_failures + 1} times, most likely "
            "because it ran out of memory: use fewer workers per machine, or smaller images (see the logs of the "
            "workers)"
        )
    return error


_unpacking = Lock()


def _run(packed: bytes, chunk: int) -> int:
    """Run a chunk. This function runs in a worker."""
    with _unpacking:
        work = _unpack(packed)
    return work(chunk)


@lru_cache(maxsize=1)
def _unpack(packed: bytes) -> Callable[[int], int]:
    work, describe, expected = loads(packed)
    if describe is not None:
        _compare(f"worker {get_worker().address}", describe(), expected)
    return work


def _check_cluster(client: Client, describe: Callable[[], dict], expected: dict) -> None:
    try:
        client.run_on_scheduler(describe)  # the scheduler unpickles tasks, so it must be able to import them
    except ImportError as error:
        raise _cannot_import("the Dask scheduler", error) from None
    for address, found in client.run(describe, on_error="return").items():
        worker = f"worker {address}"
        if isinstance(found, BaseException):
            raise _cannot_import(worker, found)
        _compare(worker, found, expected)


def _cannot_import(who: str, error: BaseException) -> RunError:
    return RunError(f"{who} cannot import the project ({error}): {IMPORT_REMEDY}")


def _compare(worker: str, found: dict, expected: dict) -> None:
    differences = [
        f"{name} {found.get(name)}, here {expected.get(name)}"
        for name in {**expected, **found}
        if found.get(name) != expected.get(name)
    ]
    if differences:
        raise RunError(f"{worker} has {'; '.join(differences)}: install equal versions, since images depend on them")


def _wait_for_workers(client: Client, address: str, console: Console) -> None:
    if client.nthreads():
        return
    console.warn(f"the Dask scheduler at {address} has no workers yet: waiting for workers")
    try:
        client.wait_for_workers(1, timeout=WORKERS_TIMEOUT)
    except TimeoutError:
        raise RunError(f"the Dask scheduler at {address} has no workers after {WORKERS_TIMEOUT:.0f} s") from None


def _stop(close: Callable, *arguments, **options) -> None:
    """Close an object and ignore errors: it ends with this process anyway, and the result of the work matters more."""
    with hold_signals(), suppress(Exception):  # delay a second Ctrl-C
        close(*arguments, **options)
