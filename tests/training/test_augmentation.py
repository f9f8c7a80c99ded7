"""Augmentation: each image becomes one of its eight flips and turns, whatever the size of a batch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_batches import Simulations
from test_loop import NAMES, make_blobs, make_network

from stronglens.parameters import RunError
from stronglens.training.augmentation import draw_symmetries, move_images
from stronglens.training.batches import EndlessBatches, StoredBatches

# Keras's own, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


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


def test_symmetries_depend_on_seed_and_epoch_and_come_equally_often():
    drawn = draw_symmetries(8000, 1, 1)
    assert np.array_equal(drawn, draw_symmetries(8000, 1, 1))
    # An eighth agrees by chance: 1000 of them, with a deviation of sqrt(8000 * 7) / 8 = 30.
    for other in (draw_symmetries(8000, 2, 1), draw_symmetries(8000, 1, 2)):
        assert abs(np.sum(drawn == other) - 1000) < 150
    assert np.abs(np.bincount(drawn, minlength=8) - 1000).max() < 150


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
            return EndlessBatches(Simulations(50, 16, pool), network, NAMES, batch_size, **ways)

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
    with pytest.raises(RunError, match="16 x 18 pixels cannot be turned by a quarter: give --augment=off"):
        StoredBatches(images, labels, network, NAMES, "training", 10, seed=0, augment=True)
