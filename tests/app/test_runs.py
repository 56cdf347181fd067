"""What a run leaves behind, how one goes on, and what is refused before anything is touched."""

import errno
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from commands import (
    assert_refused,
    call,
    idx,
    leftovers,
    losses,
    metrics,
    random_data,
    write_data,
)
from PIL import Image

from cgan_raw import runs
from cgan_raw.checkpoint import load
from cgan_raw.compare import __main__ as compare
from cgan_raw.config import TrainConfig
from cgan_raw.console import cli
from cgan_raw.files import lock
from cgan_raw.files.lock import Lock
from cgan_raw.runs import METRICS
from cgan_raw.train import __main__ as train
from cgan_raw.train import trainer


def snapshot(folder: Path) -> dict[str, int]:
    """When each file in a folder was last changed."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def copy_of(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


# What a run leaves behind ------------------------------------------------------------------------------------


def test_folder_has_these_files_and_no_others(finished):
    folder, _ = finished
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    samples = {f"samples/0000{iteration}.png" for iteration in (20, 40, 60)}
    assert files == samples | {
        "config.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "samples.gif",
        "losses.png",
    }


def test_config_has_every_setting(finished, data):
    settings = json.loads((finished[0] / "config.json").read_text())
    assert settings.keys() == {"version", "device", "data_digest"} | TrainConfig().asdict().keys()
    assert (settings["device"], settings["seed"], settings["batch_size"]) == ("cpu", 7, 4)
    assert settings["data"] == str(data)


def test_metrics_have_these_keys_at_every_interval(finished):
    lines = metrics(finished[0])
    keys = ["iteration", "d_loss", "d_accuracy", "g_loss", "images_per_second", "seconds"]
    assert [list(line) for line in lines] == [keys] * 12
    assert [line["iteration"] for line in lines] == list(range(5, 61, 5))
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert all(0 <= line["d_accuracy"] <= 1 and line["images_per_second"] > 0 for line in lines)
    assert set(keys) == set(METRICS)


def test_samples_are_grids_of_two_by_five(finished):
    for iteration in (20, 40, 60):
        with Image.open(finished[0] / "samples" / f"{iteration:06d}.png") as picture:
            assert picture.format == "PNG"
            width, height = picture.size
            assert 2 < width / height * 2 < 5


def test_film_has_a_frame_for_each_grid_and_is_small(finished):
    path = finished[0] / "samples.gif"
    assert path.stat().st_size < 2_000_000
    with Image.open(path) as film:
        assert (film.format, film.n_frames) == ("GIF", 3)
        for frame in range(3):
            film.seek(frame)
            film.load()


def test_loss_plot_is_a_picture(finished):
    with Image.open(finished[0] / "losses.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def test_sizes_of_the_networks_are_said_before_training(finished):
    out = finished[1].out
    first_line_of_training = out.index("iteration  5/60")
    for text in ("1,494,520", "935,585", "64 images", "cpu", "seed        7", str(finished[0])):
        assert 0 <= out.find(text) < first_line_of_training, text
    assert finished[1].err == ""


WAYS = {
    "fused": ((), "fused"),
    "layered": (("--layered",), "op by op"),
    "rows": (("--batch-size", 257), "op by op: the fused kernels are for mini-batches of up to 256"),
}


@pytest.mark.parametrize("way", WAYS)
def test_how_iterations_are_computed_is_said(way, small, tmp_path):
    flags, said = WAYS[way]
    result = call(train.main, *small, "--iterations", 2, *flags, "--out", tmp_path / "run")
    assert (result.code, result.err) == (0, "")
    assert re.findall(r"^iteration   (\D.*)$", result.out, re.MULTILINE) == [said]


def test_a_line_an_interval_and_the_end_are_said(finished):
    out = finished[1].out
    assert len(re.findall(r"^iteration +\d+/60  d_loss ", out, re.MULTILINE)) == 12
    assert out.endswith(f"finished after iteration 60; saved {finished[0] / 'checkpoint.safetensors'}\n")


def test_a_line_of_metrics_every_iteration(small, tmp_path):
    result = call(train.main, *small, "--iterations", 3, "--log-every", 1, "--out", tmp_path / "run")
    assert [line["iteration"] for line in metrics(tmp_path / "run")] == [1, 2, 3]
    assert result.out.count("d_accuracy") == 3


def test_last_iteration_is_logged_sampled_and_saved_whatever_the_intervals(small, tmp_path):
    folder = tmp_path / "run"
    every = ("--log-every", 2, "--sample-every", 10**30, "--checkpoint-every", 2)
    assert call(train.main, *small, "--iterations", 3, *every, "--out", folder).code == 0
    assert [line["iteration"] for line in metrics(folder)] == [2, 3]
    assert [path.name for path in (folder / "samples").iterdir()] == ["000003.png"]
    assert load(folder / "checkpoint.safetensors").iteration == 3


def test_quiet_prints_nothing(small, tmp_path):
    result = call(train.main, *small, "--iterations", 2, "--log-every", 1, "--quiet", "--out", tmp_path / "run")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_a_batch_of_one_image(small, tmp_path):
    folder = tmp_path / "run"
    assert call(train.main, *small, "--batch-size", 1, "--iterations", 2, "--out", folder).code == 0
    assert load(folder / "checkpoint.safetensors").config.batch_size == 1


def test_run_folder_is_named_by_date_and_time(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(train.main, *small, "--iterations", 1).code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}", folder.name)


def test_runs_of_one_second_have_folders_of_their_own(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs.time, "strftime", lambda _: "20250101-120000")
    for seed in (1, 2, 3):
        assert call(train.main, *small, "--iterations", 1, "--seed", seed, "--quiet").code == 0
    seeds = {path.name: load(path / "checkpoint.safetensors").config.seed for path in Path("runs").iterdir()}
    assert seeds == {"20250101-120000": 1, "20250101-120000-2": 2, "20250101-120000-3": 3}


# One process at a time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--out", "--resume"])
def test_folder_in_which_another_process_trains_is_refused(flag, finished, small, tmp_path):
    folder = tmp_path / "run"
    if flag == "--resume":
        copy_of(finished[0], tmp_path)
    else:
        folder.mkdir()
    lock, before = Lock(folder), snapshot(folder)
    flags = ("--iterations", 61) if flag == "--resume" else (*small, "--iterations", 1)
    assert_refused(call(train.main, *flags, flag, folder), folder, "another process")
    assert snapshot(folder) == before
    del lock
    assert call(train.main, *flags, flag, folder).code == 0


def test_run_that_was_made_while_this_one_read_its_data_is_kept(finished, small, tmp_path, monkeypatch):
    folder, load_training = tmp_path / "run", trainer.load_training

    def meanwhile(data):
        copy_of(finished[0], tmp_path)
        return load_training(data)

    monkeypatch.setattr(trainer, "load_training", meanwhile)
    assert_refused(call(train.main, *small, "--out", folder), folder, f"--resume {folder}")
    assert snapshot(folder).keys() == snapshot(finished[0]).keys()
    assert metrics(folder) == metrics(finished[0])


def test_disk_without_locks_keeps_nobody_from_training(small, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    assert call(train.main, *small, "--iterations", 1, "--out", tmp_path / "run").code == 0


# Going on ---------------------------------------------------------------------------------------------------


def test_a_finished_run_has_nothing_to_go_on_with(finished, tmp_path):
    folder = copy_of(finished[0], tmp_path)
    before = (folder / "checkpoint.safetensors").read_bytes()
    result = call(train.main, "--resume", folder, "--device", "cpu")
    assert (result.code, result.err) == (0, "")
    assert "finished after iteration 60" in result.out
    assert (folder / "checkpoint.safetensors").read_bytes() == before
    assert metrics(folder) == metrics(finished[0])


def test_a_data_set_of_ones_own_is_found_again_from_another_folder(tmp_path, monkeypatch):
    """--data is relative at first; the resumed run is started elsewhere."""
    write_data(tmp_path / "here" / "fashion", *map(idx, random_data(40)), ".gz")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    flags = ("--device", "cpu", "--batch-size", 4)
    assert call(train.main, *flags, "--data", "fashion", "--iterations", 1, "--out", "run").code == 0
    monkeypatch.chdir(tmp_path / "there")
    assert call(train.main, "--resume", "../here/run", "--iterations", 2).code == 0
    os.rename(tmp_path / "here" / "fashion", tmp_path / "moved")
    moved = ("--data", "../moved", "--iterations", 3)
    assert call(train.main, "--resume", "../here/run", *moved).code == 0
    config = load(tmp_path / "here" / "run" / "checkpoint.safetensors").config
    assert config.data == str(tmp_path / "moved")


def test_the_same_seed_may_be_given_again(finished, tmp_path):
    folder = copy_of(finished[0], tmp_path)
    assert call(train.main, "--resume", folder, "--seed", 7, "--batch-size", 4).code == 0


def test_fewer_iterations_than_are_behind_are_refused_and_nothing_touched(finished):
    folder = finished[0]
    before = snapshot(folder)
    result = call(train.main, "--resume", folder, "--iterations", 59)
    assert_refused(result, "--iterations 59", folder, "iteration 60")
    assert snapshot(folder) == before


@pytest.mark.parametrize("flag", ["--seed=8", "--batch-size=5", "--learning-rate=0.1", "--beta1=0.9"])
def test_a_setting_that_the_results_depend_on_cannot_change(flag, finished):
    folder = finished[0]
    assert_refused(call(train.main, "--resume", folder, *flag.split("=")), *flag.split("="), folder)


DAMAGE = {
    "cut short in a line": b'{"iteration": 60, "d_lo',
    "cut short in a character": '"é"'.encode()[:-2],
    "no object": b"[]\n3\nnull\n",
    "without a key": b'{"iteration": 60}\n',
    "zeros": bytes(100),
    "no UTF-8": b"\xff\xfe\n",
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_metrics_are_dropped(case, finished, tmp_path):
    folder = copy_of(finished[0], tmp_path)
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + DAMAGE[case])
    assert call(train.main, "--resume", folder, "--iterations", 61, "--quiet").code == 0
    assert [line["iteration"] for line in metrics(folder)] == [*range(5, 60, 5), 61]
    assert losses(folder)[:-1] == losses(finished[0])[:-1]


def test_metrics_beyond_the_checkpoint_are_dropped_and_missing_ones_do_no_harm(finished, tmp_path):
    for number, content in enumerate((None, (finished[0] / "metrics.jsonl").read_text())):
        folder = copy_of(finished[0], tmp_path / str(number))
        (folder / "metrics.jsonl").unlink()
        if content is not None:
            (folder / "metrics.jsonl").write_text(content + content.splitlines()[-1].replace("60", "65") + "\n")
        assert call(train.main, "--resume", folder, "--iterations", 61, "--quiet").code == 0
        assert [line["iteration"] for line in metrics(folder)][-1] == 61
        assert len(metrics(folder)) == (1 if content is None else 13)


def test_metrics_that_cannot_be_read_are_named(finished, tmp_path):
    folder = copy_of(finished[0], tmp_path)
    (folder / "metrics.jsonl").unlink()
    (folder / "metrics.jsonl").mkdir()
    for result in (call(train.main, "--resume", folder), call(compare.main, folder, finished[0])):
        assert_refused(result, folder / "metrics.jsonl", os.strerror(21))


def test_what_a_killed_process_left_is_removed(finished, tmp_path):
    folder = copy_of(finished[0], tmp_path)
    for parent in (folder, folder / "samples"):
        (parent / ".checkpoint.safetensors.abc.partial").write_bytes(b"half")
    assert call(train.main, "--resume", folder, "--quiet").code == 0
    assert not leftovers(folder)


# What is refused --------------------------------------------------------------------------------------------


def test_resume_without_a_run_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name in ("none", "empty", "file"):
        assert_refused(call(train.main, "--resume", tmp_path / name), tmp_path / name)
    assert not any((tmp_path / "empty").iterdir())


def test_resume_from_a_damaged_checkpoint_is_refused_and_nothing_touched(finished, tmp_path):
    folder = copy_of(finished[0], tmp_path)
    os.truncate(folder / "checkpoint.safetensors", 10**6)
    before = snapshot(folder)
    assert_refused(call(train.main, "--resume", folder), folder / "checkpoint.safetensors")
    assert snapshot(folder) == before


def test_resume_and_out_exclude_each_other(tmp_path):
    result = call(train.main, "--resume", tmp_path, "--out", tmp_path)
    assert result.code == 2
    assert "not allowed with" in result.err.splitlines()[-1]


@pytest.mark.parametrize("flag", ["--out", "--resume", "--data"])
def test_empty_folder_name_is_refused(flag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(train.main, flag, "")
    assert result.code == 2
    assert result.err.splitlines()[-1].endswith(f"argument {flag}: must not be empty")
    assert not any(tmp_path.iterdir())


def test_out_on_a_run_is_refused(finished, small):
    folder = finished[0]
    result = call(train.main, *small, "--out", folder)
    assert_refused(result, folder, f"--resume {folder}")


def test_out_on_a_run_without_a_checkpoint_does_not_advise_to_resume(small, tmp_path):
    (tmp_path / "config.json").touch()
    result = call(train.main, *small, "--out", tmp_path)
    assert_refused(result, tmp_path, "another --out")
    assert "--resume" not in result.err


def unwritable(tmp_path: Path) -> Path:
    """A folder in which nobody can make one, root included."""
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        return tmp_path
    if not Path("/proc/self").is_dir():
        pytest.skip("root can write everywhere here")
    return Path("/proc/self")


def test_out_on_an_unwritable_place_is_refused(small, tmp_path):
    (tmp_path / "file").touch()
    places = [
        tmp_path / "file",
        tmp_path / "file" / "run",
        tmp_path / ("long" * 100),
        unwritable(tmp_path) / "run",
    ]
    for place in places:
        assert_refused(call(train.main, *small, "--out", place), place)


OUT_OF_RANGE = [
    ("--iterations", "0"),
    ("--iterations", "-5"),
    ("--batch-size", "0"),
    ("--batch-size", "1048577"),
    ("--batch-size", str(10**30)),
    ("--seed", "-1"),
    ("--seed", str(2**64)),
    ("--learning-rate", "0"),
    ("--learning-rate", "-0.1"),
    ("--learning-rate", "nan"),
    ("--learning-rate", "inf"),
    ("--beta1", "1"),
    ("--beta1", "-0.1"),
    ("--beta1", "nan"),
    ("--log-every", "0"),
    ("--sample-every", "0"),
    ("--checkpoint-every", "-1"),
]


@pytest.mark.parametrize(("flag", "value"), OUT_OF_RANGE)
def test_flag_out_of_range_is_refused(flag, value, small, tmp_path):
    result = call(train.main, *small, flag, value, "--out", tmp_path / "run")
    assert_refused(result, flag)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flag", ["--iterations", "--batch-size", "--seed", "--learning-rate", "--device", "--log-every"]
)
@pytest.mark.parametrize("value", ["abc", "", "1e"])
def test_flag_that_is_no_value_is_refused(flag, value, tmp_path):
    """argparse shows the usage first; what is wrong stands in the last line."""
    result = call(train.main, flag, value, "--out", tmp_path / "run")
    assert result.code == 2
    assert flag in result.err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_largest_seed_is_a_seed(small, tmp_path):
    flags = ("--seed", 2**64 - 1, "--iterations", 1)
    assert call(train.main, *small, *flags, "--out", tmp_path / "run").code == 0
    assert load(tmp_path / "run" / "checkpoint.safetensors").config.seed == 2**64 - 1


@pytest.mark.skipif(Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists(), reason="this machine has a GPU")
@pytest.mark.parametrize(("kernels", "flag"), [("cuda", "--device gpu"), ("numba", "--kernels numba")])
def test_gpu_that_is_not_there_is_refused(tmp_path, kernels, flag):
    result = call(train.main, "--device", "gpu", "--kernels", kernels, "--out", tmp_path / "run")
    assert_refused(result, f"error: {flag}: ", "--device cpu works")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", ["cpu", "simt"])
@pytest.mark.parametrize("flags", [("--kernels", "numba"), ("--tf32",)], ids="".join)
def test_flags_of_another_device_are_refused(tmp_path, device, flags):
    if (device, flags) == ("simt", ("--tf32",)):
        pytest.skip("the CUDA C++ on the CPU has tensor cores too")
    result = call(train.main, "--device", device, *flags, "--out", tmp_path / "run")
    assert_refused(result, flags[0], device)
    assert not (tmp_path / "run").exists()


# Failures that are no defects ---------------------------------------------------------------------------------


def test_too_little_memory_is_one_line(capsys):
    def allocate():
        raise MemoryError("Unable to allocate 2.85 TiB")

    assert cli.run(allocate) == 1
    assert capsys.readouterr().err == "error: not enough memory: Unable to allocate 2.85 TiB\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is of Linux")
def test_metrics_on_a_full_disk_say_so(tmp_path):
    run = runs.Run(tmp_path, TrainConfig())
    run.metrics_path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        run.add_metrics({"iteration": 1})
    assert caught.value.filename == str(run.metrics_path)
