"""Batches: a shuffled order that suits a store, images that are streamed, images without end."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from interrupted import ctrl_c_after
from test_loop import NAMES, make_blobs, make_dense_network, make_network

from stronglens.parameters import RunError
from stronglens.scaling import fit_image_scaling
from stronglens.training import batches, fit
from stronglens.training.batches import SimulatedBatches, StoredBatches
from stronglens.training.order import shuffle_rows

WINDOW, RUN = 32, 4


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    monkeypatch.setattr(batches, "SHUFFLE_WINDOW", WINDOW)
    monkeypatch.setattr(batches, "SHUFFLE_RUN", RUN)


class StreamedImages:
    """Images as a store hands them out: it holds the rows of the last two calls of prefetch, and no others."""

    def __init__(self, images, damaged=()):
        self.images, self.damaged = images, set(damaged)
        self.shape, self.dtype = images.shape, images.dtype
        self.digest = f"{images.sum():.6e}"
        self.calls = []
        self.missed = 0
        self.most_held = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        rows = np.arange(len(self))[rows]
        held = {row for call in self.calls[-2:] for row in call}
        self.most_held = max(self.most_held, len(held))
        self.missed += len(set(rows.tolist()) - held)
        if self.damaged & set(rows.tolist()):
            raise RunError("the store is damaged in images/c/3")
        return self.images[rows]

    def prefetch(self, rows):
        self.calls.append(np.asarray(rows).tolist())


class Simulations:
    """An endless source: places of blobs that depend on the chunk's number alone."""

    def __init__(self, number, chunk_size, pool, change=lambda chunk, images: images):
        self.number, self.chunk_size, self.pool, self.change = number, chunk_size, pool, change
        self.shape, self.digest = (16, 16), "blobs"
        self.requested = []

    def request(self, chunk):
        self.requested.append(chunk)
        return self.pool.submit(self.simulate, chunk)

    def simulate(self, chunk):
        images, labels = make_blobs(self.chunk_size, seed=100 + chunk)
        return self.change(chunk, images), labels

    def rows(self, start, stop):
        """Rows of the stream, put together anew."""
        chunks = [self.simulate(k) for k in range(stop // self.chunk_size + 1)]
        images, labels = (np.concatenate(part) for part in zip(*chunks, strict=True))
        return images[start:stop], labels[start:stop]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def train(folder, data, name="network.keras", valid=None, **settings):
    images, labels = make_blobs(100)
    network = make_dense_network(images, labels)
    settings = {"epochs": 3, "learning_rate": 1e-3, "seed": 1, "quiet": True, **settings}
    history = fit(network, data, valid, label_names=NAMES, model_file=folder / name, **settings)
    return network.get_weights(), history


def same(one, two):
    return one[1] == two[1] and all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))


# The order of rows


@pytest.mark.parametrize("number", [1, 20, 128, 129, 1000, 1024, 5003])
def test_every_row_comes_once(number):
    rows = shuffle_rows(number, seed=3, epoch=2, window=256, run=16)
    assert np.array_equal(np.sort(rows), np.arange(number))


def test_order_depends_on_seed_and_epoch_alone():
    order = shuffle_rows(1000, 1, 1, 256, 16)
    assert np.array_equal(order, shuffle_rows(1000, 1, 1, 256, 16))
    for other in (shuffle_rows(1000, 2, 1, 256, 16), shuffle_rows(1000, 1, 2, 256, 16)):
        assert np.mean(order == other) < 0.05


def test_rows_that_fit_in_a_window_are_permuted_at_random():
    orders = np.array([shuffle_rows(10, 0, epoch, window=10, run=4) for epoch in range(2000)])
    # Each row in each place as often as any other: 200 times, with a deviation of sqrt(2000 * 0.1 * 0.9) = 13.
    counts = np.array([np.bincount(place, minlength=10) for place in orders.T])
    assert np.abs(counts - 200).max() < 5 * 13


def test_windows_touch_few_chunks_and_come_from_all_over_the_store():
    window, run, chunk = 1024, 64, 64
    rows = shuffle_rows(100_000, 0, 1, window, run)
    for start in range(0, 100_000, window):
        rows_of_window = rows[start : start + window]
        # Its runs are a chunk each; one may be cut at either end, and the last run of the store is a short one.
        assert len(np.unique(rows_of_window // chunk)) <= window // run + 2
        if len(rows_of_window) == window:
            # The mean of 16 uniform numbers lies within 4 / sqrt(12 * 16) = 0.29 of the middle.
            assert abs(rows_of_window.mean() / 100_000 - 0.5) < 0.29
    # Neighbours in a window are no neighbours in the store.
    assert np.mean(np.abs(np.diff(rows)) == 1) < 0.01


# Streamed images


def test_streamed_images_train_as_images_in_memory_do_to_the_bit(tmp_path):
    images, labels = make_blobs(175)
    streamed, checked = StreamedImages(images[:130]), StreamedImages(images[130:])
    one = train(tmp_path, (streamed, labels[:130]), valid=(checked, labels[130:]))
    two = train(tmp_path, (images[:130], labels[:130]), name="memory.keras", valid=(images[130:], labels[130:]))
    assert same(one, two)
    for source in (streamed, checked):
        assert source.missed == 0  # all of it was read ahead
        assert source.most_held <= 2 * WINDOW
    assert len(streamed.calls) == 3 * 5  # each window of each epoch once, and none after the last epoch
    assert len(checked.calls) == 3 * 2


def test_next_window_is_asked_for_before_it_is_needed():
    images, labels = make_blobs(100)
    streamed = StreamedImages(images)
    stored = StoredBatches(streamed, labels, make_network(images, labels), NAMES, "training", 20, seed=0, epochs=2)
    stored[0], stored[1], stored[0]  # as Keras does before the first epoch
    assert [len(call) for call in streamed.calls] == [WINDOW] * 2
    stored.begin_epoch(0)
    for index in range(len(stored)):
        stored[index]
    # The last batches of an epoch are trained on while the next epoch begins to be read.
    assert [len(call) for call in streamed.calls] == [WINDOW] * 3 + [4, WINDOW]
    assert sorted(row for call in streamed.calls[:4] for row in call) == list(range(100))


def test_streamed_training_resumes_as_if_nothing_had_happened(tmp_path):
    images, labels = make_blobs(100)
    straight = train(tmp_path, (StreamedImages(images), labels), name="straight.keras")
    with ctrl_c_after(1):
        train(tmp_path, (StreamedImages(images), labels))
    # The digest is what tells one store from another.
    with pytest.raises(RunError, match="the training images differ"):
        train(tmp_path, (StreamedImages(images + 1), labels), resume=True)
    assert same(train(tmp_path, (StreamedImages(images), labels), resume=True), straight)


@pytest.mark.parametrize("split", ["training", "validation"])
def test_damaged_store_is_said_as_it_says_it(tmp_path, split, capfd):
    images, labels = make_blobs(100)
    data = {"training": (images, labels), "validation": (images[:40], labels[:40])}
    data[split] = StreamedImages(data[split][0], damaged=[37]), data[split][1]
    with pytest.raises(RunError, match=r"^the store is damaged in images/c/3$"):
        train(tmp_path, data["training"], valid=data["validation"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("split", ["training", "validation"])
def test_streamed_images_that_are_not_finite_are_refused(tmp_path, split):
    images, labels = make_blobs(100)
    images[35, 3, 3] = np.nan
    good = make_blobs(40)
    streamed = StreamedImages(images), labels
    pair = {"training": (streamed, good), "validation": (good, streamed)}[split]
    with pytest.raises(RunError, match=f"the {split} images contain NaN or infinite values"):
        train(tmp_path, pair[0], valid=pair[1])


def test_scaling_of_streamed_images_is_that_of_images_in_memory(monkeypatch):
    monkeypatch.setattr("stronglens.scaling.BLOCK_BYTES", 0)
    monkeypatch.setattr("stronglens.scaling.MEASURED_IMAGES", 20)
    images, _ = make_blobs(700)
    streamed = StreamedImages(images)
    advanced = []
    assert fit_image_scaling(streamed, advanced.append) == fit_image_scaling(images)
    assert advanced == [256, 256, 188]
    # Beyond the first block everything is read ahead, once.
    assert [len(call) for call in streamed.calls] == [256, 188]
    assert streamed.missed == 20 + 256


# Images without end


def read_epoch(stream, epoch):
    stream.begin_epoch(epoch)
    images, targets = (np.concatenate(part) for part in zip(*(stream[i] for i in range(len(stream))), strict=True))
    return images, targets


def open_stream(source, epochs=3, **settings):
    network = make_network(*make_blobs(100))
    return SimulatedBatches(source, network, NAMES, 20, epochs=epochs, **settings), network


def test_epochs_are_the_parts_of_one_stream(pool):
    source = Simulations(50, 16, pool)
    stream, network = open_stream(source)
    assert [len(stream[i][0]) for i in (0, 1, 0, 2)] == [16, 17, 16, 17]  # 50 in batches of 20 at most
    for epoch in range(3):
        images, targets = read_epoch(stream, epoch)
        expected, labels = source.rows(50 * epoch, 50 * (epoch + 1))
        assert np.array_equal(images, expected)
        restore = network.layers[-1]
        np.testing.assert_allclose(targets * restore.scale + restore.offset, labels, atol=1e-5)


def test_look_ahead_is_bounded_and_ends_with_the_training(pool):
    source = Simulations(50, 10, pool)
    stream, _ = open_stream(source, epochs=2, ahead=3)
    stream.begin_epoch(0)
    stream[0]
    assert source.requested == list(range(2 + 3))
    for epoch in range(2):
        read_epoch(stream, epoch)
    assert source.requested == list(range(10))  # each once: 100 images in all
    assert len(stream._requested) <= 2 + 3


def test_endless_training_is_reproducible_and_resumes_as_if_nothing_had_happened(tmp_path, pool):
    def source():
        return Simulations(50, 16, pool)

    straight = train(tmp_path, source(), name="straight.keras", valid=make_blobs(30))
    assert same(train(tmp_path, source(), name="again.keras", valid=make_blobs(30)), straight)
    with ctrl_c_after(2):
        train(tmp_path, source(), valid=make_blobs(30))
    with pytest.raises(RunError, match="the number of images an epoch was 50 and is now 60"):
        train(tmp_path, Simulations(60, 16, pool), resume=True, valid=make_blobs(30))
    assert same(train(tmp_path, source(), resume=True, valid=make_blobs(30)), straight)


def fail(chunk, images):
    if chunk == 3:
        raise RunError("the worker on node07 ran out of memory")
    return images


def spoil(chunk, images):
    images[0, 0, 0] = np.nan if chunk == 3 else 0
    return images


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (fail, r"^the worker on node07 ran out of memory$"),
        (spoil, "the simulated images contain NaN or infinite values"),
        (lambda chunk, images: images[chunk // 3 :], r"a chunk of 16 simulations has images \(15, 16, 16\)"),
    ],
)
def test_failing_simulation_is_said_as_it_says_it(tmp_path, pool, capfd, change, said):
    with pytest.raises(RunError, match=said):
        train(tmp_path, Simulations(100, 16, pool, change))
    assert capfd.readouterr() == ("", "")


def test_what_is_no_longer_needed_is_cancelled(tmp_path, pool):
    waiting = []

    class Busy(Simulations):
        def request(self, chunk):
            if chunk < 4:
                return super().request(chunk)
            waiting.append(Future())  # a simulation that no worker has begun
            return waiting[-1]

    with pytest.raises(RunError, match="node07"):
        train(tmp_path, Busy(100, 16, pool, fail))
    assert waiting
    assert all(future.cancelled() for future in waiting)


def test_simulations_of_another_shape_are_refused(tmp_path, pool):
    source = Simulations(100, 16, pool)
    source.shape = (32, 32)
    with pytest.raises(RunError, match=r"the simulated images have the shape \(32, 32\), the network takes"):
        train(tmp_path, source)
