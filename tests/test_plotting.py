"""The style, the stretch, titles that fit, files that appear whole."""

import hashlib

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stronglens.parameters import Column, RunError, UsageError
from stronglens.plotting import (
    PanelGrid,
    add_colour_bar,
    add_title,
    asinh_norm,
    best_epoch,
    check_cmap,
    draw_image,
    fit_text,
    format_values,
    grid_shape,
    length_unit,
    new_figure,
    plain_text,
    round_to_error,
    save_figure,
    style,
    symmetric_ticks,
    write_captions,
)


def small_figure():
    with style():
        figure = new_figure(3, 3)
        axes = figure.add_axes((0.2, 0.2, 0.7, 0.6))
        image = np.random.default_rng(1).normal(size=(8, 8))
        draw_image(axes, image, 0.1, asinh_norm(image), "magma")
        add_title(figure, "A title", "and a line")
    return figure


def test_the_style_leaves_nothing_behind():
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["svg.hashsalt"] == "stronglens"
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"image.cmap": "jet", "font.size": 30}), style():
        assert mpl.rcParams["font.size"] == 9  # the user's own settings do not enter


@pytest.mark.parametrize(
    ("kind", "start"), [("png", b"\x89PNG"), ("jpg", b"\xff\xd8\xff"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_a_figure_is_the_same_to_the_byte(tmp_path, kind, start):
    hashes = set()
    for name in ("a", "b"):
        path = save_figure(small_figure(), tmp_path / "new" / f"{name}.{kind}")
        content = path.read_bytes()
        assert content.startswith(start)
        hashes.add(hashlib.sha256(content).hexdigest())
    assert len(hashes) == 1
    assert sorted(path.name for path in path.parent.iterdir()) == [f"a.{kind}", f"b.{kind}"]


def test_a_figure_that_fails_leaves_the_old_one(tmp_path):
    path = save_figure(small_figure(), tmp_path / "a.png")
    before = path.read_bytes()
    figure = small_figure()
    figure.text(0.5, 0.5, r"$\nonsense{$")
    with pytest.raises(ValueError, match="nonsense"):
        save_figure(figure, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_where_a_figure_cannot_be_written_it_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write the figure"):
        save_figure(small_figure(), tmp_path / "file" / "a.png")
    with pytest.raises(UsageError, match="png, jpg, pdf, svg"):
        save_figure(small_figure(), tmp_path / "a.bmp")


def test_colour_maps_are_checked():
    assert check_cmap("magma") == "magma"
    for wrong, hint in {"mamga": "did you mean magma", "GRAY": "gray", "viridris": "viridis", "zzzzzz": "try"}.items():
        with pytest.raises(UsageError, match=hint):
            check_cmap(wrong)


@given(st.integers(1, 200))
def test_a_grid_holds_its_panels_and_is_about_square(count):
    rows, columns = grid_shape(count)
    assert rows * columns >= count > (rows - 1) * columns
    assert rows <= columns <= rows + 1 or count < 3


@given(
    st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=30),
    st.sampled_from([0.0, 1.0, -5.0, 1e-20, np.nan]),
)
@settings(deadline=None)
def test_any_image_has_a_stretch(values, offset):
    norm = asinh_norm(np.array(values) + offset)
    assert norm.vmax > norm.vmin
    assert norm.linear_width > 0
    assert np.isfinite(norm(0.0))


def test_the_stretch_shows_faint_arcs_beside_a_bright_lens():
    image = np.random.default_rng(1).normal(0, 0.01, (64, 64))
    image[30:34, 30:34] = 5
    image[10:14, 20:40] = 0.1  # ten times the noise, a fiftieth of the peak
    norm = asinh_norm(image)
    assert 0.25 < float(norm(0.1)) < 0.75
    assert float(norm(0.0)) < 0.25


def test_a_panel_has_y_up_and_arcsec():
    figure = small_figure()
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((-0.4, 0.4))
    assert axes.get_ylim() == pytest.approx((-0.4, 0.4))
    image = axes.images[0].get_array()
    # Row 0 is drawn at the top.
    assert axes.images[0].origin == "upper"
    assert image.shape == (8, 8)


@given(st.floats(0.01, 1e4))
def test_ticks_lie_inside_the_axis(half_width):
    low, middle, high = symmetric_ticks(half_width)
    assert low == -high
    assert middle == 0
    assert 0.3 * half_width < high <= 0.9 * half_width


@given(low=st.floats(-100, 100), span=st.floats(1e-6, 1e5))
@settings(max_examples=40, deadline=None)
def test_a_colour_bar_has_ticks_that_do_not_touch(low, span):
    norm = asinh_norm(np.array([low, low + span]))
    with style():
        figure = new_figure(2, 4)
        bar = add_colour_bar(figure, (0.1, 0.1, 0.1, 0.8), norm, "magma", "e-/s")
        ticks = bar.get_ticks()
    assert len(ticks) >= 2
    heights = [float(norm(tick)) * 0.8 * 4 for tick in ticks]
    assert np.diff(heights).min() > 0.12  # inches; a line of 8 points is 0.11


@pytest.mark.parametrize("text", ["short", "a long title " * 30, r"$x_{\rm src}$ and " * 40, "W" * 500])
def test_a_title_fits_its_figure(text):
    with style():
        figure = new_figure(4, 3)
        artist = fit_text(figure, 0.05, 0.9, text, size=13, smallest=8)
        assert artist.get_window_extent(figure.canvas.get_renderer()).x1 <= 4 * figure.dpi
        assert artist.get_fontsize() >= 8


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_file_name_can_be_drawn(name):
    with style():
        figure = new_figure(4, 1)
        fit_text(figure, 0.05, 0.5, plain_text(name), size=9, smallest=6)
        figure.canvas.draw()


def test_a_long_name_keeps_both_ends():
    short = plain_text("folder/" + "x" * 500 + ".fits", longest=40)
    assert len(short) == 40
    assert short.startswith("folder/")
    assert short.endswith(".fits")


def test_values_of_a_column_have_the_same_decimals():
    assert format_values([2.84, 1.0]) == ["2.84", "1.00"]
    assert format_values([0.4, -0.028, -0.0001]) == ["0.40", "−0.03", "0.00"]
    assert format_values([320.4, 200.0]) == ["320", "200"]
    assert format_values([12.34, np.nan]) == ["12.3", "n/a"]
    assert format_values([1e9]) == ["1.00e+09"]
    assert format_values([0.0]) == ["0.00"]


def test_numbers_end_at_the_second_figure_of_their_error():
    assert round_to_error([1.23456, 1.2, -0.00001], 0.034) == ["1.235", "1.200", "0.000"]
    assert round_to_error([1234.6], 120.0) == ["1235"]
    assert round_to_error([0.5], 0.0) == ["0.50"]
    assert round_to_error([0.0], 0.0) == ["0.0"]


def test_captions_name_value_and_unit():
    columns = [
        Column("src-redshift", None, r"z_{\rm src}", "help"),
        Column("src-center-x", "arcsec", r"x_{\rm src}", "help"),
        Column("velocity-dispersion", "km/s", r"\sigma_v", "help"),
    ]
    captions = write_captions([[1.5, -0.25, 250], [2.5, 0.1, 300]], columns, most=3)
    assert captions[0].splitlines() == [r"$z_{\rm src}$ = 1.50", r"$x_{\rm src}$ = −0.25″", r"$\sigma_v$ = 250 km/s"]
    assert len(write_captions([[1.5, -0.25, 250]], columns, most=1)[0].splitlines()) == 1


@pytest.mark.parametrize("count", [1, 2, 7, 144])
def test_panels_do_not_overlap_nor_leave_the_figure(count):
    with style():
        grid = PanelGrid(count, (1.0, 1.0), caption=0.2, bar=True)
        boxes = [grid.add_panel(index).get_position() for index in range(count)]
    assert all(box.x0 > 0 and box.y0 > 0 and box.x1 < 1 and box.y1 < 1 for box in boxes)
    assert not any(a.overlaps(b) for k, a in enumerate(boxes[:20]) for b in boxes[k + 1 :])


@pytest.mark.parametrize(("pixel_scale", "half", "unit"), [(0.1, 3.2, "arcsec"), (None, 32, "pixels")])
def test_axes_are_in_pixels_where_their_size_is_unknown(pixel_scale, half, unit):
    with style():
        axes = new_figure(3, 3).add_axes((0.2, 0.2, 0.7, 0.6))
        draw_image(axes, np.eye(64), pixel_scale, asinh_norm(np.eye(64)), "magma")
    assert axes.get_xlim() == pytest.approx((-half, half))
    assert length_unit(pixel_scale) == unit


def test_the_best_epoch_has_the_lowest_finite_loss():
    assert best_epoch({"loss": [3, 2, 1], "val_loss": [2, 1, 3]}) == 2
    assert best_epoch({"loss": [3, np.nan, 1]}) == 3
    assert best_epoch({"loss": [1.0], "val_loss": [np.nan]}) is None
    assert best_epoch({}) is None
