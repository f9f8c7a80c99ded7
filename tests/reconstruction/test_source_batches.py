"""Batches of observed images, lens models and sources."""

import numpy as np
import pytest
from small_sources import SMALL

from stronglens.dataset import load_dataset
from stronglens.measuring.coolest import LENS_COLUMNS
from stronglens.reconstruction.batches import BRIGHTNESS, ReconstructionBatches, disturb_lenses, lens_values
from stronglens.reconstruction.observing import Conditions
from stronglens.reconstruction.operator import Operator, pixel_rays, trace_rays
from stronglens.reconstruction.train import SourceError

CLEAR = Conditions(SMALL["pixel_scale"], noise_free_share=1, psf_free_share=1)
NOISY = Conditions(SMALL["pixel_scale"], (0.001, 0.1), 0.3, (0.05, 0.3), 0.3, 9)
CENTRE = [LENS_COLUMNS.index("lens-center-x"), LENS_COLUMNS.index("lens-center-y")]


@pytest.fixture(scope="module")
def dataset(small_sources):
    return load_dataset(small_sources, "reconstruction")


def make(dataset, conditions=NOISY, number=40, multiple=1, **how):
    how = {"objective": SourceError(), **how}
    return ReconstructionBatches(dataset, np.arange(5, 5 + number), conditions, 10, multiple, **how)


def epoch_of(batches, epoch):
    """Return the inputs and the sources of an epoch."""
    batches.begin_epoch(epoch)
    parts = [batches[index] for index in range(len(batches))]
    inputs = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    return inputs, np.concatenate([part[1] for part in parts])


def image_of(lens, sources):
    """Return the images of sources by the forward operator, without a PSF."""
    side, identity = SMALL["grid_size"], np.eye(SMALL["grid_size"], dtype=np.float32)[None, None]
    traced = trace_rays(lens, pixel_rays(side, SMALL["pixel_scale"]))
    mask = np.ones((len(lens), side, side), np.float32)
    return np.asarray(Operator(traced, SMALL["source_grid_size"], 1.5, identity, identity, mask).forward(sources))


def test_lens_models_of_a_dataset(dataset):
    lenses = lens_values(dataset, np.array([7, 3]))
    for column, name in enumerate(LENS_COLUMNS):
        wanted = np.zeros(2) if column in CENTRE else dataset.column_values([name])[[7, 3], 0]
        np.testing.assert_allclose(lenses[:, column], wanted, rtol=1e-6)


def test_training_images_are_observed_again_in_every_epoch(dataset):
    (first, _), (second, _), (again, _) = (
        epoch_of(make(dataset, is_training=True, augment=True), epoch) for epoch in (0, 1, 0)
    )
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    radii = [inputs["lens"][:, 0] for inputs in (first, second)]
    np.testing.assert_array_equal(*map(np.sort, radii))  # each image once
    assert not np.array_equal(*radii)
    places = [np.argsort(of_epoch) for of_epoch in radii]
    assert not np.array_equal(first["noise"][places[0]], second["noise"][places[1]])
    other, _ = epoch_of(make(dataset, is_training=True, augment=True, seed=1), 0)
    assert not np.array_equal(first["image"], other["image"])


def test_validation_images_are_always_the_same(dataset):
    (first, sources), (second, _) = (epoch_of(make(dataset), epoch) for epoch in (0, 3))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(sources, dataset.others["sources"][5:45])
    np.testing.assert_array_equal(first["lens"], lens_values(dataset, np.arange(5, 45)))


@pytest.mark.parametrize("augment", [False, True])
def test_image_source_and_lens_move_together(dataset, augment):
    inputs, sources = epoch_of(make(dataset, CLEAR, is_training=True, augment=augment), 0)
    error = np.sqrt(np.mean((image_of(inputs["lens"], sources) - inputs["image"]) ** 2, axis=(1, 2)))
    radius, operator_error = dataset.column_values(["einstein-radius-sie", "operator-error"])[5:45].T
    stored, order = np.argsort(radius), np.argsort(inputs["lens"][:, 0])
    before, after = dataset.others["sources"][5:45][stored], sources[order]
    factors = after.max(axis=(1, 2)) / before.max(axis=(1, 2))
    assert BRIGHTNESS[0] <= factors.min() < 0.8
    assert 1.2 < factors.max() <= BRIGHTNESS[1]
    np.testing.assert_allclose(error[order], factors * operator_error[stored], rtol=0.02)
    is_turned = np.abs(after / factors[:, None, None] - before).max(axis=(1, 2)) > 1e-3
    assert is_turned.mean() > 0.6 if augment else not is_turned.any()


def test_lens_errors_change_the_lens_alone(dataset):
    (exact, truth), (wrong, _), (again, _) = (
        epoch_of(make(dataset, lens_error=error), epoch) for error, epoch in ((0.0, 0), (0.03, 0), (0.03, 1))
    )
    difference = wrong["lens"] - exact["lens"]
    assert not difference[:, CENTRE].any()
    scatter = np.std(np.delete(difference, CENTRE, axis=1), axis=0)
    np.testing.assert_allclose(scatter, 0.03, atol=0.012)  # 40 images: 0.0034 a standard deviation
    np.testing.assert_array_equal(wrong["image"], exact["image"])
    np.testing.assert_array_equal(wrong["lens"], again["lens"])
    assert truth.shape == (40, 16, 16)


def test_large_lens_errors_leave_possible_lenses(dataset):
    lenses = np.repeat(lens_values(dataset, np.arange(60)), 5, axis=0)
    wrong = disturb_lenses(lenses, 1.0, [np.random.default_rng(row) for row in range(len(lenses))])
    assert wrong[:, 0].min() > 0
    assert np.isfinite(trace_rays(wrong, pixel_rays(8, 0.9))).all()


def test_numbers_are_multiples_of_the_devices(dataset):
    batches = make(dataset, number=43, multiple=2)
    assert [len(batches[index][1]) for index in range(len(batches))] == [10, 10, 10, 10]  # all of one size


def test_settings_say_what_is_learned_from(dataset):
    same, again, *others = (
        make(dataset, is_training=True, **how).settings
        for how in ({}, {}, {"augment": True}, {"lens_error": 0.01}, {"number": 39}, {"conditions": CLEAR})
    )
    assert same == again
    assert all(other != same for other in others)
    assert same.keys() == {"the training images"}
    assert make(dataset).settings.keys() == {"the validation images"}
