"""Bookkeeping in NumPy.

    (1)  counters[i] += increments[i]
    (2)  ring[iteration mod R] = losses

By (2) the R latest iterations can be read at any time.
"""


def counters_advance(counters, increments):
    counters += increments  # (1)


def losses_record(ring, losses, iteration):
    ring[iteration[0] % len(ring)] = losses  # (2)
