"""Parameters that only the separation task has."""

from stronglens.parameters import Parameters, choice, declare


@declare
class SeparationLearning(Parameters):
    """The network"""

    network: str = choice(
        "unet", ("unet",),
        help="network architecture. unet: a U-Net that draws the noise and the source; the lens's light is what "
        "remains of the image",
    )


OVERRIDES: dict = {}

EXAMPLES = {
    "generate_data.py": (
        ("4,000 images with the light and mass that make them", "generate_data.py --task=separation -n=4000"),
        (
            "isothermal lenses whose light and mass are not aligned",
            "generate_data.py --task=separation --lens-model=sie --light-ellip-offset-var=0.1 -n=4000",
        ),
    ),
    "model_and_figures.py": (
        ("train a network on dataset/ and test it", "model_and_figures.py --task=separation"),
        ("separate telescope images", "model_and_figures.py --task=separation --predict lens.fits"),
    ),
}
