"""A checkpoint comes back bit for bit, or is refused in one line that names the file, and the tensor."""

import dataclasses
import hashlib
import json
import os
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from commands import leftovers
from hypothesis import given
from hypothesis import strategies as st

from cgan_raw import checkpoint
from cgan_raw.checkpoint import Checkpoint, load, save
from cgan_raw.config import TrainConfig
from cgan_raw.errors import InputError
from cgan_raw.files import writing as files

WIDTHS_G, WIDTHS_D = (100, 256, 512, 1024, 784), (784, 512, 512, 512, 1)


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint by name, from the description of the two networks alone."""
    trained = {"generator.embedding.weight": (10, 100), "discriminator.embedding.weight": (10, 784)}
    for network, widths in (("generator", WIDTHS_G), ("discriminator", WIDTHS_D)):
        for i in range(4):
            trained[f"{network}.dense{i}.weight"] = (widths[i], widths[i + 1])
            trained[f"{network}.dense{i}.bias"] = (widths[i + 1],)
    moving = {}
    for i in range(3):
        for name in ("gamma", "beta"):
            trained[f"generator.batchnorm{i}.{name}"] = (WIDTHS_G[i + 1],)
        for name in ("moving_mean", "moving_variance"):
            moving[f"generator.batchnorm{i}.{name}"] = (WIDTHS_G[i + 1],)
    moments = {f"adam.{m}.{name}": shape for m in "mv" for name, shape in trained.items()}
    return trained | moving | moments


def random_checkpoint(iteration: int = 1234) -> Checkpoint:
    rng = np.random.default_rng(iteration)
    tensors = {n: rng.standard_normal(s, np.float32) for n, s in expected_shapes().items()}
    config = TrainConfig(seed=2**64 - 1, data="/some/where", learning_rate=1 / 3)
    return Checkpoint(tensors, iteration, config, data_digest="0123456789abcdef")


@pytest.fixture(scope="module")
def good():
    return random_checkpoint()


@pytest.fixture(scope="module")
def saved(good, tmp_path_factory):
    """The bytes of a saved checkpoint."""
    path = tmp_path_factory.mktemp("saved") / checkpoint.FILE_NAME
    save(path, good)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / checkpoint.FILE_NAME


def assert_refused(path, *names):
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1, message
    for name in names:
        assert name in message


# The format -------------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back_bit_for_bit(good, saved, path):
    path.write_bytes(saved)
    loaded = load(path)
    assert loaded.iteration == good.iteration
    assert loaded.config == good.config
    assert loaded.data_digest == good.data_digest
    assert loaded.tensors.keys() == good.tensors.keys()
    for name, tensor in good.tensors.items():
        assert loaded.tensors[name].tobytes() == tensor.tobytes()


def test_special_values_come_back_bit_for_bit(good, path):
    special = np.array([-0.0, 1e-45, -1e-40, 3.4028235e38], np.float32)
    bias = np.resize(special, 784)
    save(path, dataclasses.replace(good, tensors=good.tensors | {"generator.dense3.bias": bias}))
    assert load(path).tensors["generator.dense3.bias"].tobytes() == bias.tobytes()


def test_same_checkpoint_is_the_same_bytes(good, saved, path):
    save(path, good)
    assert path.read_bytes() == saved


def test_file_has_the_documented_tensors_and_metadata(saved, path):
    path.write_bytes(saved)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        dtypes = {file.get_slice(name).get_dtype() for name in shapes}
    assert shapes == expected_shapes()
    assert dtypes == {"F32"}
    assert metadata.keys() == {
        "format",
        "iteration",
        "seed",
        "config",
        "data_digest",
        "sha256",
        "sha256_metadata",
    }
    assert (metadata["format"], metadata["iteration"]) == ("cgan_raw/1", "1234")
    assert metadata["data_digest"] == "0123456789abcdef"
    assert metadata["seed"] == str(2**64 - 1)
    assert (
        json.loads(metadata["config"])
        == TrainConfig(seed=2**64 - 1, data="/some/where", learning_rate=1 / 3).asdict()
    )
    header_length = struct.unpack("<Q", saved[:8])[0]
    assert metadata["sha256"] == hashlib.sha256(saved[8 + header_length :]).hexdigest()


@pytest.mark.parametrize("letters", range(8))
def test_tensors_are_aligned_in_the_file(letters):
    """As the format has it, for whoever maps the file: they begin at a multiple of eight."""
    tensors = {"a": np.ones(3, np.float32)}
    header = checkpoint._header(tensors, {"key": "x" * letters})
    assert len(header) % 8 == 0
    np.testing.assert_array_equal(safetensors.numpy.load(header + tensors["a"].tobytes())["a"], tensors["a"])


def test_parameters_add_up(good):
    for network, count in (("generator", 1_494_520), ("discriminator", 935_585)):
        sizes = (tensor.size for name, tensor in good.tensors.items() if name.startswith(network))
        assert sum(sizes) == count


# Damage -----------------------------------------------------------------------------------------------------


def lengths_to_cut_at(size: int) -> list[int]:
    """Every 1 KB near both ends, every 1 MB between, and around the header's first bytes."""
    kb, mb = 1 << 10, 1 << 20
    near_ends = [*range(0, 24 * kb, kb), *range(size // kb * kb, size - 24 * kb, -kb), size - 1]
    return sorted({*range(10), *near_ends, *range(mb, size, mb)}, reverse=True)


def test_truncated_anywhere_is_refused(saved, path):
    path.write_bytes(saved)
    for length in lengths_to_cut_at(len(saved)):
        os.truncate(path, length)
        assert_refused(path)


def test_longer_is_refused(saved, path):
    path.write_bytes(saved + b"\0")
    assert_refused(path)


def flip(path, position: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))


def bits_to_flip(saved: bytes) -> list[tuple[int, int]]:
    """In each byte of the header's length, at random in the header, and in the payload and at its ends."""
    end = 8 + struct.unpack("<Q", saved[:8])[0]
    rng = np.random.default_rng(0)
    in_header = rng.integers(8, end, 100)
    in_payload = [end, len(saved) - 1, *rng.integers(end, len(saved), 12)]
    in_length = [(position, bit) for position in range(8) for bit in (0, 3, 7)]
    return in_length + [(int(p), int(rng.integers(8))) for p in (*in_header, *in_payload)]


def test_any_bit_flipped_is_refused(saved, path):
    path.write_bytes(saved)
    for position, bit in bits_to_flip(saved):
        flip(path, position, bit)
        assert_refused(path)
        flip(path, position, bit)
    load(path)


@pytest.mark.parametrize("length", [0, 1, 2, 100, 10**6, 10**8, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
def test_lie_about_the_header_length_is_refused(length, saved, path):
    path.write_bytes(struct.pack("<Q", length) + saved[8:])
    assert_refused(path)


@pytest.mark.parametrize("off_by", [-1, 1])
def test_header_length_off_by_one_is_refused(off_by, saved, path):
    path.write_bytes(struct.pack("<Q", struct.unpack("<Q", saved[:8])[0] + off_by) + saved[8:])
    assert_refused(path)


HEADERS = {
    "empty": b"",
    "an empty object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "no JSON": b"{",
    "no UTF-8": b'{"\xff": 1}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "metadata no object": b'{"__metadata__": 1}',
    "metadata null": b'{"__metadata__": null}',
    "metadata numbers": b'{"__metadata__": {"format": 1}}',
    "metadata nested": b'{"__metadata__": {"format": ["cgan_raw/1"]}}',
    "tensor no object": b'{"a": 1}',
    "offsets reversed": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
    "offsets negative": b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
    "shape of 2^64": b'{"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}}',
    "unknown dtype": b'{"a": {"dtype": "F31", "shape": [1], "data_offsets": [0, 4]}}',
}


@pytest.mark.parametrize("case", HEADERS)
def test_nonsense_header_is_refused(case, path):
    path.write_bytes(struct.pack("<Q", len(HEADERS[case])) + HEADERS[case] + bytes(4))
    assert_refused(path)


@given(content=st.binary(max_size=200), says_its_length=st.booleans())
def test_random_bytes_are_refused(content, says_its_length, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "random.safetensors"
    path.write_bytes((struct.pack("<Q", len(content)) if says_its_length else b"") + content)
    assert_refused(path)


def test_missing_file_and_folder_in_its_place_are_refused(path):
    assert_refused(path, "No such file")
    path.mkdir()
    assert_refused(path, "Is a directory")


# Whole files that are not ours: every digest is right ---------------------------------------------------------


def write(path, tensors: dict[str, np.ndarray], **changes: str | None) -> None:
    """A checkpoint file with true digests; ``changes`` replace metadata, None removes one."""
    config = TrainConfig()
    metadata = {"format": "cgan_raw/1", "iteration": "5", "seed": "0", "config": json.dumps(config.asdict())}
    payload = safetensors.numpy.save(tensors)
    header_length = struct.unpack("<Q", payload[:8])[0]
    metadata["sha256"] = hashlib.sha256(payload[8 + header_length :]).hexdigest()
    metadata |= changes
    metadata = {key: value for key, value in metadata.items() if value is not None}
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()
    path.write_bytes(safetensors.numpy.save(tensors, {"sha256_metadata": digest} | metadata))


def test_what_the_next_tests_write_is_good_but_for_their_change(good, path):
    write(path, good.tensors)
    assert load(path).iteration == 5


def changed(good, name: str, tensor: np.ndarray | None) -> dict[str, np.ndarray]:
    tensors = good.tensors | {name: tensor}
    return {key: value for key, value in tensors.items() if value is not None}


@pytest.mark.parametrize("name", ["generator.batchnorm0.gamma", "adam.v.discriminator.dense3.bias"])
def test_missing_tensor_is_named(name, good, path):
    write(path, changed(good, name, None))
    assert_refused(path, name)


@pytest.mark.parametrize(
    "name", ["generator.dense4.weight", "adam.m.generator.batchnorm0.moving_mean", "", "a\nb"]
)
def test_unknown_tensor_is_named(name, good, path):
    write(path, changed(good, name, np.zeros(3, np.float32)))
    assert_refused(path, repr(name)[1:-1])


@pytest.mark.parametrize("shape", [(784, 1024), (1024, 783), (1024 * 784,), (1024, 784, 1), (), (0,)])
def test_wrong_shape_is_named(shape, good, path):
    write(path, changed(good, "generator.dense3.weight", np.zeros(shape, np.float32)))
    assert_refused(path, "generator.dense3.weight", str(shape))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_wrong_dtype_is_named(dtype, good, path):
    write(path, changed(good, "generator.dense0.bias", np.zeros(256, dtype)))
    assert_refused(path, "generator.dense0.bias", np.dtype(dtype).name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(value, good, path):
    bias = good.tensors["adam.m.generator.dense1.bias"].copy()
    bias[-1] = value
    write(path, changed(good, "adam.m.generator.dense1.bias", bias))
    assert_refused(path, "adam.m.generator.dense1.bias")


BAD_METADATA = {
    "another format": {"format": "cgan_raw/2"},
    "format of two lines": {"format": "cgan_raw/1\n"},
    "no format": {"format": None},
    "no iteration": {"iteration": None},
    "iteration no number": {"iteration": "many"},
    "iteration negative": {"iteration": "-1"},
    "iteration broken": {"iteration": "1.5"},
    "no seed": {"seed": None},
    "seed of another run": {"seed": "1"},
    "no config": {"config": None},
    "config no JSON": {"config": "{"},
    "config a list": {"config": "[]"},
    "config nested deeply": {"config": "[" * 100_000},
    "config with an unknown setting": {"config": '{"colour": 1}'},
    "config out of range": {"config": '{"batch_size": 0}'},
    "config of another model": {"config": '{"model": "vae"}'},
    "config of a plain GAN": {"config": '{"model": "gan"}'},
    "config with half an image": {"config": '{"batch_size": 4.5}'},
    "config with a truth for a number": {"config": '{"batch_size": true}'},
    "config with a list for a text": {"config": '{"model": ["cgan"]}'},
    "config with nothing for a number": {"config": '{"iterations": null}'},
    "config with a number for a folder": {"config": '{"data": 5}'},
    "config with a rate beyond all floats": {"config": '{"learning_rate": 1' + "0" * 400 + "}"},
    "config with a seed of half": {"config": '{"seed": 0.5}', "seed": "0.5"},
    "config with a seed that is a truth": {"config": '{"seed": true}', "seed": "True"},
    "iteration beyond all counters": {"iteration": str(2**63)},
    "iteration that fills pages": {"iteration": "1" * 10_000},
    "config with text for a number": {"config": '{"batch_size": "4"}'},
    "no digest": {"sha256": None},
    "another digest": {"sha256": "0" * 64},
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_bad_metadata_are_refused(case, good, path):
    write(path, good.tensors, **BAD_METADATA[case])
    assert_refused(path)


def test_no_metadata_are_refused(good, path):
    path.write_bytes(safetensors.numpy.save(good.tensors))
    assert_refused(path)


def test_checkpoint_from_before_it_named_its_data_is_read(good, path):
    write(path, good.tensors)
    assert load(path).data_digest is None


@pytest.mark.parametrize(
    ("key", "value"), [("iteration", "1235"), ("seed", "3"), ("config", "{}"), ("data_digest", "0")]
)
def test_tampering_with_metadata_is_noticed(key, value, saved, path):
    with_header = saved[8 : 8 + struct.unpack("<Q", saved[:8])[0]]
    header = json.loads(with_header)
    header["__metadata__"][key] = value
    content = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + saved[8 + len(with_header) :])
    assert_refused(path, "damaged")


def test_too_little_memory_is_no_damage(saved, path, monkeypatch):
    def fail(_):
        raise MemoryError("Unable to allocate 29 MiB")

    path.write_bytes(saved)
    monkeypatch.setattr(checkpoint.safetensors.numpy, "load", fail)
    with pytest.raises(MemoryError):
        load(path)


# Saving -----------------------------------------------------------------------------------------------------


def test_saving_takes_little_more_memory_than_the_file(good, saved, path):
    """A run that is short of memory should not end where it saves."""
    tracemalloc.start()
    try:
        save(path, good)
        assert tracemalloc.get_traced_memory()[1] < 1.1 * len(saved)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_save_that_fails_leaves_the_old_checkpoint(step, good, saved, path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    path.write_bytes(saved)
    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        save(path, dataclasses.replace(good, iteration=2000))
    assert load(path).iteration == good.iteration
    assert not leftovers(path.parent)
