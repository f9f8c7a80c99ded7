"""Parameters of the regression task alone."""

from pathlib import Path

from stronglens.parameters import Parameters, choice, declare, names, number, switch, text


@declare
class RegressionLearning(Parameters):
    """What the network learns"""

    labels: tuple[str, ...] = names(
        ("src-redshift", "src-center-x", "src-center-y"), shortcut="l",
        help="what the network learns; --labels without a value lists what it can learn",
    )
    posterior: str = choice(
        "none", ("none", "flow", "gaussian"),
        help="network output: none, point estimates; flow, the joint posterior from a normalising flow (BayesFlow); "
        "gaussian, a normal distribution with full covariance (cheaper). With either the learning rate is 0.0005 "
        "(cosine) and the batch size 64 unless given",
    )
    posterior_draws: int = number(1000, valid=(100, 100_000), help="draws from the posterior of each image")
    network: str = choice(
        "report", ("report", "resnet", "convnext"),
        help="the three convolutions of the report, a small residual network or a small ConvNeXt",
    )


@declare
class PosteriorMeasuring(Parameters):
    """Measured posteriors"""

    published: Path | None = text(
        None, recorded=False,
        help="CSV table of published values to set beside a posterior: file or name, and labels, "
        "einstein_radius_arcsec, axis_ratio, z_lens, z_source",
    )
    coolest: bool = switch(
        recorded=False,
        help="write each lens's model as a COOLEST folder, for other codes: template, image, noise map and PSF (needs "
        "a posterior, and the redshifts of --published)",
    )


OVERRIDES = {
    ("posterior", "flow"): {"learning_rate": 0.0005, "learning_schedule": "cosine", "batch_size": 64},
    ("posterior", "gaussian"): {"learning_rate": 0.0005, "learning_schedule": "cosine", "batch_size": 64},
}

EXAMPLES = {
    "generate_data.py": (
        ("1000 images of composite lenses as Euclid sees them", "generate_data.py"),
        (
            "isothermal lenses seen by Hubble, fainter sources",
            "generate_data.py --telescope=hst --lens-model=sie -si=0.05,0.3",
        ),
        ("every source at redshift 2 and on the axis", "generate_data.py -srs=2 -sc=0 --dataset-dir=on-axis"),
        ("finish what was interrupted", "generate_data.py --resume"),
    ),
    "model_and_figures.py": (
        ("train on dataset/ and draw the figures", "model_and_figures.py"),
        ("learn the Einstein radius, faster", "model_and_figures.py --labels=einstein-radius -mlr=3e-4 -e=20"),
        ("what can be learned", "model_and_figures.py --labels"),
        ("learn the posterior, not only its middle", "model_and_figures.py --posterior=flow"),
        ("measure a telescope image", "model_and_figures.py --predict lens.fits --hdu=VIS_BGSUB"),
    ),
}
