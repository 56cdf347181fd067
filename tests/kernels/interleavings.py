"""Explores all interleavings of a few threads that are plain Python, one access to shared memory at a time.

A thread is a coroutine that calls :func:`step` before each access.  A state is what the threads share, and for
each where in its code it is and which numbers its local variables are, or have by ``__index__``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from operator import index

from greenlet import getcurrent, greenlet

Ready = Callable[[], bool]


def step(ready: Ready = lambda: True) -> None:
    """Let others go first; the calling thread goes on when ``ready()``, and not before it is chosen."""
    getcurrent().parent.switch(ready)


class Threads:
    """The threads of one run, by number in the order in which they were started."""

    def __init__(self):
        self._scheduler = getcurrent()
        self._coroutines: list[greenlet] = []
        self._ready: dict[int, Ready] = {}
        self.current = 0

    def start(self, function: Callable[[], object]) -> int:
        self._coroutines.append(greenlet(function, self._scheduler))
        number = len(self._coroutines) - 1
        self._ready[number] = lambda: True
        return number

    def alive(self, number: int) -> bool:
        return number in self._ready

    def vanish(self, number: int) -> None:
        """As the threads of a process do in the child of a fork."""
        self._ready.pop(number, None)

    def choices(self) -> list[int]:
        return [number for number, ready in self._ready.items() if ready()]

    def go_on(self, number: int) -> None:
        """Up to the thread's next step, or to its end."""
        self.current = number
        ready = self._coroutines[number].switch()
        if self._coroutines[number].dead:
            self._ready.pop(number, None)
        else:
            self._ready[number] = ready

    def places(self) -> Hashable:
        return tuple((number, _place(self._coroutines[number].gr_frame)) for number in self._ready)


def _place(frame) -> Hashable:
    found = []
    while frame is not None:
        numbers = (index(value) for value in frame.f_locals.values() if hasattr(value, "__index__"))
        found.append((frame.f_code, frame.f_lasti, *numbers))
        frame = frame.f_back
    return tuple(found)


def explore(begin: Callable[[Threads], Callable[[], Hashable]]) -> int:
    """Be in every state that the threads can be in; returns how many there are.

    Parameters
    ----------
    begin : starts the threads of a new run and returns a function that returns what they share.

    Raises
    ------
    AssertionError : a thread has raised it, or from some state not all threads can come to their end.
    """
    before: dict[Hashable, set[Hashable]] = defaultdict(set)  # state -> those that can come before it
    ends, seen = set(), set()
    to_do: list[tuple[tuple[int, ...], Hashable]] = [
        ((), None)
    ]  # choices that lead to a state, the one before it
    while to_do:
        made, last = to_do.pop()
        threads = Threads()
        shared = begin(threads)
        for choice in made:
            threads.go_on(choice)
        while True:
            state = shared(), threads.places()
            before[state].add(last)
            if state in seen:
                break
            seen.add(state)
            choices = threads.choices()
            if not choices:
                ends.add(state)
                assert not threads.places(), "threads wait for ever"
                break
            to_do += (((*made, other), state) for other in choices[1:])
            made, last = (*made, choices[0]), state
            threads.go_on(choices[0])
    _assert_all_can_end(seen, ends, before)
    return len(seen)


def _assert_all_can_end(states: set, ends: set, before: dict[Hashable, set]) -> None:
    can, to_do = set(ends), list(ends)
    while to_do:
        fresh = before[to_do.pop()] - can - {None}
        can |= fresh
        to_do += fresh
    assert can == states, "threads go round in circles for ever"
