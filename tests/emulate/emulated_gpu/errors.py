"""What a call is refused with."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """CUDA's error codes; runtime and driver have the same numbers."""

    SUCCESS = 0
    INVALID_VALUE = 1
    OUT_OF_MEMORY = 2
    INVALID_DIRECTION = 21
    INVALID_DEVICE = 101
    INVALID_HANDLE = 400
    NOT_FOUND = 500
    NOT_READY = 600
    ILLEGAL_ADDRESS = 700
    LAUNCH_FAILURE = 719
    NOT_SUPPORTED = 801
    CAPTURE_UNSUPPORTED = 900
    CAPTURE_INVALIDATED = 901
    CAPTURE_MERGE = 902
    CAPTURE_UNJOINED = 904
    CAPTURE_ISOLATION = 905
    CAPTURE_IMPLICIT = 906
    UNKNOWN = 999


class CudaError(Exception):
    """A call's answer when it is not success, and why."""

    def __init__(self, status: Status, why: str):
        super().__init__(why)
        self.status = status
