"""Parameters that only the finding task has."""

from pathlib import Path

from stronglens.parameters import Parameters, choice, declare, names, number, switch, text

LEARNS = "whether there is a lens"


@declare
class FindingImages(Parameters):
    """Images and bands of Euclid"""

    bands: tuple[str, ...] = names(
        ("VIS",),
        help="bands of the images, in this order: any of VIS,Y,J,H. Several bands are the last axis of an image",
    )
    grid_size: int = number(
        66, shortcut="s", unit="pixels", valid=(18, 1024),
        help="side of the square images; on a grid of 0.1 arcsec Y, J and H need a multiple of 3",
    )
    pixel_scale: float = number(
        0.1, shortcut="ps", unit="arcsec", valid=(0.1, 0.3),
        help="size of a pixel of the images, 0.1 or 0.3. The camera has pixels of 0.3 arcsec in Y, J and H, 0.1 in VIS",
    )
    over_sampling: int = number(
        4, shortcut="os", unit="rays", valid=(1, 16), help="rays along each side of a pixel of 0.1 arcsec"
    )


@declare
class LensesAndOthers(Parameters):
    """Lenses and non-lenses"""

    population: str = choice(
        "lenspop", ("lenspop",), help="population of lenses and sources; lenspop: in the form of Collett (2015)"
    )
    lens_share: float = number(0.5, valid=(0, 1), help="fraction of images that are drawn as lenses")
    nonlens_shares: tuple[str, ...] = names(
        ("companions=28", "spiral=22", "single-image=14", "ring=12", "lone=10", "merger=8", "edge-on=6"),
        help="kinds of non-lenses and their shares, KIND=SHARE; kinds that are not named do not occur",
    )
    compound: str | None = choice(
        None, ("rings", "arcs", "two-lenses"),
        help="kind of compound lenses, with galaxies at three redshifts. rings: two sources aligned with the lens, "
        "the nearer one with mass; arcs: the same, not aligned; two-lenses: one source behind two galaxies. All lenses "
        "are of this kind unless --compound-share is given",
    )
    compound_share: float = number(
        0.0, valid=(0, 1), help="fraction of the lenses that are compound, of the kind of --compound or of all kinds"
    )
    snr_min: float = number(
        20.0, valid=(0, 10_000), help="smallest signal-to-noise ratio of the lensed source in VIS, also if VIS is not "
        "one of the bands",
    )
    tries: int = number(1000, valid=(1, 1_000_000), help="maximum number of draws per image")


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
        0.0005, valid=(1e-9, 0.999), help="fraction of lenses among the images of a survey, to compute the purity"
    )
    field_images: int = number(
        0, valid=(0, 100_000_000), recorded=False,
        help="number of additional non-lenses that are simulated and scored, but not stored, to measure small "
        "false-positive rates",
    )
    test_only: bool = switch(
        recorded=False,
        help="test the network in --model-file again, without training, on the dataset that it was trained on, for "
        "example with --field-images or --more-tests",
    )
    more_tests: tuple[str, ...] = names(
        (), many=True, help="folders of other datasets of this task to test on, such as compound lenses"
    )


@declare
class Cutouts(Parameters):
    """Layout of the measured files"""

    bologna: bool = switch(
        help="the files are from the Bologna lens-finding challenge: pixels with the value 100 are masked, and each "
        "image is scaled to the noise of the training images, since its unit is not known",
    )
    as_is: bool = switch(
        help="score the images of a Zarr array (N, H, W) or (N, H, W, B), or of a FITS cube (N, H, W), without "
        "preparation (fast): they must have the grid and the unit of the training images. Writes scores.csv",
    )


OVERRIDES: dict = {}

EXAMPLES = {
    "generate_data.py": (
        ("20,000 images, half of them lenses", "generate_data.py --task=finding -n=20000 --format=zarr"),
        ("in the four bands of Euclid", "generate_data.py --task=finding --bands=VIS,Y,J,H -n=20000 --format=zarr"),
        ("fields of 20 arcsec, of 66 pixels", "generate_data.py --task=finding --preset=ou66"),
        (
            "convert images of the Bologna challenge",
            "generate_data.py --task=finding --convert-from=Public --dataset-dir=bologna",
        ),
        ("a test set of compound lenses", "generate_data.py --task=finding --compound=rings --lens-share=1 -n=500"),
    ),
    "model_and_figures.py": (
        ("train a network on dataset/ and test it", "model_and_figures.py --task=finding"),
        ("test it on compound lenses too", "model_and_figures.py --task=finding --more-tests=rings,arcs"),
        (
            "measure small false-positive rates of the trained network",
            "model_and_figures.py --task=finding --test-only --field-images=100000",
        ),
        ("score telescope images", "model_and_figures.py --task=finding --predict cutouts/"),
    ),
}
