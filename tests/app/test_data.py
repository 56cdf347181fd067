"""The embedded MNIST is the real one, and a data set that is not whole is refused in one line."""

import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
from commands import assert_refused, call, idx, outcome, random_data, start, write_data

from cgan_raw.data import MNIST_DIGEST, load_test, load_training
from cgan_raw.data import idx as reader
from cgan_raw.data.idx import EMBEDDED, read_idx
from cgan_raw.errors import InputError
from cgan_raw.train import __main__ as train

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("name", SHA256)
def test_embedded_file_is_the_original(name):
    content = gzip.decompress((EMBEDDED / f"{name}.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() == SHA256[name]


@pytest.mark.parametrize(("load", "count"), [(load_training, 60_000), (load_test, 10_000)])
def test_embedded_set_has_its_shape(load, count):
    dataset = load()
    assert dataset.images.shape == (count, 784)
    assert dataset.labels.shape == (count,)
    assert dataset.images.dtype == dataset.labels.dtype == np.uint8
    assert len(dataset) == count
    assert set(dataset.labels.tolist()) == set(range(10))


def test_digest_of_the_embedded_training_set_is_known():
    assert load_training().digest() == MNIST_DIGEST


def test_plain_and_gzipped_folders_read_alike(tmp_path):
    images, labels = random_data(20)
    for suffix in ("", ".gz"):
        dataset = load_training(write_data(tmp_path / f"data{suffix}", idx(images), idx(labels), suffix))
        assert np.array_equal(dataset.images, images.reshape(20, 784))
        assert np.array_equal(dataset.labels, labels)


# What is refused --------------------------------------------------------------------------------------------


def header(*shape: int, kind: int = 8) -> bytes:
    """The header of an IDX file, true or not."""
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)


GOOD_IMAGES, GOOD_LABELS = map(idx, random_data(20))
PIXELS, DIGITS = GOOD_IMAGES[16:], GOOD_LABELS[8:]

#: name: (file at fault, its content)
BAD_FILES = {
    "images: empty": (IMAGES, b""),
    "images: magic of labels": (IMAGES, header(20) + PIXELS),
    "images: magic of floats": (IMAGES, header(20, 28, 28, kind=0x0D) + PIXELS),
    "images: magic only": (IMAGES, GOOD_IMAGES[:4]),
    "images: half a magic": (IMAGES, GOOD_IMAGES[:2]),
    "images: header cut short": (IMAGES, GOOD_IMAGES[:15]),
    "images: truncated": (IMAGES, GOOD_IMAGES[:-1]),
    "images: too long": (IMAGES, GOOD_IMAGES + b"\0"),
    "images: one more promised": (IMAGES, header(21, 28, 28) + PIXELS),
    "images: one less promised": (IMAGES, header(19, 28, 28) + PIXELS),
    "images: exabytes promised": (IMAGES, header(2**32 - 1, 2**32 - 1, 2**32 - 1) + PIXELS),
    "images: 2^32 bytes promised, 0 in 32 bits": (IMAGES, header(2**16, 2**8, 2**8)),
    "images: 14 x 56": (IMAGES, header(20, 14, 56) + PIXELS),
    "images: none": (IMAGES, header(0, 28, 28)),
    "images: of no size": (IMAGES, header(20, 0, 0)),
    "images: fewer than labels": (LABELS, header(21) + DIGITS + b"\0"),
    "labels: empty": (LABELS, b""),
    "labels: magic of images": (LABELS, header(20, 1, 1) + DIGITS),
    "labels: header cut short": (LABELS, GOOD_LABELS[:7]),
    "labels: truncated": (LABELS, GOOD_LABELS[:-1]),
    "labels: billions promised": (LABELS, header(2**32 - 1) + DIGITS),
    "labels: fewer than images": (LABELS, header(19) + DIGITS[:-1]),
    "labels: none": (LABELS, header(0)),
    "labels: a ten": (LABELS, header(20) + DIGITS[:-1] + b"\x0a"),
    "labels: a 255": (LABELS, header(20) + b"\xff" + DIGITS[1:]),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_is_refused_by_name(case, suffix, tmp_path):
    name, content = BAD_FILES[case]
    files = {IMAGES: GOOD_IMAGES, LABELS: GOOD_LABELS, name: content}
    folder = write_data(tmp_path / "data", files[IMAGES], files[LABELS], suffix)
    assert_train_refuses(tmp_path, folder, folder / f"{name}{suffix}")


def _truncated(packed: bytes) -> bytes:
    return packed[: len(packed) // 2]


def _corrupt(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes(255 - byte for byte in packed[middle : middle + 8]) + packed[middle + 8 :]


def _wrong_checksum(packed: bytes) -> bytes:
    return packed[:-8] + bytes(4) + packed[-4:]


BAD_GZIPS = {
    "empty": lambda packed: b"",
    "no gzip": lambda packed: GOOD_IMAGES,
    "magic only": lambda packed: packed[:2],
    "truncated": _truncated,
    "without its checksum": lambda packed: packed[:-8],
    "corrupt": _corrupt,
    "wrong checksum": _wrong_checksum,
    "garbage behind": lambda packed: packed + b"garbage",
}


@pytest.mark.parametrize("case", BAD_GZIPS)
def test_bad_gzip_is_refused_by_name(case, tmp_path):
    folder = write_data(tmp_path / "data", GOOD_IMAGES, GOOD_LABELS, ".gz")
    path = folder / f"{IMAGES}.gz"
    path.write_bytes(BAD_GZIPS[case](path.read_bytes()))
    assert_train_refuses(tmp_path, folder, path)


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize("instead", ["nothing", "a folder"])
def test_missing_file_is_refused_by_name(name, instead, tmp_path):
    folder = write_data(tmp_path / "data", GOOD_IMAGES, GOOD_LABELS)
    (folder / name).unlink()
    if instead == "a folder":
        (folder / name).mkdir()
    assert_train_refuses(tmp_path, folder, folder / name)


def test_missing_folder_is_refused_by_name(tmp_path):
    assert_train_refuses(tmp_path, tmp_path / "none", tmp_path / "none")


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(GOOD_IMAGES)
    assert_train_refuses(tmp_path, path, path)


def assert_train_refuses(tmp_path, folder, named):
    run = tmp_path / "run"
    assert_refused(call(train.main, "--data", folder, "--out", run, "--iterations", 1), named)
    assert not run.exists()


def test_a_process_of_its_own_refuses_alike(tmp_path):
    """The same as from main: no traceback, and the exit code arrives."""
    folder = write_data(tmp_path / "data", GOOD_IMAGES[:-1], GOOD_LABELS)
    process = start("-m", "cgan_raw.train", "--data", folder, "--out", tmp_path / "run", cwd=tmp_path)
    assert_refused(outcome(process), folder / IMAGES)
    assert not (tmp_path / "run").exists()


def test_labels_cut_anywhere_are_refused(tmp_path):
    path = tmp_path / LABELS
    for length in range(len(GOOD_LABELS)):
        path.write_bytes(GOOD_LABELS[:length])
        with pytest.raises(InputError, match=LABELS):
            read_idx(path, 1)


def test_gzip_with_any_bit_flipped_reads_the_same_or_is_refused(tmp_path):
    """A gzip header has a date that nobody reads, so some flips change nothing."""
    path, packed = tmp_path / f"{LABELS}.gz", gzip.compress(GOOD_LABELS)
    expected = read_idx_of(path, packed)
    refused = 0
    for bit in range(8 * len(packed)):
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert np.array_equal(read_idx_of(path, bytes(flipped)), expected)
        except InputError as caught:
            message = str(caught)
            assert message.startswith(f"{path}: ")
            assert len(message.splitlines()) == 1
            refused += 1
    assert refused > 7 * (len(packed) - 10)


# How much is read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_no_more_is_read_than_is_promised(suffix, tmp_path):
    """A hundred million bytes behind a header of twenty labels; packed, they are a hundred thousand."""
    path = tmp_path / f"{LABELS}{suffix}"
    content = header(20) + bytes(10**8)
    path.write_bytes(gzip.compress(content, 1) if suffix else content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="too long: its header promises 28 bytes, it has more"):
            read_idx(path, 1)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("images", "labels"), [(header(10**9, 28, 28), header(20)), (header(10, 9999, 9999), header(10))]
)
def test_headers_that_do_not_fit_are_refused_before_anything_is_read(images, labels, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "read_idx", lambda *_: pytest.fail("it is read"))
    with pytest.raises(InputError):
        load_training(write_data(tmp_path / "data", images, labels))


def test_arrays_are_read_only(tmp_path):
    """They are shared with the backend without a copy."""
    dataset = load_training(write_data(tmp_path / "data", GOOD_IMAGES, GOOD_LABELS))
    assert not dataset.images.flags.writeable
    assert not dataset.labels.flags.writeable


def read_idx_of(path, content):
    path.write_bytes(content)
    return read_idx(path, 1)
