"""Run chunks of work on threads of this process, processes of this machine, or a Dask cluster."""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Protocol

from stronglens.execution.console import Console
from stronglens.parameters import UsageError

CHUNKS_A_THREAD = 4
"""Chunks that are submitted per thread: enough that no thread waits, few enough to limit memory."""

LOOK_AROUND = 2.0
"""Seconds without a finished chunk after which the number of workers is checked."""


class ChunkExecutor(Protocol):
    """What chunks run on: an executor that says how many chunks it computes at once now."""

    @property
    def threads(self) -> int: ...

    def submit(self, work: Callable[[int], int], chunk: int, /) -> Future[int]: ...


@contextmanager
def open_executor(
    workers: int = 0,
    scheduler: str | None = None,
    describe: Callable[[], dict] | None = None,
    console: Console | None = None,
):
    """Open an executor for chunks. At the end close it and all processes that it started.

    Parameters
    ----------
    workers : int
        Number of processes to start on this machine; 0: use threads of this process.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:port``, whose workers are used.
    describe : callable, optional
        Importable function that returns a dict of the versions that affect the results. They must be equal in this
        process and in every worker of the scheduler.
    console : Console, optional
        Prints a warning while the scheduler has no workers.

    Yields
    ------
    ChunkExecutor

    Raises
    ------
    UsageError
        When both ``workers`` and ``scheduler`` are given, or the address is not valid.
    RunError
        When the scheduler cannot be reached, has no workers, or has workers that cannot do this work.
    """
    check_machines(workers, scheduler)
    if workers or scheduler:
        from stronglens.execution.cluster import connect_cluster, start_workers  # Dask is slow to import

        if scheduler:
            opened = connect_cluster(scheduler, describe, console or Console())
        else:
            opened = start_workers(workers, _threads(workers))
        with opened as executor:
            yield executor
        return
    executor = ThreadExecutor(_threads(1))
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def check_machines(workers: int, scheduler: str | None) -> None:
    """Check the arguments of :func:`open_executor` before any work.

    Raises
    ------
    UsageError
        When both are given.
    """
    if workers and scheduler:
        raise UsageError("--workers and --scheduler exclude each other: a cluster has its own workers")


def run_chunks(
    work: Callable[[int], int], chunks: Iterable[int], executor: ChunkExecutor, advance: Callable[[int], None]
) -> None:
    """Run chunks of work, in any order, until all are done or one fails.

    Only a few chunks per thread are submitted at a time, so that memory does not grow with their number.

    Parameters
    ----------
    work : callable
        Picklable. It takes the index of a chunk, computes and stores the chunk, and returns its number of images. It is
        called again for the same chunk if a process is lost.
    chunks : iterable of int
        Indices of the chunks.
    executor : Executor
        From :func:`open_executor`.
    advance : callable
        Called in this thread with the number of images of each finished chunk.

    Raises
    ------
    Exception
        The first exception of ``work``, unchanged. Chunks that have not started are cancelled.
    RunError
        When a chunk repeatedly kills the process that computes it, or the cluster is lost.
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
    """Return the number of threads for the computation of a chunk. It must be called in the thread that computes it."""
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
    """Return the threads of each process: one more than its cores, so that one can write while the others compute."""
    return count_cores() // processes + 1


class ThreadExecutor(ThreadPoolExecutor):
    """An executor of threads of this process."""

    def __init__(self, threads: int):
        super().__init__(threads, thread_name_prefix="chunk")
        self.threads = threads
