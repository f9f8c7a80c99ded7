"""Generative adversarial networks: of images, with the noise of the camera in between, and of codes.

A discriminator that compares the noise-free light of a generator with noisy images wins by the noise alone. The light
is therefore observed with the camera of the training images before it is judged (Bora et al. 2018, ICLR, "AmbientGAN"),
so that the generator learns images without noise.
"""

import numpy as np

from stronglens.generation.adversaries import build_discriminator, build_generator
from stronglens.generation.components import Components, stretch, unstretch
from stronglens.generation.duel import Duel
from stronglens.generation.flows import DENSITY
from stronglens.generation.game import describe_rates, fit_game
from stronglens.generation.generated import DRAWN_NOISE, camera_of
from stronglens.generation.network import add_light
from stronglens.learning.plan import TrainingPlan, find_partner_columns
from stronglens.scaling import ImageScaling
from stronglens.telescope.recording import correlate
from stronglens.training import keras, spread_seed
from stronglens.training.augmentation import draw_symmetries, find_pairs, move_images, move_labels
from stronglens.training.batches import Batches
from stronglens.training.optimizer import schedule_rate
from stronglens.training.order import shuffle_rows
from stronglens.training.state import digest_array

ops = keras.ops


class Camera:
    """The noise of the training images, as a part of a network.

    Its inputs are normal numbers, and the noise of each image: the variance of a pixel is a light + b + (c peak)^2.

    Parameters
    ----------
    origin : mapping
        See `generated.describe_origin`.
    scaling : ImageScaling
    shape : (H, W), pixels
    """

    def __init__(self, origin, scaling: ImageScaling, shape: tuple[int, int]):
        self.telescope, self.drawn = camera_of(origin), {}
        self.scaling, self.shape = scaling, shape
        if self.telescope:
            self.drawn = {DRAWN_NOISE[name]: np.asarray(values) for name, values in origin["noise"].items()}

    def __call__(self, points):
        """Return the observed points (B, P) of stretched points, and the inputs of the camera."""
        scale, offset, softening = np.sqrt(self.scaling.variance), self.scaling.mean, self.scaling.softening
        inputs = {
            "noise": keras.Input((int(np.prod(self.shape)),), name="noise"),
            "level": keras.Input((3,), name="level"),
        }
        level = inputs["level"]
        light = ops.maximum(ops.sinh(points * scale + offset) * softening, 0.0)
        peak = ops.max(light, axis=-1, keepdims=True)
        variance = level[:, :1] * light + level[:, 1:2] + ops.square(level[:, 2:] * peak)
        # The size of the noise is no way to deceive: its gradient would only disturb.
        observed = light + ops.stop_gradient(ops.sqrt(variance)) * inputs["noise"]
        return (ops.arcsinh(observed / softening) - offset) / scale, inputs

    def draw(self, random: np.random.Generator, number: int) -> dict[str, np.ndarray]:
        """Draw the inputs of the camera for some images."""
        camera = self.telescope
        noise = correlate(random.standard_normal((number, *self.shape), np.float32), camera.noise_correlation)
        level = np.zeros((number, 3))
        if "peak_noise" in self.drawn:
            level[:, 2] = random.choice(self.drawn["peak_noise"], number)
        else:
            time = random.choice(self.drawn.get("exposure_time", np.array([camera.exposure_time])), number)
            level[:, 0] = 1 / time
            level[:, 1] = camera.sky / time + camera.exposures * camera.read_noise**2 / time**2
        return {"noise": noise.reshape(number, -1).astype(np.float32), "level": level.astype(np.float32)}


class ImageBatches(Batches):
    """Batches of stretched images, turned and flipped at random, and their labels.

    Parameters
    ----------
    points : ndarray (M, P) float32
    labels : ndarray (M, C), partners of labels included
    pairs : sequence of Pair
    scale : (mean (C,), deviation (C,))
        Of the labels that are conditions.
    shape : (H, W)
    batch_size, seed : int
    is_symmetric : bool
    """

    def __init__(self, points, labels, pairs, scale, shape, batch_size: int, seed: int, is_symmetric: bool):
        super().__init__(len(points), batch_size, 1, DENSITY)
        self.points, self.labels, self.pairs, self.scale = points, labels, pairs, scale
        self.shape, self.seed, self.is_symmetric = shape, seed, is_symmetric
        self.settings = {"the training images": digest_array(points), "--augment": is_symmetric}

    def read(self, start, stop):
        """Return stretched pixels (n, P), and standardised labels (n, C) or None."""
        epoch, number = self.epoch + 1, len(self.points)
        rows = shuffle_rows(number, self.seed, epoch, number, 1)[start:stop]
        points, labels = self.points[rows], self.labels[rows]
        if self.is_symmetric:
            symmetries = draw_symmetries(number, self.seed, epoch)[start:stop]
            points = move_images(points.reshape(-1, *self.shape), symmetries).reshape(len(rows), -1)
            labels = move_labels(labels, symmetries, self.pairs)
        mean, deviation = self.scale
        count = len(mean)
        return points, ((labels[:, :count] - mean) / deviation).astype(np.float32) if count else None


def train_gan(plan: TrainingPlan, scaling: ImageScaling, components: Components, record: dict) -> dict:
    """Train a generator of images, and save it.

    The network is a model from codes, normal numbers and standardised labels, to images without noise; it contains the
    ``decoder``.

    Parameters
    ----------
    plan : TrainingPlan
    scaling : ImageScaling
    components : Components
        By which samples are judged.
    record : dict
        Of the network.

    Returns
    -------
    dict of str to list of float, one value per epoch

    Raises
    ------
    RunError, UsageError
        See `game.fit_game`.
    """
    parameters, dataset, split = plan.parameters, plan.dataset, plan.split
    shape, is_symmetric = dataset.images.shape[1:], parameters.augment == "on"
    names = parameters.condition
    partners = find_partner_columns(dataset.columns, names) if is_symmetric else ()
    labels = dataset.column_values((*names, *partners))
    pairs = find_pairs([dataset.columns[one] for one in (*names, *partners)]) if is_symmetric else ()
    scale = tuple(np.asarray(record["sampler"][f"label-{what}"]) for what in ("mean", "deviation"))
    train, valid = (stretch(dataset.images[split[name]], scaling) for name in ("train", "valid"))
    batches = ImageBatches(
        train, labels[split["train"]], pairs, scale, shape, parameters.batch_size, parameters.seed, is_symmetric
    )
    seeds = spread_seed(parameters.seed, 2)
    limits = float(train.min()), float(train.max())
    generator = build_generator(shape, parameters.latents, len(names), scaling, limits, parameters.width, seeds[0])
    discriminator = build_discriminator(shape, len(names), parameters.width, seeds[1])
    code = keras.Input(generator.input_shape[1:], name="code")
    decoder = keras.Model(code, add_light(generator(code), shape, scaling), name="decoder")
    camera = Camera(record["origin"], scaling, shape)

    def draw(random, condition, number):
        codes = random.standard_normal((number, parameters.latents), np.float32)
        codes = codes if condition is None else np.concatenate([codes, condition], axis=1)
        return {"code": codes} | (camera.draw(random, number) if camera.telescope else {})

    relative = components.deviation / components.deviation[0]

    def features(points):
        return components.project(points) * relative

    steps = parameters.epochs * len(batches)
    warm = parameters.warm_up * len(batches)
    rates = [
        schedule_rate(rate, parameters.learning_schedule, steps, warm)
        for rate in (parameters.learning_rate, parameters.discriminator_rate)
    ]
    condition = (labels[split["valid"], : len(names)] - scale[0]) / scale[1]
    kept_input = keras.Input(generator.input_shape[1:], name="code")
    duel = Duel(
        generator, discriminator, rates, draw, features, features(valid), condition.astype(np.float32),
        keras.Model(kept_input, decoder(kept_input), name="gan"), parameters.seed,
        camera=camera if camera.telescope else None, picture=lambda points: unstretch(points, scaling, shape),
    )  # fmt: skip
    plan.console.say(
        f"Networks: generator {generator.count_params():,} parameters, discriminator "
        f"{discriminator.count_params():,}; {len(train):,} images for training, {len(valid):,} to judge the samples"
    )
    settings = describe_rates(parameters) | {"--width": parameters.width, "--latents": parameters.latents}
    settings |= {"--condition": ",".join(names)}
    return fit_game(
        duel, batches, model_file=parameters.model_file, epochs=parameters.epochs, seed=parameters.seed,
        settings=settings, record=record, log_dir=parameters.figures_dir / "logs", resume=parameters.resume,
        quiet=parameters.quiet, say=plan.console.say,
    )  # fmt: skip
