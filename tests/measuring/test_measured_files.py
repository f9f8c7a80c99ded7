"""Measured files: effect of the flags, notes, table and figure. The network is replaced by a simple function."""

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from readable_figures import assert_readable
from small_observations import galaxy, noise, write_fits

from params_and_cli import OVERRIDES, RegressionTraining
from stronglens.measuring import Prediction, measure_files, read_training_images, refuse, write_measurements
from stronglens.measuring.figures import draw_measured
from stronglens.parameters import Column, RunError, UsageError, parse
from stronglens.plotting import RED

RECORD = {
    "task": "regression",
    "labels": [Column("einstein-radius", "arcsec", r"\theta_{\rm E}", "").to_dict()],
    "image-shape": [64, 64],
    "pixel-scale": 0.1,
    "zero-point": 25.72,
    "lens-center": {"x": [-0.05, 0.05], "y": [-0.05, 0.05]},
    "camera": {"sky": 0.22, "exposure-time": 2264.0, "exposures": 4, "read-noise": 4.2},
}
HEADERS = ["einstein-radius [arcsec]"]
NOISE = 0.0105  # e-/s per pixel for that camera: sqrt(0.22 * 2264 + 4 * 4.2^2) / 2264


class Network:
    """Stand-in for a network: only its shapes are read."""

    inputs, output_shape = (SimpleNamespace(shape=(None, 64, 64)),), (None, 1)


def mean(images):
    """Predict the mean of each image, so that a test can check the input of the network."""
    return [Prediction(np.array([image.mean()])) for image in images]


def parameters(folder, *words):
    words = ["--unit=e-/s", "--zero-point=25.72", "--pixel-scale=0.1", "--quiet", f"--figures-dir={folder}", *words]
    return parse(RegressionTraining, words, program="model_and_figures.py", overrides=OVERRIDES)


def measure_images(given, record=RECORD, predict=mean, headers=HEADERS, **more):
    return measure_files(given, read_training_images(given, record, Network()), predict, headers, **more)


def measure(folder, *words, record=RECORD):
    results = measure_images(parameters(folder, *words), record)
    return results.kept, results.refused


def one(folder, *words, record=RECORD):
    (measurement,), refused = measure(folder, *words, record=record)
    assert not refused
    return measurement


@pytest.fixture
def lens(tmp_path) -> Path:
    """A galaxy ten pixels to the right of the middle and a neighbour, with the noise of the training images."""
    (tmp_path / "lens").mkdir()
    image = galaxy((120, 120), x=10.0, peak=1.0) + galaxy((120, 120), x=-12.0, y=15.0, peak=0.8, size=2.0)
    image += NOISE * noise((120, 120))
    mask = galaxy((120, 120), x=-12.0, y=15.0, peak=1.0) > 0.08
    path = tmp_path / "lens" / "data.fits"
    write_fits(path.with_name("mask.fits"), np.flipud(mask).astype(np.uint8))  # FITS has its first row at the bottom
    np.save(path.with_name("noise.npy"), np.full((120, 120), NOISE))
    return write_fits(path, np.flipud(image))


def test_each_flag_does_what_it_says(lens, tmp_path):
    plain = one(tmp_path, f"-p={lens}")
    assert any("light's peak is at (x, y) = (+1.0" in note and "0.071 arcsec off" in note for note in plain.notes)
    assert any("noise estimated" in note for note in plain.notes)
    assert not any("times that of the training images" in note for note in plain.notes)  # the noise is the same
    flags = ["--center=brightest", "--mask=mask.fits", "--noise-map=noise.npy"]
    found = one(tmp_path, f"-p={lens}", *flags)
    assert any("centred on the light's peak, at (x, y) = (+1.0" in note for note in found.notes)
    assert found.prepared.centre == pytest.approx((0.0, 1.0), abs=0.06)  # cut at whole pixels
    peak = np.unravel_index(np.argmax(found.seen), (64, 64))
    assert np.abs(np.array(peak) - 31.5).max() <= 1
    assert found.prepared.noise == pytest.approx(NOISE, rel=1e-6)
    assert any(" masked: filled" in note for note in found.notes)
    # The neighbour (0.8 at its peak) is removed: the galaxy's light is fainter than 0.1 there.
    assert found.seen[found.prepared.mask].max() < 0.1
    by_hand = one(tmp_path, f"-p={lens}", "--center=1,0", *flags[1:])
    kept = ~found.prepared.mask  # filled values depend on the centre, which differs by a small fraction of a pixel
    np.testing.assert_array_equal(by_hand.seen[kept], found.seen[kept])
    assert found.values == pytest.approx(found.seen.mean())


def test_noise_unlike_the_training_images_is_noted(lens, tmp_path):
    image = 3 * NOISE * noise((120, 120))
    write_fits(lens, image)
    (note,) = [note for note in one(tmp_path, f"-p={lens}").notes if "times that of the training images" in note]
    assert float(note.split()[4]) == pytest.approx(3, rel=0.1)
    silent = {key: value for key, value in RECORD.items() if key != "camera"}
    for record in (silent, RECORD | {"camera": {"sky": "much"}}, RECORD | {"camera": None, "lens-center": 3}):
        assert not any("training images:" in note for note in one(tmp_path, f"-p={lens}", record=record).notes)


def test_bad_pixels_are_filled_or_refused(lens, tmp_path):
    image = NOISE * noise((120, 120))
    image[60, 60:64] = np.nan
    write_fits(lens, image)
    assert any("4 of 4096 pixels inside the field are NaN" in note for note in one(tmp_path, f"-p={lens}").notes)
    measurements, (reason,) = measure(tmp_path, f"-p={lens}", "--bad-pixels=refuse")
    assert not measurements
    assert "--bad-pixels=fill fills them" in reason


@pytest.mark.parametrize(
    "words", ["--mask=maks.fits", "--noise-map=nowhere.npy", "--center=middle", "--center=", "--mask="]
)
def test_flags_with_unknown_names_are_usage_errors(lens, tmp_path, words):
    with pytest.raises(UsageError, match=words.split("=")[0]):
        measure(tmp_path, f"-p={lens}", words)


def test_one_mask_name_serves_many_folders(lens, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "data.fits"
    other.write_bytes(lens.read_bytes())
    measurements, refused = measure(tmp_path, "-p", str(lens), str(other), "--mask=mask.fits")
    assert not refused
    assert [one.prepared.mask.any() for one in measurements] == [True, False]
    assert "there is no mask.fits beside it: nothing is masked" in measurements[1].notes


def test_uncalibrated_images_take_no_calibration_flags(lens, tmp_path):
    record = RECORD | {"image-unit": "as distributed", "zero-point": None}
    np.save(tmp_path / "public.npy", noise((64, 64)))
    words = ["--quiet", f"--figures-dir={tmp_path}", f"-p={tmp_path / 'public.npy'}"]
    given = parse(RegressionTraining, words, program="x", overrides=OVERRIDES)
    (found,) = measure_images(given, record).kept
    assert len(found.notes) == 1
    for flag in ("--mask=mask.fits", "--noise-map=noise.npy", "--center=brightest"):
        given = parse(RegressionTraining, [*words, flag], program="x", overrides=OVERRIDES)
        with pytest.raises(UsageError, match=f"{flag.split('=')[0]} does not apply to a network"):
            measure_images(given, record)
    np.save(tmp_path / "public.npy", np.where(np.eye(64) > 0, np.nan, noise((64, 64))))
    given = parse(RegressionTraining, words, program="x", overrides=OVERRIDES)
    (reason,) = measure_images(given, record).refused
    assert "64 of 4096 pixels inside the field are NaN" in reason


def test_noise_is_compared_with_the_range_of_exposure_times(lens):
    def notes(times):
        record = RECORD | {"camera": RECORD["camera"] | {"exposure-time": times}}
        return [note for note in one(lens.parent, f"-p={lens}", record=record).notes if "background noise" in note]

    assert notes([1132.0, 2264.0]) == []
    (note,) = notes([400.0, 800.0])
    assert "noise is 0.5" in note  # 0.0105 over the 0.0196 of 800 s


def test_table_and_figure_show_what_was_filled(lens, tmp_path):
    given = parameters(tmp_path, f"-p={lens}", "--center=brightest", "--mask=mask.fits")
    results = measure_images(given)
    write_measurements(given, read_training_images(given, RECORD), results, HEADERS, ["1.2"], [])
    written = (tmp_path / "measured.csv").read_text()
    assert "centred on the light's peak" in written
    assert "masked: filled" in written
    assert (tmp_path / "measured.png").stat().st_size > 5000
    with pytest.raises(RunError, match="is broken"):
        refuse(replace(results, refused=["it is broken"], refused_number=1))


@pytest.mark.parametrize("count", [1, 20])
def test_measured_images_are_readable(tmp_path, lens, count):
    names = ["folder/data.fits[VIS_BGSUB]", "$a_b$^ \\alpha {x}.fits", "long name " * 60, "星.fits"] * 5
    found = one(tmp_path, f"-p={lens}", "--center=brightest", "--mask=mask.fits")
    observations = [replace(found.observation, name=name) for name in names[:count]]
    caption = "\n".join(f"label {number} = 1.234 arcsec" for number in range(12))
    figure = draw_measured(observations, [found.prepared] * count, [caption] * count, 0.1)
    assert_readable(figure)
    words = " ".join(text.get_text() for text in figure.texts)
    assert "outlined: filled" in words
    bars = [axes.get_ylabel() for axes in figure.axes if not axes.images and axes.get_ylabel()]
    assert bars == ["in the file [counts/s]", "input of the network [e-/s]"] * min(count, 12)
    if count == 1:  # uncalibrated images have their own unit
        figure = draw_measured(observations, [found.prepared], [caption], 0.1, unit="as distributed")
        bars = [axes.get_ylabel() for axes in figure.axes if not axes.images and axes.get_ylabel()]
        assert bars == ["in the file [as distributed]", "input of the network [as distributed]"]
    if count == 20:
        assert "12 of 20 images" in words
    original, seen = figure.axes[0], figure.axes[2]
    frame = original.patches[0]
    assert (frame.get_x() + 3.2, frame.get_y() + 3.2) == pytest.approx((1.0, 0.0), abs=0.06)
    # The outlines enclose exactly the mask in both images.
    for axes, mask in ((original, found.observation.mask), (seen, found.prepared.mask)):
        ends = np.array(axes.collections[0].get_segments()).reshape(-1, 2)
        side = mask.shape[0] * 0.05
        rows, columns = np.nonzero(mask)
        assert (ends[:, 0].min(), ends[:, 0].max()) == pytest.approx(
            (0.1 * columns.min() - side, 0.1 * columns.max() + 0.1 - side)
        )
        assert (ends[:, 1].min(), ends[:, 1].max()) == pytest.approx(
            (side - 0.1 * rows.max() - 0.1, side - 0.1 * rows.min())
        )


def test_warnings_are_red_in_the_figure_and_a_column_of_the_table(lens, tmp_path):
    unlike = "UNLIKE THE TRAINING SET: farther from it than any image like it, " + "and so on " * 20
    answers = [Prediction(np.ones(2), notes=(unlike,), warnings=(unlike,), cells={"learned": "a: yes; b: no"})]
    given = parameters(tmp_path, f"-p={lens}")
    headers = ["a", "b [s]"]
    results = measure_images(given, predict=lambda images: answers, headers=headers, cells=["learned"])
    (found,) = results.kept
    write_measurements(
        given, read_training_images(given, RECORD), results, headers, ["a = 1\nb = 1"], [], None, ["yes", "NO"], [[1]]
    )
    (row,) = csv.DictReader((tmp_path / "measured.csv").read_text().splitlines())
    assert row["learned"] == "a: yes; b: no"
    assert unlike.strip() in row["notes"]
    pair = [found.observation] * 2, [found.prepared] * 2, ["a = 1\nb = 1"] * 2
    figure = draw_measured(*pair, 0.1, warnings=[(), answers[0].warnings], doubtful=[[], [1]])
    assert_readable(figure)
    red = [text.get_text() for text in figure.texts if text.get_color() == RED]
    assert red[0].startswith("UNLIKE THE TRAINING SET")
    assert red[-1] == "b = 1"
    assert not [text for text in draw_measured(*pair, 0.1).texts if text.get_color() == RED]


def test_a_task_without_labels_or_classes_is_measured(lens, tmp_path):
    """A network may give images instead of numbers: the table then has no columns of the task."""
    record = {key: value for key, value in RECORD.items() if key != "labels"}
    given = parameters(tmp_path, f"-p={lens}", "--noise-map=noise.npy", "--mask=mask.fits")
    results = measure_images(given, record, predict=lambda images: [Prediction(np.zeros(0))] * len(images), headers=[])
    (found,) = results.kept
    assert found.prepared.noise == pytest.approx(NOISE, rel=1e-6)
    assert found.prepared.mask.any()
    write_measurements(given, read_training_images(given, record), results, [], [""], [])
    (row,) = csv.DictReader((tmp_path / "measured.csv").read_text().splitlines())
    assert list(row) == ["file", "path", "field-x", "field-y", "unlike-percentile", "notes"]
    assert (tmp_path / "measured.png").exists()


def test_an_image_with_an_unusable_prediction_is_refused(lens, tmp_path):
    given = parameters(tmp_path, f"-p={lens}")
    results = measure_images(given, predict=lambda images: [Prediction(np.ones(1), problem="NaN")])
    (reason,) = results.refused
    assert reason.endswith("data.fits: NaN")


@pytest.mark.parametrize(
    ("telescope", "header", "says"),
    [
        ("euclid", {"TELESCOP": "JWST", "INSTRUME": "NIRCAM"}, "telescope JWST, instrument NIRCAM"),
        ("euclid", {"TELESCOP": "Euclid", "INSTRUME": "VIS", "FILTER": "VIS"}, None),
        ("euclid", {}, None),
        ("hst", {"INSTRUME": "ACS", "FILTER1": "F606W", "FILTER2": "CLEAR2L"}, "filter F606W CLEAR2L"),
        ("hst", {"INSTRUME": "ACS/WFC", "FILTER1": "CLEAR1L", "FILTER2": "F814W"}, None),
        ("roman", {"TELESCOP": "ROMAN", "INSTRUME": "WFI", "FILTER": "F129"}, None),
        ("roman", {"TELESCOP": "ROMAN", "INSTRUME": "WFI", "FILTER": "F158"}, "filter F158"),
        ("rubin", {"TELESCOP": "Simonyi Survey Telescope", "INSTRUME": "LSSTCam", "FILTER": "i_39"}, None),
        ("rubin", {"INSTRUME": "LSSTCam", "FILTER": "r_57"}, "filter r_57"),
        ("none", {"TELESCOP": "JWST"}, None),
    ],
)
def test_another_camera_is_noted(lens, tmp_path, telescope, header, says):
    write_fits(lens, NOISE * noise((120, 120)), **header)
    found = one(tmp_path, f"-p={lens}", record=RECORD | {"telescope": telescope}).notes
    notes = [note for note in found if "the header says" in note]
    assert len(notes) == (says is not None)
    assert says is None or f"says {says};" in notes[0]
    measured = RECORD | {"telescope": telescope, "psf": [[1.0]]}  # the PSF of a user: an unknown camera
    assert not any("the header says" in note for note in one(tmp_path, f"-p={lens}", record=measured).notes)
