"""Chunks on Dask workers: processes of this machine, or those of a cluster. The only importer of Dask."""

import logging
import sys
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
from stronglens.parameters import RunError, UsageError

CONNECT_TIMEOUT = 10.0
"""Seconds after which a scheduler counts as not reachable."""

WORKERS_TIMEOUT = 60.0
"""Seconds to wait for a scheduler's first worker."""

COUNT_INTERVAL = 2.0
"""Seconds for which a count of a cluster's threads is good."""

STOP_TIMEOUT = 5.0
"""Seconds to wait for a process that is just starting, before all are stopped."""

SILENT = logging.CRITICAL + 1

LOCAL_SETTINGS = {
    "distributed.worker.multiprocessing-method": "spawn",  # JAX's threads do not survive a fork
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
    "distributed.scheduler.allowed-failures": 3,
    # A thread is given its next chunk when it has finished one: a process that dies puts the blame on those it was at.
    "distributed.scheduler.worker-saturation": 1.0,
}

IMPORT_REMEDY = "start it in the project's folder, in the project's environment (or set PYTHONPATH)"


@contextmanager
def start_workers(workers: int, threads: int):
    """Start processes on this machine, each with some threads; one that dies is replaced.

    Parameters
    ----------
    workers, threads : int

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
            # To close while a process starts in place of a dead one would leave both confused.
            stack.callback(_stop, client.wait_for_workers, workers, timeout=STOP_TIMEOUT)
        yield ClusterExecutor(client)


@contextmanager
def connect_cluster(address: str, describe: Callable[[], dict] | None):
    """Connect to a running Dask scheduler, and make sure that its workers do what this process would.

    Parameters
    ----------
    address : str, ``tcp://host:port``
    describe : see :func:`stronglens.execution.open_executor`

    Yields
    ------
    ClusterExecutor

    Raises
    ------
    UsageError
        When the address is none.
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
            _wait_for_workers(client, address)
            expected = None
            if describe:
                expected = describe()
                _check_cluster(client, describe, expected)
            yield ClusterExecutor(client, describe, expected)


class ClusterExecutor(Executor):
    """A Dask cluster, as an executor of chunks.

    Beside Dask's own (``Client.get_executor``): sends the work once packed, so that a worker unpacks it once and keeps
    it (with the program it has compiled) for all its chunks; says in our words what can go wrong.

    Parameters
    ----------
    client : distributed.Client
    describe, expected : see :func:`stronglens.execution.open_executor`, and what it returns here
        Checked by each worker before its first chunk, for workers may join at any time.
    """

    def __init__(self, client: Client, describe: Callable[[], dict] | None = None, expected: dict | None = None):
        self._client, self._describe, self._expected = client, describe, expected
        self._keys = zip(repeat(f"chunk-{uuid4().hex}"), count())  # one name: a group, which Dask deals out one by one
        self._pack = lru_cache(maxsize=1)(lambda work: dumps((work, describe, expected)))
        self._threads, self._counted = 0, -COUNT_INTERVAL

    @property
    def threads(self) -> int:
        """How many chunks the workers compute at once now; 1 while there are none."""
        if time.monotonic() - self._counted >= COUNT_INTERVAL:
            try:
                threads = sum(self._client.nthreads().values())
            except OSError:
                raise self._lost() from None
            if self._describe and self._threads and not threads:
                print("all workers are gone: waiting for others", file=sys.stderr, flush=True)
            self._threads, self._counted = threads, time.monotonic()
        return max(1, self._threads)

    def submit(self, work: Callable[[int], int], chunk: int, /) -> Future[int]:  # type: ignore[override]  # chunks only
        """Have a worker run a chunk."""
        future: Future[int] = Future()
        remote = self._client.submit(_run, self._pack(work), chunk, key=next(self._keys), pure=False)
        self._client.loop.add_callback(self._settle, future, chunk, remote)  # type: ignore[union-attr]  # it is open
        return future

    async def _settle(self, future: Future, chunk: int, remote) -> None:
        try:
            images, error = await self._client.gather(remote, asynchronous=True), None
        except BaseException as raised:  # whatever it is, somebody waits for it
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
            f"the process that computed chunk {chunk} was killed {error.allowed_failures + 1} times: most likely "
            "it ran out of memory; use fewer workers on a machine, or smaller images (workers of a cluster keep a log)"
        )
    return error


_unpacking = Lock()


def _run(packed: bytes, chunk: int) -> int:
    """Run a chunk: here is a worker."""
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
        client.run_on_scheduler(describe)  # which unpickles the tasks that it passes on
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
        raise RunError(f"{worker} has {'; '.join(differences)}: images depend on it, give both the same")


def _wait_for_workers(client: Client, address: str) -> None:
    if client.nthreads():
        return
    print(f"waiting for workers of {address}", file=sys.stderr, flush=True)
    try:
        client.wait_for_workers(1, timeout=WORKERS_TIMEOUT)
    except TimeoutError:
        raise RunError(f"the Dask scheduler at {address} has no workers after {WORKERS_TIMEOUT:.0f} s") from None


def _stop(close: Callable, *arguments, **options) -> None:
    """Close what ends with this process anyway: how the work ended matters more than a stumble here."""
    with hold_signals(), suppress(Exception):  # a second Ctrl-C waits for it
        close(*arguments, **options)
