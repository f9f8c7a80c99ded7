"""Parameters that only the reconstruction task has."""

from pathlib import Path

from stronglens.parameters import Parameters, Range, choice, declare, number, sampled, text

LEARNS = "the unlensed source galaxy"


@declare
class LensedGalaxies(Parameters):
    """Lens and source"""

    grid_size: int = number(64, shortcut="s", unit="pixels", valid=(16, 1024), help="side of the square images")
    pixel_scale: float = number(
        0.12, shortcut="ps", unit="arcsec", valid=(0.001, 10), help="size of a pixel of the images"
    )
    source_grid_size: int = number(
        32, unit="pixels", valid=(8, 512), help="side of the recovered sources; a multiple of 4"
    )
    source_field: float = number(
        1.5, unit="arcsec", valid=(0.1, 20), help="width of the source's field, centred on the optical axis"
    )
    einstein_radius_range: Range = sampled(
        0.1, 3.0, shortcut="er", unit="arcsec", valid=(0.001, 20), column="einstein-radius-sie",
        symbol=r"\theta_{\rm E}", help="Einstein radius of the isothermal ellipsoid, on the intermediate axis",
    )
    lens_flattening_range: Range = sampled(
        0.0, 0.8, valid=(0, 0.95), symbol="1-q", help="1 - q, with the axis ratio q of the lens's mass"
    )
    lens_angle_range: Range = sampled(
        0.0, 180.0, unit="deg", valid=(-360, 360), symbol=r"\phi", help="angle of the lens's major axis, from +x to +y"
    )
    shear_range: Range = sampled(0.0, 0.2, shortcut="sh", valid=(0, 0.9), symbol=r"\gamma", help="external shear")
    shear_angle_range: Range = sampled(
        0.0, 180.0, unit="deg", valid=(-360, 360), symbol=r"\phi_\gamma",
        help="direction along which the external shear stretches images, from +x to +y",
    )
    src_radius_range: Range = sampled(
        0.09, 0.28, shortcut="srad", unit="arcsec", valid=(0.001, 10), symbol=r"R_{\rm src}",
        help="half-light radius of the source; galaxies with extended light are made smaller to fit into the field",
    )
    real_share: float = number(
        0.5, valid=(0, 1), help="fraction of sources that are photographed galaxies; the others are model galaxies"
    )
    source_images: Path | None = text(
        None,
        help="folder or file of more photographed galaxies: FITS, GalSim's COSMOS layout, JPEG, PNG, .npy or .npz. "
        "Without it, photographed galaxies are those of the Hubble deep field in scikit-image (a JPEG picture: its "
        "brightness is not linear in flux)",
    )
    magnification_min: float = number(
        3.0, shortcut="magmin", valid=(0, 1000), help="smallest total magnification of the source, within the field"
    )
    tries: int = number(1000, valid=(1, 1_000_000), help="maximum number of draws per image")


@declare
class Observing(Parameters):
    """Observation, drawn again for each training image and fixed for validation and test (stored images have none)"""

    peak_noise_range: Range = sampled(
        0.001, 0.1, shortcut="pn", valid=(1e-6, 10), symbol=r"\sigma / {\rm peak}",
        help="standard deviation of the noise as a fraction of the image's peak; its logarithm is uniform",
    )
    noise_free_share: float = number(0.333, valid=(0, 1), help="fraction of images without noise")
    psf_fwhm_range: Range = sampled(
        0.05, 0.3, shortcut="psf", unit="arcsec", valid=(0, 10), symbol=r"{\rm FWHM}", help="FWHM of the Gaussian PSF"
    )
    psf_free_share: float = number(0.333, valid=(0, 1), help="fraction of images without a PSF")
    psf_fits: Path | None = text(
        None, help="measured PSF of all images, used instead of Gaussians: FILE.fits or FILE.fits[EXTENSION]"
    )
    masks: int = number(
        9, valid=(0, 100),
        help="maximum number of masked discs per image, each 0.2 arcsec in radius (uniform from 0); they cover at most "
        "a quarter of the image's light",
    )


@declare
class ReconstructionLearning(Parameters):
    """Network"""

    network: str = choice(
        "rim", ("rim", "unet", "magnet", "none"),
        help="rim: recurrent inference machine that corrects the linear inversion in steps; unet: U-Net, one "
        "correction; magnet: the network of Morningstar & Rueter (2019), slow without a GPU; none: the linear "
        "inversion, without training",
    )
    steps: int = number(4, valid=(1, 50), applies=("network", ("rim", "magnet")), help="steps of the network")
    rim_stride: int = number(
        2, valid=(1, 4), applies=("network", "magnet"), help="stride of the first layer: 1, 2 or 4"
    )
    lens_error: float = number(
        0.0, shortcut="le", valid=(0, 1),
        help="standard deviation of Gaussian errors of the lens models in training, in Einstein "
        "radius (arcsec), both ellipticity components and both shear components",
    )


@declare
class LensOfImages(Parameters):
    """Lens model of measured images"""

    lens_model_file: Path | None = text(
        None,
        help="COOLEST file with the lens model: isothermal ellipsoid, or power law of slope 2, and external shear",
    )
    lens: str | None = text(
        None,
        help="lens model as seven numbers: Einstein radius [arcsec], x and y of its centre [arcsec, from the centre of "
        "the image or that of --center], ellipticity components (1-q)/(1+q) (cos 2phi, sin 2phi), shear-1, shear-2",
    )
    lens_draws: Path | None = text(
        None,
        help="posterior draws of the lens model, draws_NAME.csv of --task=regression, instead of one lens model: the "
        "source is averaged over 16 of them, and its error bar includes their scatter",
    )
    psf_width: float | None = number(
        None, unit="arcsec", valid=(0, 10), help="FWHM of the image's Gaussian PSF; 0: none"
    )
    psf_fits: Path | None = text(
        None,
        help="file with the image's PSF, FILE.fits or FILE.fits[EXTENSION]; a Gaussian of the same FWHM is used",
    )


OVERRIDES = {
    ("network", "magnet"): {
        "steps": 10, "learning_rate": 1e-6, "learning_schedule": "exponential", "batch_size": 2,
    },
}

EXAMPLES = {
    "generate_data.py": (
        ("10,000 lensed galaxies and their sources", "generate_data.py --task=reconstruction -n=10000"),
        (
            "with photographed galaxies of your own",
            "generate_data.py --task=reconstruction --source-images=galaxies/ -n=10000",
        ),
        ("the images of MagNet: 192 pixels, no noise", "generate_data.py --task=reconstruction --preset=magnet"),
    ),
    "model_and_figures.py": (
        ("train on dataset/ and draw the figures", "model_and_figures.py --task=reconstruction"),
        ("the linear inversion alone, without training", "model_and_figures.py --task=reconstruction --network=none"),
        (
            "reconstruct the source of a telescope image",
            "model_and_figures.py --task=reconstruction --predict lens.fits --lens=1.4,0,0,0.1,0,0.02,0",
        ),
    ),
}
