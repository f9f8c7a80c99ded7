"""Parameters that only the separation task has."""

from pathlib import Path

from stronglens.parameters import Parameters, choice, declare, switch, text

LEARNS = "noise, and the light of lens and source"


@declare
class SeparationLearning(Parameters):
    """The network"""

    map: str = choice(
        "light", ("light", "convergence"),
        help="what the network maps. light: noise, source and lens; convergence: the mass of the lens",
    )
    network: str = choice(
        "unet", ("unet", "branched", "components"),
        help="network architecture. unet: a U-Net that predicts noise and source (the light of the lens is the image "
        "minus both), or the convergence of each pixel; branched: one branch for the noise and one for the source "
        "(Reiman & Goehre 2019), slower; components (only for convergence): principal components of the map, and "
        "their uncertainties",
    )
    adversarial: bool = switch(
        help="with --network=branched: add the loss of a discriminator, which learns to distinguish separated "
        "sources from true ones (Reiman & Goehre 2019)"
    )
    measure_radius: Path | None = text(
        None,
        help="folder of a second dataset of this task, with another --seed: test whether the separation helps to "
        "measure Einstein radii, with regression networks on raw, separated and truly separated images (minutes)",
    )


OVERRIDES = {
    ("map", "convergence"): {"network": "components", "learning_rate": 0.001, "batch_size": 32, "epochs": 20},
}

EXAMPLES = {
    "generate_data.py": (
        ("4,000 images with their light and mass", "generate_data.py --task=separation -n=4000"),
        (
            "isothermal lenses whose light and mass have different ellipticities",
            "generate_data.py --task=separation --lens-model=sie --light-ellip-offset-var=0.1 -n=4000",
        ),
    ),
    "model_and_figures.py": (
        ("train a network on dataset/ and test it", "model_and_figures.py --task=separation"),
        (
            "map the convergence of lenses",
            "model_and_figures.py --task=separation --map=convergence --model-file=models/convergence.keras",
        ),
        ("separate telescope images", "model_and_figures.py --task=separation --predict lens.fits"),
    ),
}
