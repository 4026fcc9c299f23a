"""Many machines at once, one process for each core of the host.

In: a function and a list of what it is called with, machines among them (they travel as snapshots). Out: results in the
order of the list. Results do not depend on the number of processes: a machine carries its seed and shares nothing.
Threads do as well, since `Machine.run` releases the GIL; processes also share out the Python around the runs.

The function and its results must be picklable: a function at the top of a module, no lambda. As with every use of
``multiprocessing``, a script calls `map` under ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map(function: Callable[[T], R], items: Iterable[T], processes: int | None = None) -> list[R]:  # noqa: A001
    """``[function(item) for item in items]`` on several processes.

    Args:
        function: picklable; called with one item.
        items: picklable; a `Machine` arrives as an independent copy.
        processes: at most so many [default: one for each core that this process may use]; 1 stays in this process.

    Raises:
        ValueError: fewer than one process.
        Exception: the first one, in the order of ``items``, that ``function`` raised; what has not begun by then does
            not begin.
    """
    work = list(items)
    if processes is not None and processes < 1:
        raise ValueError(f"needs at least 1 process, got {processes}")
    count = min(len(work), processes or _cores())
    if count <= 1:
        return [function(item) for item in work]
    # not fork: the parent may hold threads and locks
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(function, item) for item in work]
        try:
            return [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1
