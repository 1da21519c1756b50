"""The queue module for a process of one thread, without locks and without the clock.

CPython's queues tell their conditions how long is left to wait, which is the time. Here nobody else could end a wait,
so what would wait for ever is refused, and what would wait for a while is over at once.
"""

import heapq
from collections import deque
from queue import Empty, Full
from types import GenericAlias
from typing import Any

from sandbox.refused import PolicyError


class Queue:
    """queue.Queue."""

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, maxsize: int = 0) -> None:
        self.maxsize = maxsize
        self.unfinished_tasks = 0
        self.queue: Any
        self._init(maxsize)

    def _init(self, maxsize: int) -> None:
        self.queue = deque()

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: Any) -> None:
        self.queue.append(item)

    def _get(self) -> Any:
        return self.queue.popleft()

    def qsize(self) -> int:
        """The number of items."""
        return self._qsize()

    def empty(self) -> bool:
        """Whether there is none."""
        return not self._qsize()

    def full(self) -> bool:
        """Whether there is no room."""
        return 0 < self.maxsize <= self._qsize()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item in. Raises Full; PolicyError where it would wait for ever."""
        if self.full():
            _end_wait(Full, block, timeout)
        self._put(item)
        self.unfinished_tasks += 1

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item out. Raises Empty; PolicyError where it would wait for ever."""
        if not self._qsize():
            _end_wait(Empty, block, timeout)
        return self._get()

    def put_nowait(self, item: Any) -> None:
        """`put` without waiting."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """`get` without waiting."""
        return self.get(block=False)

    def task_done(self) -> None:
        """An item is dealt with. Raises ValueError where none is left to be."""
        if self.unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self.unfinished_tasks -= 1

    def join(self) -> None:
        """Nothing where every item is dealt with; PolicyError where it would wait for ever."""
        if self.unfinished_tasks:
            raise PolicyError(_FOR_EVER)


class PriorityQueue(Queue):
    """queue.PriorityQueue."""

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _put(self, item: Any) -> None:
        heapq.heappush(self.queue, item)

    def _get(self) -> Any:
        return heapq.heappop(self.queue)


class LifoQueue(Queue):
    """queue.LifoQueue."""

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _get(self) -> Any:
        return self.queue.pop()


_FOR_EVER = "waits for another thread, and there is none"


def _end_wait(error: type[Exception], block: bool, timeout: float | None) -> None:
    if block and timeout is None:
        raise PolicyError(_FOR_EVER)
    if block and timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    raise error


for _cls in (Queue, PriorityQueue, LifoQueue):
    _cls.__module__ = "queue"
