"""Batches for training: from stored images, or from a stream of simulated images."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from stronglens.parameters import RunError
from stronglens.training.augmentation import Pair, draw_symmetries, move_images, move_labels
from stronglens.training.device import keras
from stronglens.training.objective import REGRESSION, Objective
from stronglens.training.order import shuffle_rows
from stronglens.training.state import digest_array

# Each epoch has its own random order. Rows are read in windows that fit in memory. A window consists of short runs of
# neighbouring rows from the whole store, so that it needs few of the store's chunks.
SHUFFLE_WINDOW = 8192  # maximum images in a window
WINDOW_BYTES = 2**27  # maximum size of a window: 8192 images of 64 x 64 pixels
SHUFFLE_RUN = 1024  # maximum images in a run, and an eighth of a window; shorter runs would split more chunks
AHEAD = 8  # chunks of simulations that are requested before they are needed


class Batches(keras.utils.PyDataset):
    """Base class: the batches of one epoch, which `fit` sets with `begin_epoch`.

    All batches of an epoch have the same size, up to one image per device. A small last batch would change the weights
    as much as any other batch, and the moving averages of batch normalisation too; with one image their variance is
    zero.

    Keras reads the first batches before the first epoch and may reset a dataset within an epoch. Neither changes the
    epoch of this class.

    Parameters
    ----------
    number : int
        Images in an epoch.
    batch_size : int
        Maximum number of images in a batch.
    multiple : int
        The numbers of images in an epoch and in a batch are multiples of this number.
    objective : Objective

    Attributes
    ----------
    epoch : int
        Number of finished epochs.
    started : bool
        Whether an epoch has begun. From then on each batch is read once.
    error : Exception or None
        The error of a failed batch. TensorFlow would pass on its text only.
    settings : dict
        Identity of the data, for the state of the training.
    """

    def __init__(self, number: int, batch_size: int, multiple: int, objective: Objective):
        super().__init__()
        self.number, self.objective = number, objective
        steps = -(-number // batch_size)
        self.bounds = [multiple * (number // multiple * step // max(1, steps)) for step in range(steps + 1)]
        self.epoch = 0
        self.started = False
        self.error: Exception | None = None
        self.settings: dict = {}

    def __len__(self):
        return len(self.bounds) - 1

    def __getitem__(self, index):
        try:
            return self.objective.arrange(*self.read(self.bounds[index], self.bounds[index + 1]))
        except Exception as error:
            self.error = self.error or error
            raise

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 0."""
        self.epoch, self.started = epoch, True

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return images (n, H, W[, B]), electrons/s, and targets (n, T) of positions start to stop, float32."""
        raise NotImplementedError

    def close(self) -> None:
        """Cancel requests that are no longer needed."""


class StoredBatches(Batches):
    """Batches of stored images. An epoch contains each image once, in random or stored order.

    Parameters
    ----------
    images : ndarray (N, H, W) or (N, H, W, B) float32, electrons/s
        Or an object with ``shape`` and ``len`` that can be indexed with a slice or an array of rows. If it has
        ``prefetch(rows)``, this is called with the rows of the next window, one window ahead; the rows of a batch are
        always among those of the last two calls. If it has ``digest``, this identifies its content.
    labels : ndarray (N, L + C), unit of each label
        The last C columns are not targets. They are partners of label columns, needed for the rotation (see `pairs`).
    network : keras.Model
    label_names : sequence of L str
    split : str
        Name of the split, for error messages.
    batch_size : int
        Maximum number of images in a batch.
    multiple : int
        The number of images in an epoch is a multiple of this number; at most ``multiple - 1`` images are left out.
    seed : int, optional
        Seed of the random order; without a seed the images are in stored order.
    epochs : int
        Number of epochs, after which no images are prefetched.
    objective : Objective
        Encodes labels as targets.
    augment : bool
        Rotate and flip each image at random in each epoch; see `augmentation`.
    pairs : sequence of Pair
        Columns of labels that rotate with their image.

    Raises
    ------
    RunError
        If the data do not fit the network or are not finite; if images to rotate are not square.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        network: keras.Model,
        label_names: Sequence[str],
        split: str,
        batch_size: int,
        *,
        multiple: int = 1,
        seed: int | None = None,
        epochs: int = 0,
        objective: Objective = REGRESSION,
        augment: bool = False,
        pairs: Sequence[Pair] = (),
    ):
        super().__init__(len(images) - len(images) % multiple, batch_size, multiple, objective)
        self.network, self.number_of_labels, self.pairs = network, len(label_names), pairs
        self.split, self.seed, self.epochs = split, seed, epochs
        self.images = images = images if hasattr(images, "digest") else np.ascontiguousarray(images, dtype=np.float32)
        labels = np.asarray(labels, dtype=np.float64)
        if not self.number or labels.shape != (len(images), _count_columns(label_names, pairs)):
            raise RunError(
                f"the {split} split has {len(images)} images and labels of shape {labels.shape} for "
                f"{len(label_names)} names{f' on {multiple} devices' if multiple > 1 else ''}: "
                "simulate more images, or change --valid-split and --test-split"
            )
        _require_shape(images.shape[1:], network, f"the {split} images")
        if isinstance(images, np.ndarray):  # images of a store are checked batch by batch, when they are read
            _require_finite(images, f"the {split} images")
        _require_finite(labels, f"the {split} labels")
        self.targets = objective.encode(network, labels[:, : self.number_of_labels], split)
        self.labels = labels if augment and pairs else None
        identity = self.targets if self.labels is None else labels
        self.settings = {f"the {split} images": _identify(images), f"the {split} labels": digest_array(identity)}
        bytes_an_image = int(np.prod(images.shape[1:])) * 4
        self.window = max(1, min(SHUFFLE_WINDOW, WINDOW_BYTES // bytes_an_image))
        self.run = max(1, min(SHUFFLE_RUN, self.window // 8))
        self._prefetch = getattr(images, "prefetch", None)
        self._prefetched = 0  # number of prefetched windows, over all epochs
        self._order = functools.lru_cache(maxsize=2)(self._order_epoch)
        self._symmetries = _draw_for_epochs(len(images), seed, images.shape[1:]) if augment else None

    def read(self, start, stop):
        windows = -(-self.number // self.window)
        first = self.epoch * windows
        self._prefetch_until(first + (stop - 1) // self.window)
        rows = self._order(self.epoch)[start:stop]
        images = np.asarray(self.images[rows], dtype=np.float32)
        _require_finite(images, f"the {self.split} images")
        if self.started:
            # Validation does not prefetch its next epoch: a whole training epoch comes first.
            last = self.epochs * windows if self.seed is not None else first + windows
            self._prefetch_until(min(first + (stop - 1) // self.window + 1, last - 1))
        if self._symmetries is None:
            return images, self.targets[rows]
        symmetries = self._symmetries(self.epoch)[rows]
        images = move_images(images, symmetries)
        if self.labels is None:
            return images, self.targets[rows]
        labels = move_labels(self.labels[rows], symmetries, self.pairs)[:, : self.number_of_labels]
        return images, self.objective.encode(self.network, labels, self.split)

    def _order_epoch(self, epoch):
        if self.seed is None:
            return np.arange(self.number)
        return shuffle_rows(len(self.images), self.seed, epoch + 1, self.window, self.run)[: self.number]

    def _prefetch_until(self, wanted):
        if self._prefetch is None:
            return
        windows = -(-self.number // self.window)
        self._prefetched = max(self._prefetched, self.epoch * windows)
        while self._prefetched <= wanted:
            epoch, window = divmod(self._prefetched, windows)
            self._prefetch(self._order(epoch)[window * self.window : (window + 1) * self.window])
            self._prefetched += 1


class SimulatedBatches(Batches):
    """Batches from an unbounded stream of simulations; no image repeats.

    Parameters
    ----------
    source
        A stream with the attributes ``number``, images in an epoch; ``shape``, (H, W) or (H, W, B); ``chunk_size``;
        ``digest``, its identity; and the method ``request(k)``, which returns a `concurrent.futures.Future` of chunk k:
        images (chunk_size, H, W[, B]) float32 in electrons/s and labels (chunk_size, L + C). A repeated request of a
        chunk gives the same data.
    network, label_names, batch_size, multiple, objective, augment, pairs
        See `StoredBatches`.
    epochs : int
        Number of epochs, after which no chunks are requested.
    seed : int
        Seed of the augmentation.
    ahead : int
        Number of chunks that are requested before they are needed, so that they are simulated in the meantime.

    Raises
    ------
    RunError
        If the images do not fit the network; if images to rotate are not square.
    """

    def __init__(
        self,
        source,
        network: keras.Model,
        label_names: Sequence[str],
        batch_size: int,
        *,
        multiple: int = 1,
        epochs: int,
        seed: int = 0,
        objective: Objective = REGRESSION,
        augment: bool = False,
        pairs: Sequence[Pair] = (),
        ahead: int = AHEAD,
    ):
        super().__init__(source.number - source.number % multiple, batch_size, multiple, objective)
        self.source, self.network, self.ahead = source, network, ahead
        self.number_of_labels, self.columns, self.pairs = len(label_names), _count_columns(label_names, pairs), pairs
        if not self.number:
            raise RunError(f"{source.number} simulations per epoch are too few for {multiple} devices")
        _require_shape(source.shape, network, "the simulated images")
        self.settings = {"the simulations": _identify(source), "the number of images an epoch": source.number}
        self._symmetries = _draw_for_epochs(source.number, seed, source.shape) if augment else None
        self._chunks_in_all = -(-epochs * source.number // source.chunk_size)
        self._requested: dict[int, Future] = {}
        self._checked: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def read(self, start, stop):
        # An epoch starts where the previous one ended, images that it left out included.
        offset, size = self.epoch * self.source.number, self.source.chunk_size
        places = slice(start, stop)
        start, stop = offset + start, offset + stop
        chunks = range(start // size, (stop - 1) // size + 1)
        if self.started:
            for held in (self._requested, self._checked):
                for chunk in [chunk for chunk in held if chunk < chunks[0]]:
                    del held[chunk]
        for chunk in range(chunks[0], max(chunks[-1] + 1, min(chunks[-1] + 1 + self.ahead, self._chunks_in_all))):
            if chunk not in self._requested:
                self._requested[chunk] = self.source.request(chunk)
        parts = []
        for chunk in chunks:
            images, labels = self._take(chunk)
            rows = slice(max(start - chunk * size, 0), stop - chunk * size)
            parts.append((images[rows], labels[rows]))
        images, labels = (part[0] if len(part) == 1 else np.concatenate(part) for part in zip(*parts, strict=True))
        if self._symmetries is not None:
            symmetries = self._symmetries(self.epoch)[places]
            images, labels = move_images(images, symmetries), move_labels(labels, symmetries, self.pairs)
        return images, self.objective.encode(self.network, labels[:, : self.number_of_labels], "simulated")

    def close(self):
        for future in list(self._requested.values()):  # a copy, since another thread may still read
            future.cancel()

    def _take(self, chunk):
        if chunk not in self._checked:
            images, labels = self._requested[chunk].result()
            images, labels = np.asarray(images, dtype=np.float32), np.asarray(labels, dtype=np.float64)
            size = self.source.chunk_size
            if images.shape != (size, *self.source.shape) or labels.shape != (size, self.columns):
                raise RunError(f"a chunk of {size} simulations has images {images.shape} and labels {labels.shape}")
            _require_finite(images, "the simulated images")
            _require_finite(labels, "the labels of simulated images")
            self._checked[chunk] = images, labels
        return self._checked[chunk]


class EpochAnnouncer(keras.callbacks.Callback):
    """Pass the start of each epoch on to the batches.

    Parameters
    ----------
    batches : sequence of Batches
    """

    def __init__(self, batches: Sequence[Batches]):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        for batches in self.batches:
            batches.begin_epoch(epoch)


def _draw_for_epochs(number: int, seed: int, shape: tuple[int, ...]) -> Callable[[int], np.ndarray]:
    if shape[0] != shape[1]:
        raise RunError(
            f"images of {shape[0]} x {shape[1]} pixels cannot be rotated by 90 degrees: use --augment=off or simulate "
            "square images"
        )
    # Two epochs are kept: Keras may read one epoch ahead.
    return functools.lru_cache(maxsize=2)(lambda epoch: draw_symmetries(number, seed, epoch + 1))


def _count_columns(label_names: Sequence[str], pairs: Sequence[Pair]) -> int:
    return max(len(label_names), *(1 + place for pair in pairs for place in pair[:2]), 0)


def _identify(data) -> str:
    identity = getattr(data, "digest", None)
    return digest_array(data) if identity is None else f"digest {identity}"


def _require_shape(shape: tuple[int, ...], network: keras.Model, what: str) -> None:
    taken = tuple(network.inputs[0].shape[1:])
    if tuple(shape) != taken:
        raise RunError(f"{what} have the shape {tuple(shape)}, the network takes {taken}")


def _require_finite(array: np.ndarray, what: str) -> None:
    if not np.isfinite(array).all():
        raise RunError(f"{what} contain NaN or infinite values: simulate the dataset again")
