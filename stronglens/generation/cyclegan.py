"""CycleGAN: networks that translate images of one dataset to those of another, and back."""

from collections.abc import Sequence

import numpy as np

from stronglens.dataset import Dataset, load_dataset, split_indices
from stronglens.generation.adversaries import build_patch_discriminator, build_translator
from stronglens.generation.components import fit_components, stretch, unstretch
from stronglens.generation.duel import MOST_JUDGED, SHOWN
from stronglens.generation.flows import DENSITY
from stronglens.generation.game import AveragedWeights, Judge, describe_rates, fit_game, make_optimizer
from stronglens.generation.generated import describe_origin
from stronglens.generation.network import add_light
from stronglens.generation.statistics import log_power
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import describe_training
from stronglens.sampling import Stream, generator
from stronglens.scaling import NOISE_FACTOR, ImageScaling, fit_image_scaling, stretch_images
from stronglens.training import keras, spread_seed
from stronglens.training.augmentation import draw_symmetries, move_images
from stronglens.training.batches import Batches
from stronglens.training.optimizer import schedule_rate
from stronglens.training.order import shuffle_rows
from stronglens.training.state import digest_array

CYCLE, IDENTITY = 1.0, 0.5
"""Weights of the errors of images that went there and back, and of images of the target that are translated, beside the
loss of the discriminators (Zhu et al. 2017, ICCV, "Unpaired image-to-image translation"): mean squared errors over the
variance of the noise. Absolute errors would not let the translators leave the identity, with which they begin."""

LEADING = 8
"""Principal components by which translated images are judged, beside their power spectra."""

DECEIVED = "generator-there", "generator-back"
"""Losses of the two translators against their discriminators, in the history."""


def load_target(plan: TrainingPlan) -> tuple[Dataset, dict[str, np.ndarray]]:
    """Load the dataset of ``--target-dir`` and split it: as the first one, if both have the same number of images."""
    parameters = plan.parameters
    target = load_dataset(parameters.target_dir)
    if len(target.images) == len(plan.dataset.images):
        return target, plan.split
    random = generator(parameters.seed, Stream.SPLIT)
    return target, split_indices(len(target.images), parameters.valid_split, parameters.test_split, random)


def are_pairs(one: Dataset, other: Dataset) -> bool:
    """Return whether images of equal index come from the same draws: all drawn columns that both have are equal."""
    if len(one.images) != len(other.images):
        return False
    names = [name for name, column in one.columns.items() if column.drawn and name in other.columns]
    return bool(names) and bool(np.array_equal(one.column_values(names), other.column_values(names)))


def noise_of(scaling: ImageScaling) -> float:
    """Return the noise of an image in stretched units."""
    return float(np.arcsinh(1 / NOISE_FACTOR) / np.sqrt(scaling.variance))


class Cycle:
    """Two translators, and a discriminator of each dataset, with the least-squares loss (Mao et al. 2017, ICCV).

    Parameters
    ----------
    shape : (H, W), pixels
    scaling : ImageScaling
        Of both datasets.
    width, blocks : int
        Filters, and residual blocks of a translator.
    rates : (float or schedule, float or schedule)
        Learning rates of the translators and of the discriminators.
    judges : (Judge, Judge)
        Of features of images of the first dataset, and of the second one.
    features : (callable, callable)
        Take stretched pixels (N, P), and return these features.
    valid : (ndarray (N, P), ndarray (M, P))
        Stretched validation images of both.
    seed : int
    """

    shown = (*DECEIVED, "cycle")

    def __init__(
        self, shape, scaling: ImageScaling, width: int, blocks: int, rates: Sequence, judges: Sequence[Judge],
        features: Sequence, valid: Sequence[np.ndarray], seed: int,
    ):  # fmt: skip
        seeds = spread_seed(seed, 4)
        self.there = build_translator(shape, width, blocks, seeds[0], "points_there")
        self.back = build_translator(shape, width, blocks, seeds[1], "points_back")
        patches = [build_patch_discriminator(shape, width, one) for one in seeds[2:]]
        self.networks = self.there, self.back, *patches
        self.shape, self.scaling = shape, scaling
        self.judges, self.features, self.valid = judges, features, valid
        size = int(np.prod(shape))
        first, second = keras.Input((size,), name="first"), keras.Input((size,), name="second")
        there, back = self.there(first), self.back(second)
        self.translators = keras.Model({"first": first, "second": second}, [there, back])
        fakes = keras.Input((size,), name="made_first"), keras.Input((size,), name="made_second")
        self.discriminators = keras.Model(
            {"first": first, "second": second, "made_first": fakes[0], "made_second": fakes[1]},
            {
                "real_first": patches[0](first), "made_first": patches[0](fakes[0]),
                "real_second": patches[1](second), "made_second": patches[1](fakes[1]),
            },
        )  # fmt: skip
        self.optimizers = make_optimizer(rates[0], True), make_optimizer(rates[1], False)
        self.optimizers[1].build(self.discriminators.trainable_variables)
        names = "real_first", "made_first", "real_second", "made_second"
        self.discriminators.compile(self.optimizers[1], dict.fromkeys(names, "mean_squared_error"))
        self.discriminators.trainable = False
        self.combined = keras.Model(
            {"first": first, "second": second},
            {
                "there": patches[1](there), "back": patches[0](back),
                "cycle_first": self.back(there), "cycle_second": self.there(back),
                "same_second": self.there(second), "same_first": self.back(first),
            },
        )  # fmt: skip
        self.optimizers[0].build(self.combined.trainable_variables)
        self.variables = self.combined.trainable_variables
        weights = {"there": 1.0, "back": 1.0, "cycle_first": CYCLE, "cycle_second": CYCLE}
        weights |= {"same_first": IDENTITY, "same_second": IDENTITY}
        self.of_noise = 1 / noise_of(scaling) ** 2
        weights = {
            name: value if name in ("there", "back") else value * self.of_noise for name, value in weights.items()
        }
        losses = dict.fromkeys(weights, "mean_squared_error")
        self.combined.compile(self.optimizers[0], losses, loss_weights=weights)
        self.kept = build_there_and_back(self.there, self.back, shape, scaling)
        self.patches = tuple(int(side) for side in patches[0].output_shape[1:])

    def begin_epoch(self) -> None:
        """Begin the means of the losses."""
        self.discriminators.reset_metrics()
        self.combined.reset_metrics()

    def play(self, batch: tuple, random: np.random.Generator) -> dict[str, float]:
        """Train the discriminators, then, against the frozen ones, the translators; return the mean losses."""
        images = dict(zip(("first", "second"), batch, strict=True))
        there, back = (np.asarray(made) for made in self.translators.predict_on_batch(images))
        yes, no = (np.full((len(batch[0]), *self.patches), value, np.float32) for value in (1, 0))
        self.discriminators.trainable = True
        judged = self.discriminators.train_on_batch(
            images | {"made_first": back, "made_second": there},
            {"real_first": yes, "made_first": no, "real_second": yes, "made_second": no}, return_dict=True,
        )  # fmt: skip
        self.discriminators.trainable = False
        wanted = {"there": yes, "back": yes, "cycle_first": batch[0], "cycle_second": batch[1]}
        wanted |= {"same_first": batch[0], "same_second": batch[1]}
        losses = self.combined.train_on_batch(images, wanted, return_dict=True)
        return {
            "generator-there": float(losses["there_loss"]),
            "generator-back": float(losses["back_loss"]),
            "discriminators": float(judged["loss"]) / 4,
            "cycle": self.of_noise * float(losses["cycle_first_loss"] + losses["cycle_second_loss"]) / 2,
            "identity": self.of_noise * float(losses["same_first_loss"] + losses["same_second_loss"]) / 2,
        }

    def averaged(self) -> AveragedWeights:
        """Context in which the translators have the moving averages of their weights."""
        return AveragedWeights(self.variables, self.optimizers[0])

    def judge(self) -> dict[str, float]:
        """Return the smaller coverage and pair distance of both directions, and the mean distance."""
        there, back = self.translators.predict(
            {"first": _fill(self.valid[0], self.valid[1]), "second": _fill(self.valid[1], self.valid[0])},
            batch_size=128, verbose=0,
        )  # fmt: skip
        made = back[: len(self.valid[1])], there[: len(self.valid[0])]
        found = [judge(of(points)) for judge, of, points in zip(self.judges, self.features, made, strict=True)]
        smallest = {name: min(one[name] for one in found) for name in ("coverage", "pair-distance")}
        return smallest | {"distance": float(np.mean([one["distance"] for one in found]))}

    def show(self) -> np.ndarray:
        """Return the translations of some validation images."""
        some = self.valid[0][:SHOWN]
        return unstretch(np.asarray(self.there.predict_on_batch(some)), self.scaling, self.shape)


class PairBatches(Batches):
    """Batches of stretched images of two datasets, in independent orders: an image and its partner rarely meet.

    Parameters
    ----------
    points : (ndarray (M, P), ndarray (M', P)) float32
    shape : (H, W)
    batch_size, seed : int
    is_symmetric : bool
        Whether images are turned and flipped at random.
    """

    def __init__(self, points: Sequence[np.ndarray], shape, batch_size: int, seed: int, is_symmetric: bool):
        super().__init__(min(len(some) for some in points), batch_size, 1, DENSITY)
        self.points, self.shape, self.seed, self.is_symmetric = points, shape, seed, is_symmetric
        names = "the training images", "the target's images"
        self.settings = {name: digest_array(some) for name, some in zip(names, points, strict=True)}
        self.settings |= {"--augment": is_symmetric}

    def read(self, start, stop):
        """Return stretched pixels (n, P) of both datasets."""
        found = []
        for some, seed in zip(self.points, spread_seed(self.seed, 2), strict=True):
            rows = shuffle_rows(len(some), seed, self.epoch + 1, len(some), 1)[start:stop]
            points = some[rows]
            if self.is_symmetric:
                symmetries = draw_symmetries(len(some), seed, self.epoch + 1)[start:stop]
                points = move_images(points.reshape(-1, *self.shape), symmetries).reshape(len(rows), -1)
            found.append(points)
        return tuple(found)


def build_there_and_back(there, back, shape, scaling: ImageScaling) -> keras.Model:
    """Build a network from an image (B, H, W), electrons/s, to the image after a translation there and back.

    Its parts ``there`` and ``back`` are models from image to image.
    """

    def translate(points, name):
        image = keras.Input(shape, dtype="float32", name="image")
        x = keras.layers.Reshape((int(np.prod(shape)),), name="points")(stretch_images(image, scaling))
        return keras.Model(image, add_light(points(x), shape, scaling), name=name)

    image = keras.Input(shape, dtype="float32", name="image")
    return keras.Model(image, translate(back, "back")(translate(there, "there")(image)), name="cyclegan")


def train_cyclegan(plan: TrainingPlan) -> dict:
    """Train the translators between the dataset and that of ``--target-dir``, and save them.

    Parameters
    ----------
    plan : TrainingPlan

    Returns
    -------
    dict of str to list of float, one value per epoch

    Raises
    ------
    RunError, UsageError
        See `game.fit_game`.
    """
    parameters, console = plan.parameters, plan.console
    target, target_split = load_target(plan)
    both = (plan.dataset, plan.split), (target, target_split)
    train = [dataset.images[split["train"]] for dataset, split in both]
    shape, is_symmetric = train[0].shape[1:], parameters.augment == "on"
    console.say(
        "Images of equal index come from the same draws: their differences are measured"
        if are_pairs(plan.dataset, target)
        else "The datasets have no images of the same draws: errors of single images cannot be measured"
    )
    with console.progress(len(train[0]) + len(train[1]), "measuring the images") as progress:
        scaling = fit_image_scaling(np.concatenate(train), progress.advance)
    judges, features, valid = [], [], []
    for images, (dataset, split) in zip(train, both, strict=True):
        components = fit_components(images, scaling, LEADING, is_symmetric, parameters.seed)
        measure = _Features(components, shape)
        points = stretch(dataset.images[split["valid"][:MOST_JUDGED]], scaling)
        judges.append(Judge(measure(points)))
        features.append(measure)
        valid.append(points)
    points = [stretch(images, scaling) for images in train]
    batches = PairBatches(points, shape, parameters.batch_size, parameters.seed, is_symmetric)
    steps, warm = (number * len(batches) for number in (parameters.epochs, parameters.warm_up))
    rates = [
        schedule_rate(rate, parameters.learning_schedule, steps, warm)
        for rate in (parameters.learning_rate, parameters.discriminator_rate)
    ]
    cycle = Cycle(
        shape, scaling, parameters.width, parameters.depth, rates, judges, features, valid, parameters.seed
    )  # fmt: skip
    numbers = [network.count_params() for network in cycle.networks]
    console.say(
        f"Networks: two translators of {numbers[0]:,} parameters, two discriminators of {numbers[2]:,}; "
        f"{len(train[0]):,} and {len(train[1]):,} images for training"
    )
    record = describe_training(plan, plan.dataset.images.subset(plan.split["train"]))
    stretched = {"softening": scaling.softening, "mean": scaling.mean, "variance": scaling.variance}
    record |= {
        "task": parameters.task, "network": parameters.network, "latents": 0, "stretch": stretched,
        "origin": describe_origin(plan.dataset, plan.split["train"]),
        "target": describe_origin(target, target_split["train"]),
    }  # fmt: skip
    settings = describe_rates(parameters) | {"--width": parameters.width, "--depth": parameters.depth}
    return fit_game(
        cycle, batches, model_file=parameters.model_file, epochs=parameters.epochs, seed=parameters.seed,
        settings=settings, record=record, log_dir=parameters.figures_dir / "logs", resume=parameters.resume,
        quiet=parameters.quiet, say=console.say,
    )  # fmt: skip


class _Features:
    # By which two telescopes differ: power at all scales, of each image; and leading components.
    def __init__(self, components, shape: tuple[int, int]):
        self.components, self.shape = components, shape
        self.relative = components.deviation[:LEADING] / components.deviation[0]

    def __call__(self, points):
        leading = self.components.project(points)[:, :LEADING] * self.relative
        return np.concatenate([leading, log_power(points.reshape(-1, *self.shape))], axis=1)


def _fill(points: np.ndarray, other: np.ndarray) -> np.ndarray:
    # Keras needs as many images of both; the repeated ones do not count.
    return points if len(points) >= len(other) else np.resize(points, (len(other), points.shape[1]))
