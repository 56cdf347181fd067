"""Ranks: processes that train one run together, each on its rows of every mini-batch.

A rank's loss is the mean over its own rows, and all ranks have as many.  So whatever is a mean over rows, or a
gradient of one, is over the whole batch the mean over ranks: of gradients before each update, of the sums in
batch normalisation's backward pass, of losses.  Statistics of the forward pass are gathered, and combined by
every rank in the order of ranks.
"""

from __future__ import annotations

import dataclasses
from array import array
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import InputError

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class Alone:
    """A process that trains by itself: rank 0 of 1."""

    rank, size = 0, 1

    def rows(self, batch: int) -> slice:
        """Which rows of a mini-batch are this rank's.

        Raises
        ------
        InputError : the ranks cannot have as many each.
        """
        each, rest = divmod(batch, self.size)
        if rest:
            raise InputError(f"--batch-size {batch} cannot be shared evenly by {self.size} ranks")
        return slice(self.rank * each, (self.rank + 1) * each)

    def device(self, asked: str) -> str:
        """Where to compute, as --device says it.

        Raises
        ------
        InputError : these ranks cannot add up there.
        """
        return asked

    def distribute(self, backend: T) -> T:
        """A backend, with the ops between ranks in its table."""
        return backend

    def agree(self, number: int | None) -> int | None:
        """The largest positive number that a rank has, None if none has one."""
        return number

    def share(self, value: T) -> T:
        """The first rank's value, of which the others get a copy."""
        return value

    def same(self, value: object) -> bool:
        """Whether all ranks have this value."""
        return True

    def mean_host(self, values: np.ndarray) -> np.ndarray:
        """The mean over ranks of an array of the host."""
        return values

    def close(self) -> None:
        """Free what :meth:`distribute` has made, once all graphs that were recorded with it are gone."""


#: What every process is unless it was told otherwise.
ALONE = Alone()


class Mpi(Alone):
    """One of the processes of an MPI communicator.  What is not of this rank alone, all must call."""

    flag, devices = "mpi", ("cpu", "simt")

    def __init__(self, communicator: Any):
        self._communicator = communicator
        self.rank, self.size = communicator.rank, communicator.size
        self._word = array("i", [0])

    def device(self, asked):
        if asked not in ("auto", *self.devices):
            known = " and ".join(self.devices)
            raise InputError(f"--distributed {self.flag} is for --device {known}, not {asked}")
        return self.devices[0] if asked == "auto" else asked

    def distribute(self, backend):
        if self.size == 1:
            return backend
        vars(backend.ops).update(ranks_mean=self.ranks_mean, ranks_gather=self.ranks_gather)
        return dataclasses.replace(backend, ranks=self)

    def agree(self, number):
        from mpi4py import MPI

        self._word[0] = number or 0
        self._communicator.Allreduce(MPI.IN_PLACE, self._word, MPI.MAX)
        return self._word[0] or None

    def share(self, value):
        copy = self._communicator.bcast(value)
        return value if self.rank == 0 else copy

    def same(self, value):
        return len(set(self._communicator.allgather(value))) == 1

    def mean_host(self, values):
        mean = values.copy()
        Mpi.ranks_mean(self, mean)
        return mean

    def on_this_host(self, value: T) -> tuple[int, list[T]]:
        """This rank's number among those of its host, and the values of all of these."""
        from mpi4py import MPI

        host = self._communicator.Split_type(MPI.COMM_TYPE_SHARED)
        values = host.rank, host.allgather(value)
        host.Free()
        return values

    def ranks_mean(self, x: Any) -> None:
        """The op ``ranks_mean(&x(n))``: the mean over ranks, the same bits on all of them."""
        from mpi4py import MPI

        self._communicator.Allreduce(MPI.IN_PLACE, x)
        x /= self.size

    def ranks_gather(self, y: Any, x: Any) -> None:
        """The op ``ranks_gather(y(R,n) <- x(n))``: row r is rank r's x."""
        self._communicator.Allgather(x, y)
