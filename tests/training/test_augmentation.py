"""Augmentation: each image becomes one of its eight flips and turns, its labels too, whatever the size of a batch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_batches import Simulations
from test_loop import NAMES, make_blobs, make_network

import params_and_cli as panel
from stronglens.parameters import RunError
from stronglens.simulation.lens_simulator import LensSimulator
from stronglens.training.augmentation import Pair, draw_symmetries, find_pairs, move_images, move_labels
from stronglens.training.batches import SimulatedBatches, StoredBatches


def list_symmetries(image):
    """The eight, written out."""
    transposed = image.T
    return [f for i in (image, transposed) for f in (i, i[::-1], i[:, ::-1], i[::-1, ::-1])]


def test_the_eight_symmetries_are_all_there_and_each_is_one():
    image = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    moved = move_images(np.stack([image] * 8), np.arange(8))
    assert {m.tobytes() for m in moved} == {np.ascontiguousarray(m).tobytes() for m in list_symmetries(image)}
    assert np.array_equal(moved[0], image)
    assert np.array_equal(moved[1], np.rot90(image))
    assert np.array_equal(moved[4], image[:, ::-1])


def test_each_image_goes_by_its_own_symmetry():
    images = np.random.default_rng(0).normal(size=(40, 5, 5)).astype(np.float32)
    symmetries = draw_symmetries(40, 0, 1)
    moved = move_images(images, symmetries)
    for row in range(40):
        assert np.array_equal(moved[row], move_images(images[row : row + 1], symmetries[row : row + 1])[0])


def test_all_bands_of_an_image_move_together():
    images = np.random.default_rng(0).normal(size=(8, 5, 5, 3)).astype(np.float32)
    moved = move_images(images, np.arange(8))
    for band in range(3):
        assert np.array_equal(moved[..., band], move_images(images[..., band], np.arange(8)))


def test_symmetries_depend_on_seed_and_epoch_and_come_equally_often():
    drawn = draw_symmetries(8000, 1, 1)
    assert np.array_equal(drawn, draw_symmetries(8000, 1, 1))
    # An eighth agrees by chance: 1000 of them, with a deviation of sqrt(8000 * 7) / 8 = 30.
    for other in (draw_symmetries(8000, 2, 1), draw_symmetries(8000, 1, 2)):
        assert abs(np.sum(drawn == other) - 1000) < 150
    assert np.abs(np.bincount(drawn, minlength=8) - 1000).max() < 150


@pytest.mark.parametrize("psf_fwhm", [0, 0.5])
def test_an_image_of_moved_labels_is_the_moved_image(psf_fwhm):
    # Everything that has a direction has its own, none of them along an axis or a diagonal.
    aim = {
        "lens_center_x_range": 0.11, "lens_center_y_range": 0.23, "lens_ellip_x_range": 0.21,
        "lens_ellip_y_range": 0.13, "shear_1_range": 0.06, "shear_2_range": -0.04, "src_center_x_range": 0.17,
        "src_center_y_range": -0.08, "src_ellip_x_range": -0.29, "src_ellip_y_range": 0.12,
    }  # fmt: skip
    simulator = LensSimulator(
        panel.RegressionSimulation.of(
            panel.OVERRIDES, telescope="none", psf_fwhm=psf_fwhm, lens_model="sie", grid_size=24, pixel_scale=0.2,
            over_sampling=2, einstein_radius_range=1.2, lens_light="off", src_effect_range=0.4, src_sersic_range=1,
            **aim,
        )
    )  # fmt: skip
    columns = list(simulator.columns.values())
    drawn = [column.name for column in columns if column.drawn]
    still, labels, _ = simulator.simulate([0])
    pairs = find_pairs(columns)
    assert {columns[place].name for pair in pairs for place in pair[:2]} == {
        key.removesuffix("_range").replace("_", "-") for key in aim
    }
    symmetries = np.arange(8)
    table = np.repeat(np.stack([labels[column.name] for column in columns], axis=1), 8, axis=0)
    moved = dict(zip([column.name for column in columns], move_labels(table, symmetries, pairs).T, strict=True))
    expected = move_images(np.repeat(still, 8, axis=0), symmetries)
    made = simulator.noiseless(simulator.physical_scene({name: moved[name] for name in drawn}))
    # Rays are traced in 32 bits: 2.5e-6 of the peak was found.
    assert np.abs(made - expected).max() < 2e-5 * still.max()
    # A pair that is not moved shows, by 8 % of the peak at least; half a turn alone leaves an ellipticity as it is.
    for pair in pairs:
        others = [other for other in pairs if other != pair]
        wrong = dict(zip(moved, move_labels(table, symmetries, others).T, strict=True))
        wrong = simulator.noiseless(simulator.physical_scene({name: wrong[name] for name in drawn}))
        assert (np.abs(wrong - expected).max(axis=(1, 2))[1:] > 0.05 * still.max()).sum() >= 6


def test_only_what_has_a_spin_is_moved_and_each_row_by_its_own_symmetry():
    labels = np.random.default_rng(0).normal(size=(40, 4))
    symmetries = draw_symmetries(40, 0, 1)
    moved = move_labels(labels, symmetries, [Pair(3, 1, 1)])
    assert np.array_equal(moved[:, [0, 2]], labels[:, [0, 2]])
    for row in range(40):
        alone = move_labels(labels[row : row + 1], symmetries[row : row + 1], [Pair(3, 1, 1)])
        assert np.array_equal(moved[row], alone[0])
    assert np.array_equal(move_labels(labels, symmetries, []), labels)


def read_epoch(batches, epoch):
    batches.begin_epoch(epoch)
    parts = [batches[index] for index in range(len(batches))]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


@pytest.fixture(params=["stored", "endless"])
def open_batches(request):
    images, labels = make_blobs(50)
    network = make_network(images, labels)
    with ThreadPoolExecutor(1) as pool:

        def make(batch_size, augment):
            ways = {"seed": 4, "epochs": 3, "augment": augment}
            if request.param == "stored":
                return StoredBatches(images, labels, network, NAMES, "training", batch_size, **ways)
            return SimulatedBatches(Simulations(50, 16, pool), network, NAMES, batch_size, **ways)

        yield make


def test_what_is_trained_on_does_not_depend_on_the_batch_size_or_on_earlier_epochs(open_batches):
    plain, small, large, resumed = (open_batches(size, augment) for size, augment in
                                    ((7, False), (7, True), (32, True), (7, True)))  # fmt: skip
    epochs = []
    for epoch in range(2):
        still, targets = read_epoch(plain, epoch)
        moved, same_targets = read_epoch(small, epoch)
        assert np.array_equal(targets, same_targets)
        assert np.array_equal(moved, read_epoch(large, epoch)[0])
        which = [[np.array_equal(m, s) for s in list_symmetries(image)] for m, image in zip(moved, still, strict=True)]
        assert (np.sum(which, axis=1) == 1).all()
        epochs.append(moved)
    assert len(set(np.argmax(which, axis=1))) == 8
    assert np.array_equal(read_epoch(resumed, 1)[0], epochs[1])


def test_a_row_is_moved_alike_wherever_the_order_puts_it():
    images, labels = make_blobs(50)
    batches = StoredBatches(images, labels, make_network(images, labels), NAMES, "training", 10, seed=4, augment=True)
    expected = move_images(images, draw_symmetries(50, 4, 1))
    moved, _ = read_epoch(batches, 0)
    assert np.array_equal(moved, expected[batches._order(0)])


def test_images_that_are_not_square_are_refused():
    images = np.random.default_rng(0).normal(size=(20, 16, 18)).astype(np.float32)
    _, labels = make_blobs(20)
    network = make_network(images, labels)
    with pytest.raises(RunError, match="16 x 18 pixels cannot be rotated by 90 degrees: use --augment=off"):
        StoredBatches(images, labels, network, NAMES, "training", 10, seed=0, augment=True)


class CompanionedSimulations(Simulations):
    def simulate(self, chunk):
        images, labels = super().simulate(chunk)
        return images, np.column_stack([labels, labels[:, 0] + 3])


@pytest.mark.parametrize("kind", ["stored", "endless"])
def test_a_label_is_taught_moved_and_its_companion_is_not_taught(kind):
    images, labels = make_blobs(50)
    network = make_network(images, labels)
    restore = network.layers[-1]
    pairs = [Pair(2, 1, 1)]  # the second label is a y, and its x is a column, not a label
    ways = {"seed": 4, "epochs": 2, "augment": True, "pairs": pairs}
    with ThreadPoolExecutor(1) as pool:
        if kind == "stored":
            known = np.column_stack([labels, labels[:, 0] + 3])
            batches = StoredBatches(images, known, network, NAMES, "training", 7, **ways)
            still = known[batches._order(0)]
            symmetries = draw_symmetries(50, 4, 1)[batches._order(0)]
        else:
            source = CompanionedSimulations(50, 16, pool)
            batches = SimulatedBatches(source, network, NAMES, 7, **ways)
            still, symmetries = source.rows(0, 50)[1], draw_symmetries(50, 4, 1)
        _, targets = read_epoch(batches, 0)
    expected = move_labels(still, symmetries, pairs)[:, :2]
    assert targets.shape == (50, 2)
    np.testing.assert_allclose(targets * restore.scale + restore.offset, expected, atol=1e-5)
    assert not np.allclose(expected[:, 1], still[:, 1])


def test_a_companion_that_is_missing_is_refused():
    images, labels = make_blobs(50)
    network = make_network(images, labels)
    with pytest.raises(RunError, match=r"labels of shape \(50, 2\)"):
        StoredBatches(images, labels, network, NAMES, "training", 7, seed=0, augment=True, pairs=[Pair(2, 1, 1)])
