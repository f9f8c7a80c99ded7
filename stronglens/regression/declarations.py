"""Parameters that only the regression task has."""

from pathlib import Path

from stronglens.parameters import Parameters, choice, declare, names, number, switch, text

LEARNS = "properties of lens and source"


@declare
class RegressionLearning(Parameters):
    """What the network learns"""

    labels: tuple[str, ...] = names(
        ("src-redshift", "src-center-x", "src-center-y"), shortcut="l",
        help="labels that the network learns; --labels without a value lists the labels of the dataset",
    )
    posterior: str = choice(
        "none", ("none", "flow", "gaussian"),
        help="network output: none, point estimates; flow, the joint posterior from a normalising flow (BayesFlow); "
        "gaussian, a normal distribution with full covariance (cheaper). Both set the default learning rate to 0.0005 "
        "(cosine) and the default batch size to 64",
    )
    posterior_draws: int = number(1000, valid=(100, 100_000), help="number of posterior samples per image")
    network: str = choice(
        "report", ("report", "resnet", "convnext"),
        help="network architecture. report: three convolutional layers; resnet: a small residual network; convnext: a "
        "small ConvNeXt",
    )
    separate: Path | None = text(
        None,
        help="network of --task=separation that first removes noise and lens light from all images, in training "
        "and with --predict; it must have been trained on images of the same camera and another seed",
    )


@declare
class PosteriorMeasuring(Parameters):
    """Posteriors of measured images"""

    published: Path | None = text(
        None, recorded=False,
        help="CSV table of published values to compare with the posteriors. Columns: file or name; labels, "
        "einstein_radius_arcsec, axis_ratio, z_lens, z_source",
    )
    coolest: bool = switch(
        recorded=False,
        help="write the model of each lens as a COOLEST folder, for other codes: template, image, noise map and PSF "
        "(needs a posterior, and the redshifts of --published)",
    )
    refine: bool = switch(
        recorded=False,
        help="sample the posterior of each lens under the likelihood of its own image, starting from the network's "
        "draws; minutes for an image (needs a posterior, and lenses of --lens-model=sie or powerlaw)",
    )
    refine_source: str = choice(
        "sersic", ("sersic", "pixels"), recorded=False,
        help="light of the source in the model of --refine. sersic: one smooth Sersic profile; pixels: a grid of "
        "pixels, for lumpy galaxies; the light of the lens is then a sum of Gaussians",
    )
    refine_from: Path | None = text(
        None, recorded=False,
        help="COOLEST template (NAME.json, or its folder) whose isothermal ellipsoid and shear start the refinement, "
        "instead of the network's draws",
    )


OVERRIDES = {
    ("posterior", "flow"): {"learning_rate": 0.0005, "learning_schedule": "cosine", "batch_size": 64},
    ("posterior", "gaussian"): {"learning_rate": 0.0005, "learning_schedule": "cosine", "batch_size": 64},
}

EXAMPLES = {
    "generate_data.py": (
        ("1000 images of composite lenses, observed with Euclid", "generate_data.py"),
        (
            "isothermal lenses with fainter sources, observed with Hubble",
            "generate_data.py --telescope=hst --lens-model=sie -si=0.05,0.3",
        ),
        ("all sources at redshift 2 and on the axis", "generate_data.py -srs=2 -sc=0 --dataset-dir=on-axis"),
        ("finish an interrupted dataset", "generate_data.py --resume"),
    ),
    "model_and_figures.py": (
        ("train on dataset/ and draw the figures", "model_and_figures.py"),
        ("learn the Einstein radius in 20 epochs", "model_and_figures.py --labels=einstein-radius -mlr=3e-4 -e=20"),
        ("list the labels that can be learned", "model_and_figures.py --labels"),
        ("learn the joint posterior of the labels", "model_and_figures.py --posterior=flow"),
        ("measure a telescope image", "model_and_figures.py --predict lens.fits --hdu=VIS_BGSUB"),
        ("also fit the image itself", "model_and_figures.py --predict lens.fits --refine"),
        ("with a lumpy source", "model_and_figures.py --predict lens.fits --refine --refine-source=pixels"),
    ),
}
