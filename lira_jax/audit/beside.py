"""Evaluations on other threads, while the main one makes the next attack.

numpy releases the interpreter lock where it sorts and sums, so threads are enough; each evaluation
is computed by one thread alone, so that no number depends on how many there are.
"""

import collections
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MOST_PAIRS = 2**26
"""Under evaluation at a time, beyond the first two attacks: some 40 bytes each."""


class Beside:
    """Runs calls beside the thread that starts them; used as a context.

    An error, or Ctrl-C, ends the block at once: what has not begun never does.
    """

    def __init__(self, pairs: int):
        """Args:
        pairs: targets times examples of an evaluation, which takes memory in proportion.
        """
        self.most = min(os.cpu_count() or 1, max(2, MOST_PAIRS // pairs))
        self._pool = ThreadPoolExecutor(self.most)
        self._running: collections.deque[tuple[Future, Callable]] = collections.deque()

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, kind, *_) -> None:
        while kind is None and self._running:
            self._end_first()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def start(self, call: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Starts a call, as soon as fewer run than there may be.

        Args:
          call: runs on another thread.
          then: called in this one with what the call returns, in the order of starting, at the
            latest at the end of the block.
        """
        while len(self._running) >= self.most or (self._running and self._running[0][0].done()):
            self._end_first()
        self._running.append((self._pool.submit(call), then))

    def _end_first(self) -> None:
        future, then = self._running.popleft()
        then(future.result())
