"""From Python: training is the command's, in any thread, and Ctrl-C loses nothing."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from commands import call, losses, metrics

import cgan_raw
from cgan_raw.checkpoint import FILE_NAME, load
from cgan_raw.train import __main__ as train
from cgan_raw.train import trainer

#: The settings of the run in ``finished``.
EVERY = {"log_every": 5, "sample_every": 20, "checkpoint_every": 20}


@pytest.fixture
def settings(data):
    return {"device": "cpu", "batch_size": 4, "data": data, "seed": 7, "quiet": True, **EVERY}


def assert_same_run(folder, expected):
    assert (folder / FILE_NAME).read_bytes() == (expected / FILE_NAME).read_bytes()
    assert losses(folder) == losses(expected)
    pictures = sorted(path.name for path in (expected / "samples").iterdir())
    assert sorted(path.name for path in (folder / "samples").iterdir()) == pictures
    for name in pictures:
        assert (folder / "samples" / name).read_bytes() == (expected / "samples" / name).read_bytes()


# What is left -------------------------------------------------------------------------------------------------


def test_run_is_the_command_s(finished, settings, tmp_path, capfd):
    run = cgan_raw.fit(str(tmp_path / "run"), iterations=np.int64(60), **settings)
    assert_same_run(run.folder, finished[0])
    assert capfd.readouterr() == ("", "")
    assert run.metrics == metrics(run.folder)
    assert (run.iteration, run.config.seed, run.config.iterations) == (60, 7, 60)
    assert run._repr_png_() == (run.folder / "samples" / "000060.png").read_bytes()
    assert repr(run) == f"<cgan in {tmp_path / 'run'}, iteration 60>"
    assert run.generator is run.generator
    of_the_command = cgan_raw.load(finished[0], device="cpu")
    assert np.array_equal(run.generator.sample("3").images, of_the_command.sample("3").images)


def test_run_is_resumed_in_the_same_process_as_if_never_stopped(finished, settings, tmp_path):
    first = cgan_raw.fit(tmp_path / "run", iterations=20, **settings)
    run = cgan_raw.fit(resume=first.folder, iterations=60, quiet=True, device="cpu")
    assert_same_run(run.folder, finished[0])
    assert len(run.metrics) == 12
    assert len(first.metrics) == 4


def test_it_says_what_the_command_says(small, tmp_path, capsys, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = call(train.main, *small, "--iterations", 1, "--out", "one").out
    cgan_raw.fit("one_", iterations=1, device="cpu", batch_size=4, data=data)

    def without_speed(text):
        return [line.partition("images/s")[0].rpartition("  ")[0] or line for line in text.splitlines()]

    assert without_speed(capsys.readouterr().out.replace("one_", "one")) == without_speed(said)


def test_folder_has_the_command_s_name_where_none_is_given(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = cgan_raw.fit(iterations=1, **settings)
    assert run.folder.parent.name == "runs"
    assert (run.folder / FILE_NAME).exists()


# What is refused ----------------------------------------------------------------------------------------------

REFUSED = {
    "iterations": ({"iterations": 0}, ("--iterations", 0)),
    "seed": ({"seed": -1}, ("--seed", -1)),
    "learning_rate": ({"learning_rate": 0}, ("--learning-rate", 0)),
    "data": ({"data": "/none"}, ("--data", "/none")),
    "tf32": ({"tf32": True}, ("--tf32",)),
    "kernels": ({"kernels": "numba"}, ("--kernels", "numba")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_error_is_the_line_that_the_command_prints(case, tmp_path):
    settings, flags = REFUSED[case]
    with pytest.raises(cgan_raw.InputError) as caught:
        cgan_raw.fit(tmp_path / "run", device="cpu", **settings)
    result = call(train.main, "--device", "cpu", "--out", tmp_path / "run", *flags)
    assert (result.code, result.err) == (2, f"error: {caught.value}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"iterations": 2.5}, "--iterations must be a whole number, not 2.5"),
        ({"learning_rate": "fast"}, "--learning-rate must be a number"),
        ({"model": "vae"}, "--model must be cgan or gan or dcgan, not vae"),
        ({"data": ""}, "--data must not be empty"),
        ({"out": ""}, "--out must not be empty"),
        ({"resume": ""}, "--resume must not be empty"),
        ({"out": "a", "resume": "b"}, "--resume: not allowed with --out"),
        ({"device": "tpu"}, "--device must be one of"),
    ],
)
def test_arguments_that_no_command_could_be_given_are_refused(settings, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(cgan_raw.InputError, match=named):
        cgan_raw.fit(**settings)
    assert list(tmp_path.iterdir()) == []


def test_setting_that_there_is_not_is_a_type_error():
    with pytest.raises(TypeError, match=r"fit\(\) has no setting 'epochs'; there are model, iterations,"):
        cgan_raw.fit(epochs=3)


def test_folder_is_free_again_after_an_error_that_is_kept(finished, settings, tmp_path, monkeypatch):
    """As a notebook keeps the last one, with all that its traceback holds."""
    monkeypatch.setattr(trainer, "save_film", fail)
    with pytest.raises(cgan_raw.TrainingError, match=r"samples\.gif: No space") as kept:
        cgan_raw.fit(tmp_path / "run", iterations=20, **settings)
    monkeypatch.undo()
    with pytest.raises(cgan_raw.InputError, match="is at iteration 20 already") as kept_too:
        cgan_raw.fit(resume=tmp_path / "run", iterations=10, device="cpu")
    cgan_raw.fit(resume=tmp_path / "run", iterations=60, quiet=True, device="cpu")
    assert_same_run(tmp_path / "run", finished[0])
    assert kept.value is not kept_too.value


def fail(*_):
    raise OSError(28, "No space left on device", "samples.gif")


# Ctrl-C -------------------------------------------------------------------------------------------------------


def interrupted(function, times, monkeypatch):
    """In place of a function of the trainer: the same, after so many SIGINTs."""

    def call_after_signals(*arguments):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    monkeypatch.setattr(trainer, function.__name__, call_after_signals)


def test_interrupt_saves_and_arrives_as_one(finished, settings, tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT)
    folder = tmp_path / "run"
    interrupted(trainer.save_png, 1, monkeypatch)  # after iteration 20
    with pytest.raises(KeyboardInterrupt) as kept:
        cgan_raw.fit(folder, iterations=60, **settings | {"quiet": False})
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"stopped by SIGINT after iteration 20; saved {folder / FILE_NAME}",
        f'go on with: cgan_raw.fit(resume="{folder}")',
    ]
    assert load(folder / FILE_NAME).iteration == 20
    cgan_raw.fit(resume=folder, quiet=True, device="cpu")
    assert_same_run(folder, finished[0])
    assert kept.value.args == ()


def test_second_interrupt_arrives_at_once(settings, tmp_path, monkeypatch):
    interrupted(trainer.save_png, 2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        cgan_raw.fit(tmp_path / "run", iterations=60, **settings)
    assert not (tmp_path / "run" / FILE_NAME).exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handler_of_the_caller_hears_it_once_the_run_is_saved(settings, tmp_path, monkeypatch):
    interrupted(trainer.save_png, 1, monkeypatch)
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append((tmp_path / "run" / FILE_NAME).exists()))
    try:
        run = cgan_raw.fit(tmp_path / "run", iterations=60, **settings)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [True]
    assert run.iteration == 20


# Threads ------------------------------------------------------------------------------------------------------


def in_a_thread(function):
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()


def test_run_in_a_thread_is_the_same_and_touches_no_signal(finished, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("a handler is set"))
    run = in_a_thread(lambda: cgan_raw.fit(tmp_path / "run", iterations=60, **settings))
    assert_same_run(run.folder, finished[0])


def test_threads_that_train_and_draw_at_once_get_what_one_alone_gets(finished, settings, tmp_path):
    generator = cgan_raw.load(finished[0], device="cpu")
    alone = generator.sample(count=30, seed=3).images
    drawn, over = [], threading.Event()

    def draw():
        while not over.is_set():
            drawn.append(generator.sample(count=30, seed=3).images)

    with ThreadPoolExecutor(4) as threads:
        drawing = [threads.submit(draw) for _ in range(2)]
        training = [threads.submit(cgan_raw.fit, tmp_path / name, iterations=60, **settings) for name in "ab"]
        try:
            runs = [run.result() for run in training]
        finally:
            over.set()
        for each in drawing:
            each.result()
    for run in runs:
        assert_same_run(run.folder, finished[0])
    assert len(drawn) > 20
    assert all(np.array_equal(images, alone) for images in drawn)


def test_two_cannot_train_in_one_folder_at_once(finished, settings, tmp_path, monkeypatch):
    def train_there(*_):
        monkeypatch.undo()
        with pytest.raises(cgan_raw.InputError, match="is training there"):
            in_a_thread(lambda: cgan_raw.fit(resume=tmp_path / "run", device="cpu"))

    monkeypatch.setattr(trainer, "save_film", train_there)
    cgan_raw.fit(tmp_path / "run", iterations=20, **settings)
