"""Checkpoints: everything that a run needs to go on, in one safetensors file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from .config import TrainConfig
from .errors import InputError
from .files.checkpoint_file import FILE_NAME as FILE_NAME
from .files.checkpoint_file import FORMAT
from .files.reading import check_there, read_bytes
from .files.writing import write_atomically
from .models import checkpoint_shapes

_MOST_BYTES = 2**28  # many times what the networks need
_MOST_ITERATIONS = 2**62  # counters of updates, two per iteration, have 64 bits


@dataclass(frozen=True)
class Checkpoint:
    """A run after ``iteration`` iterations: its tensors by name (float32) and the settings that made them.

    ``data_digest`` is that of the training set, None if it is not known.
    """

    tensors: dict[str, np.ndarray]
    iteration: int
    config: TrainConfig
    data_digest: str | None = None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; whatever happens, the file at ``path`` is the old one or the new one, whole.

    Raises
    ------
    OSError : it cannot be written; the old file stands.
    """
    metadata = {
        "format": FORMAT,
        "iteration": str(checkpoint.iteration),
        "seed": str(checkpoint.config.seed),
        "config": json.dumps(checkpoint.config.asdict()),
    }
    if checkpoint.data_digest is not None:
        metadata["data_digest"] = checkpoint.data_digest
    payload = [np.ascontiguousarray(tensor) for _, tensor in sorted(checkpoint.tensors.items())]
    metadata["sha256"] = _sha256(*payload)
    metadata["sha256_metadata"] = _sha256_of_metadata(metadata)
    write_atomically(path, b"".join([_header(checkpoint.tensors, metadata), *payload]))


def _header(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """What stands before the tensors, which follow by name.

    The library would order metadata at random, and end the process where memory is short.
    """
    entries, start = {"__metadata__": metadata}, 0
    for name, tensor in sorted(tensors.items()):
        end = start + tensor.nbytes
        entries[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": (start, end)}
        start = end
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and check all of it: names, shapes, dtypes, finite values and both digests.

    Raises
    ------
    InputError : the file is missing, damaged or not one of ours; one line that names it, and the tensor.
    """
    check_there(path)
    content = read_bytes(path, _MOST_BYTES) or b""
    try:
        # The library gives the metadata of files only.
        metadata = dict(json.loads(content[8 : 8 + _header_length(content)]).get("__metadata__", {}))
        tensors = safetensors.numpy.load(content)
    except MemoryError:
        raise
    except Exception as error:  # the library raises errors of many kinds on damaged headers
        raise InputError(f"{path}: not a whole safetensors file: {_first_line(error)}") from None
    _check_metadata(path, metadata)
    iteration, config = _parse_metadata(path, metadata)
    _check_tensors(path, tensors, config.model)
    if _sha256(_payload(content)) != metadata["sha256"]:
        raise InputError(f"{path}: damaged: its tensors do not have the digest that it states")
    return Checkpoint(tensors, iteration, config, metadata.get("data_digest"))


def _check_metadata(path: Path, metadata: dict[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path}: its format is {metadata.get('format')!r}, expected {FORMAT!r}")
    stated = metadata.get("sha256_metadata")
    if {"iteration", "seed", "config", "sha256"} - metadata.keys() or stated != _sha256_of_metadata(metadata):
        raise InputError(f"{path}: damaged: its metadata do not have the digest that they state")


def _parse_metadata(path: Path, metadata: dict[str, str]) -> tuple[int, TrainConfig]:
    """The iteration and the settings; one that is not stated has its default."""
    try:
        iteration, config = int(metadata["iteration"]), TrainConfig(**json.loads(metadata["config"]))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its metadata cannot be used: {_first_line(error)}") from None
    if not 0 <= iteration < _MOST_ITERATIONS or metadata["seed"] != str(config.seed):
        raise InputError(f"{path}: its metadata cannot be those of a run")
    return iteration, config


def _check_tensors(path: Path, tensors: dict[str, np.ndarray], model: str) -> None:
    expected = checkpoint_shapes(model)
    for name in expected.keys() - tensors.keys():
        raise InputError(f"{path}: has no tensor {name}")
    for name, tensor in tensors.items():
        if name not in expected:
            raise InputError(f"{path}: has a tensor {name!r} that no network of a {model} knows")
        if tensor.dtype != np.float32 or tensor.shape != expected[name]:
            raise InputError(
                f"{path}: {name} is {tensor.dtype} {tensor.shape}, expected float32 {expected[name]}"
            )
        if not np.isfinite(tensor).all():
            raise InputError(f"{path}: {name} has values that are not finite")


def _payload(content: bytes) -> memoryview:
    return memoryview(content)[8 + _header_length(content) :]


def _header_length(content: bytes) -> int:
    return int.from_bytes(content[:8], "little")


def _sha256(*parts: bytes | memoryview | np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _sha256_of_metadata(metadata: dict[str, str]) -> str:
    covered = {key: value for key, value in metadata.items() if key != "sha256_metadata"}
    return _sha256(json.dumps(covered, sort_keys=True).encode())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
