"""What plots and films show: each loss by its name, a running mean, and frames that are evenly chosen."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from cgan_raw import images


def test_losses_are_drawn_by_name():
    """Each as it is, and as a running mean."""
    rng = np.random.default_rng(0)
    iterations, d_loss, g_loss = range(5, 205, 5), rng.random(40), rng.random(40)
    metrics = [
        {"iteration": i, "d_loss": d, "g_loss": g} for i, d, g in zip(iterations, d_loss, g_loss, strict=True)
    ]
    axes = Figure().subplots()
    images.draw_losses(axes, metrics)
    lines = axes.get_lines()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["discriminator", "generator"]
    assert [line.get_label() for line in lines[1::2]] == ["discriminator", "generator"]
    for thin, thick, values in zip(lines[0::2], lines[1::2], (d_loss, g_loss), strict=True):
        assert list(thin.get_xdata()) == list(thick.get_xdata()) == list(iterations)
        assert np.array_equal(thin.get_ydata(), values)
        assert np.array_equal(thick.get_ydata(), images._smooth(values))


def test_running_mean_is_over_eleven():
    impulse = np.zeros(40)
    impulse[20] = 1
    expected = np.zeros(40)
    expected[15:26] = 1 / 11
    np.testing.assert_allclose(images._smooth(impulse), expected, atol=1e-12)


def test_running_mean_narrows_at_both_ends():
    assert images._smooth([4.0]) == [4]
    np.testing.assert_allclose(images._smooth([0.0, 3.0, 6.0, 0.0]), [0, 3, 3, 0])
    np.testing.assert_allclose(images._smooth([0.7] * 30), [0.7] * 30)


def test_long_film_has_eighty_frames_evenly_chosen(tmp_path, monkeypatch):
    chosen = []

    def frame(caption, path):
        """A point for every number, as frames that are alike become one."""
        chosen.append(int(caption))
        picture = Image.new("L", (200, 1))
        picture.putpixel((int(caption), 0), 255)
        return picture

    monkeypatch.setattr(images, "_film_frame", frame)
    images.save_film(tmp_path / "film.gif", [(str(i), Path()) for i in range(200)])
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 199, 80)
    assert set(np.diff(chosen)) == {2, 3}
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 80
        film.seek(79)
        assert film.info["duration"] > 1_000
        assert np.argmax(film.convert("L")) == 199


def test_arrays_of_several_parts_are_whole(tmp_path):
    kept = np.random.default_rng(0).integers(0, 256, (2_001, 28, 28), np.uint8)
    images.save_arrays(tmp_path / "a.npz", kept[:, ::-1], None)
    with np.load(tmp_path / "a.npz") as arrays:
        assert set(arrays) == {"images"}
        assert np.array_equal(arrays["images"], kept[:, ::-1])


def test_a_single_value_is_a_point():
    axes = Figure().subplots()
    images.draw_losses(axes, [{"iteration": 100, "d_loss": 0.7, "g_loss": 0.8}])
    assert [line.get_marker() for line in axes.lines[::2]] == [".", "."]
