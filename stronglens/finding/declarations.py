"""Parameters that only the finding task has."""

from pathlib import Path

from stronglens.parameters import Parameters, choice, declare, names, number, switch, text


@declare
class FindingLearning(Parameters):
    """The network"""

    network: str = choice(
        "small", ("small", "ou66", "ou200"),
        help="network architecture. small: six convolutions with batch normalisation, for images of any size; ou66, "
        "ou200: the networks of Wilde et al. (2022) for 66 and for 198 or 200 pixels",
    )
    input: str = choice(
        "stretch", ("stretch", "minmax"),
        help="scaling of the images. stretch: arcsinh, linear below ten times the noise of each band, so that colours "
        "are kept; minmax: each band of each image from 0 to 1, as in Wilde et al. (2022), which removes flux and "
        "colour",
    )
    dropout: float = number(
        0.2, valid=(0, 0.9), help="fraction of features that are set to zero in training, at random"
    )
    members: int = number(
        1, valid=(1, 50),
        help="number of networks in a committee: they are trained one after the other with different seeds, and "
        "their probabilities are averaged",
    )
    weights_from: Path | None = text(
        None,
        help="file of published weights (PyTorch's .pt, which is read without PyTorch): test them on the dataset, "
        "without training",
    )


@declare
class FieldScores(Parameters):
    """Test at the scale of a survey"""

    prevalence: float = number(
        0.0005, valid=(1e-9, 0.999), help="fraction of lenses among the images of a survey, for its purity"
    )
    field_images: int = number(
        0, valid=(0, 100_000_000), recorded=False,
        help="number of non-lenses that are simulated and scored, but not kept, to measure small rates of false "
        "positives",
    )
    more_tests: tuple[str, ...] = names(
        (), many=True, help="folders of other datasets of this task to test on, such as compound lenses"
    )


@declare
class Cutouts(Parameters):
    """Layout of the measured files"""

    bologna: bool = switch(
        help="the files are of the Bologna lens-finding challenge: pixels of the value 100 are masked, and each image "
        "is multiplied such that its noise is that of the training images, since its unit is not known",
    )


OVERRIDES: dict = {}

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "generate_data.py": (),
    "model_and_figures.py": (
        ("train a network on dataset/ and test it", "model_and_figures.py --task=finding"),
        ("test it on compound lenses too", "model_and_figures.py --task=finding --more-tests=rings,arcs"),
        (
            "measure small rates of false positives",
            "model_and_figures.py --task=finding --field-images=100000",
        ),
        ("score telescope images", "model_and_figures.py --task=finding --predict cutouts/"),
    ),
}
