"""Generative adversarial network of codes."""

import numpy as np

from stronglens.generation.adversaries import build_code_discriminator, build_code_generator
from stronglens.generation.codes import CodeBatches, Codes, dimensions, sampler_path
from stronglens.generation.duel import Duel
from stronglens.generation.flows import DENSITY
from stronglens.generation.game import fit_game
from stronglens.learning.plan import TrainingPlan
from stronglens.training import spread_seed
from stronglens.training.optimizer import schedule_rate

RATE = 1e-3
"""Learning rate of both players."""


class RealCodes(CodeBatches):
    """Codes and labels of images, as a duel takes them. The parameters are those of `CodeBatches`."""

    def read(self, start, stop):
        inputs, _ = super().read(start, stop)
        return inputs["code"], inputs.get("condition")


def fit_code_gan(plan: TrainingPlan, train: Codes, valid: Codes, record: dict) -> None:
    """Train a generator of codes against a discriminator of codes, and save it (see `codes.sampler_path`).

    Raises
    ------
    RunError
        See `game.fit_game`.
    """
    parameters = plan.parameters
    size, labels = dimensions(train.mean.shape[-1]), len(parameters.condition)
    batches = RealCodes(train, record, parameters.batch_size, 1, DENSITY, parameters.seed)
    checks = RealCodes(valid, record, parameters.batch_size, 1, DENSITY, None)
    real, condition = checks.read(0, checks.number)
    seeds = spread_seed(parameters.seed, 2)
    generator = build_code_generator(size, labels, seeds[0])

    def draw(random, condition, number):
        codes = random.standard_normal((number, size), np.float32)
        return {"code": codes if condition is None else np.concatenate([codes, condition], axis=1)}

    steps = parameters.sampler_epochs * len(batches)
    rates = [schedule_rate(RATE, "cosine", steps, 0)] * 2
    duel = Duel(
        generator, build_code_discriminator(size, labels, seeds[1]), rates, draw, lambda points: points, real,
        np.empty((len(real), 0), np.float32) if condition is None else condition, generator, parameters.seed,
    )  # fmt: skip
    plan.console.say(f"Sampler: a GAN, generator of {generator.count_params():,} parameters, on the codes of the "
                     "training images")  # fmt: skip
    fit_game(
        duel, batches, model_file=sampler_path(parameters.model_file), epochs=parameters.sampler_epochs,
        seed=parameters.seed, settings={"--batch-size": parameters.batch_size},
        record={"task": parameters.task, "sampler": dict(record)},
        log_dir=parameters.figures_dir / "logs" / "sampler", resume=parameters.resume, quiet=parameters.quiet,
        say=plan.console.say,
    )  # fmt: skip
