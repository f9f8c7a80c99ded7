"""Chunks of work, wherever they run: threads of this process, processes of this machine, a Dask cluster."""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Protocol

from stronglens.parameters import UsageError

CHUNKS_A_THREAD = 4
"""Chunks given out for each thread that computes: enough that none waits for the next, few enough to keep in mind."""

LOOK_AROUND = 2.0
"""Seconds after which to look for workers that came or went, where no chunk is done before."""


class ChunkExecutor(Protocol):
    """What chunks run on: an executor that says how many chunks it computes at once now."""

    @property
    def threads(self) -> int: ...

    def submit(self, work: Callable[[int], int], chunk: int, /) -> Future[int]: ...


@contextmanager
def open_executor(workers: int = 0, scheduler: str | None = None, describe: Callable[[], dict] | None = None):
    """Open what chunks run on; close it, and all that it started, at the end.

    Parameters
    ----------
    workers : int
        Processes of this machine to start; 0 for threads of this process.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:port``, whose workers to use instead.
    describe : callable, optional
        Returns the versions on which results depend, under their names: the same here and on every worker of the
        scheduler. An importable function, for it runs there.

    Yields
    ------
    ChunkExecutor

    Raises
    ------
    UsageError
        When both ``workers`` and ``scheduler`` are given, or the address is none.
    RunError
        When the scheduler cannot be reached, has no workers, or has workers that cannot do this work.
    """
    check_machines(workers, scheduler)
    if workers or scheduler:
        from stronglens.execution.cluster import connect_cluster, start_workers  # Dask is slow to import

        opened = connect_cluster(scheduler, describe) if scheduler else start_workers(workers, _threads(workers))
        with opened as executor:
            yield executor
        return
    executor = ThreadExecutor(_threads(1))
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def check_machines(workers: int, scheduler: str | None) -> None:
    """Refuse what :func:`open_executor` would, before any work.

    Raises
    ------
    UsageError
        When both are given.
    """
    if workers and scheduler:
        raise UsageError("--workers and --scheduler exclude each other: a cluster brings its own workers")


def run_chunks(
    work: Callable[[int], int], chunks: Iterable[int], executor: ChunkExecutor, advance: Callable[[int], None]
) -> None:
    """Run chunks of work, in any order, until all are done or one fails.

    Only a few chunks a thread are given out at a time, so that memory does not grow with their number.

    Parameters
    ----------
    work : picklable callable, chunk number -> number of images done
        Computes a chunk and stores it. Called again for the same chunk where a process was lost meanwhile.
    chunks : iterable of int, the chunks' numbers
    executor : what :func:`open_executor` opened
    advance : called in this thread with the number of images of each finished chunk

    Raises
    ------
    Exception
        The first that ``work`` raised, as itself; chunks that have not started are cancelled.
    RunError
        When a chunk ends the process that computes it again and again, or the cluster is lost.
    """
    chunks = iter(chunks)
    finished: SimpleQueue[Future[int]] = SimpleQueue()
    given: set[Future[int]] = set()
    try:
        while True:
            for chunk in islice(chunks, max(0, CHUNKS_A_THREAD * executor.threads - len(given))):
                future = executor.submit(work, chunk)
                given.add(future)
                future.add_done_callback(finished.put)
            if not given:
                return
            try:
                future = finished.get(timeout=LOOK_AROUND)
            except Empty:
                continue
            given.discard(future)
            advance(future.result())
    finally:
        for future in given:
            future.cancel()


def available_threads() -> int:
    """Return how many threads the computing of a chunk may use: to be asked in the thread that computes it."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return get_worker().state.nthreads
        except ValueError:  # not in a worker
            pass
    return count_cores()


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads(processes: int) -> int:
    """Return the threads of each process: one more than it has cores, to write while the others compute."""
    return count_cores() // processes + 1


class ThreadExecutor(ThreadPoolExecutor):
    """Threads of this process."""

    def __init__(self, threads: int):
        super().__init__(threads, thread_name_prefix="chunk")
        self.threads = threads
