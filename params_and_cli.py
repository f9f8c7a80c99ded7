"""All parameters of both commands. Each is declared once.

A default that is changed here changes everywhere: on the command line, in ``--help``, in ``docs/parameters/``, in the
sampler and in the manifest of a dataset.

This module declares the parameters that several tasks share, in groups. The parameters of one task are in its
``declarations.py``, those of ``--explain`` in ``stronglens/explaining/declarations.py``. A class such as
``RegressionTraining`` joins groups into the parameters of one command and task; ``@declare(name=value)`` changes
defaults for that class.

How to read a declaration
-------------------------
``sampled(low, high, ...)``
    A quantity that is drawn for each image, uniformly between two values. Its flag ends in ``-range``; its column in
    ``labels.csv`` has the name of the flag without that ending.
``half_width(v, ...)`` and ``component(of=...)``
    A pair of quantities (x, y), each drawn uniformly from (-v, v). A range that is given for a component replaces the
    half-width for that component.
``spin``
    How such a pair rotates with the sky: a rotation by an angle a rotates the pair by spin times a. The spin is 1 for a
    position, 2 for an ellipticity or a shear.
``valid``
    The physically possible values. The default range is the prior of a run, which is narrower.
``applies``
    The value of another parameter, or several of them, with which this parameter applies.
``replaces``
    The quantity that is not drawn when this one is given.
``recorded=False``
    The parameter does not change the result (a folder, the number of processes) and is not written to the manifest.
"""

from pathlib import Path
from typing import ClassVar

from stronglens.explaining import declarations as explaining
from stronglens.finding import declarations as finding
from stronglens.generation import declarations as generation
from stronglens.parameters import (
    Parameters,
    Range,
    choice,
    component,
    declare,
    half_width,
    names,
    number,
    parameter_pages,
    sampled,
    switch,
    text,
)
from stronglens.reconstruction import declarations as reconstruction
from stronglens.regression import declarations as regression
from stronglens.separation import declarations as separation
from stronglens.substructure import declarations as substructure
from stronglens.telescopes import SETTINGS, TELESCOPES

PROGRAM_VERSION = "0.1.0"
PRESETS = Path(__file__).parent / "stronglens" / "presets"

COMPOSITE = ("lens_model", "composite")
ELLIPSOID = ("lens_model", ("sie", "powerlaw"))
OF_TASKS = {
    "regression": regression, "substructure": substructure, "reconstruction": reconstruction, "finding": finding,
    "separation": separation, "generation": generation,
}  # fmt: skip
TASKS = tuple(OF_TASKS)


@declare
class Run(Parameters):
    """This run"""

    task: str = choice(
        "regression", TASKS, fixed=True,
        help="what the network learns. " + "; ".join(f"{name}: {own.LEARNS}" for name, own in OF_TASKS.items())
        + ". Each task has its own flags",
    )
    preset: str | None = text(
        None,
        help="file of parameter values: slacs (HST ACS F814W), euclid (VIS), for --task=finding ou66, ou200, ou-vis, "
        "ou-j, ou-y, ou-h, ou-jyh, for reconstruction magnet; or your own .toml file. --config and flags override it",
    )
    seed: int = number(0, valid=(0, 2**63 - 1), help="seed of all random numbers")
    dataset_dir: Path = text("dataset", recorded=False, help="folder of the simulated dataset")
    quiet: bool = switch(recorded=False, help="print errors only")


@declare
class Machines(Parameters):
    """Processes and machines for the simulation"""

    workers: int = number(
        0, shortcut="w", valid=(0, 1024), recorded=False,
        help="number of simulation processes on this machine; 0: use threads of the main process",
    )
    scheduler: str | None = text(
        None, recorded=False, help="address of a Dask scheduler whose workers simulate, such as tcp://10.0.0.1:8786"
    )


# --------------------------------------------------------------------------------------
# generate_data.py
# --------------------------------------------------------------------------------------


@declare
class Simulation(Parameters):
    """The dataset"""

    generated_number: int = number(1000, shortcut="n", valid=(1, 10_000_000), help="number of images")
    format: str = choice(
        "pickle", ("pickle", "zarr"),
        help="storage format of the images. pickle: one file per image; zarr: one compressed array (Zarr v3), for "
        "large datasets",
    )
    convert_from: Path | None = text(
        None, recorded=False,
        help="convert the dataset in this folder to the other --format, instead of simulating; with task substructure "
        "also a folder with .npy files in the class folders no, sphere and vort; with task finding also images of the "
        "Bologna lens-finding challenge and their truth",
    )
    force: bool = switch(
        recorded=False, help="replace the dataset in the folder (only files listed in its manifest are removed)"
    )
    resume: bool = switch(
        recorded=False, help="finish an interrupted dataset; the result is byte-identical to an uninterrupted run"
    )
    dry_run: bool = switch(recorded=False, help="print the estimated disk space and time, then stop")


@declare
class LensGalaxy(Parameters):
    """The lens: parameters of all lens models"""

    lens_model: str = choice(
        "composite", ("composite", "sie", "powerlaw"),
        help="composite: stellar bulge and disk (light and mass) and an NFW halo; "
        "sie: singular isothermal ellipsoid with external shear, and Sersic light; powerlaw: as sie, with a free slope "
        "of the mass density",
    )
    lens_light: str = choice("on", ("on", "off"), help="include the light of the lens galaxy")
    redshift_effects: str = choice(
        "cosmological", ("cosmological", "none"),
        help="cosmological: redshifts set the critical surface density and the surface-brightness dimming; none: "
        "redshifts do not change the image",
    )
    lens_redshift_range: Range = sampled(
        0.2, 0.8, shortcut="lrs", valid=(0.001, 20), symbol=r"z_{\rm lens}", help="redshift of the lens"
    )
    lens_center_var: float = half_width(
        0.05, shortcut="lc", spin=1, unit="arcsec", valid=(0, 10),
        help="half-width v of the lens centre's prior: x and y are uniform in (-v, v)",
    )
    lens_center_x_range: Range | None = component(
        of="lens_center_var", shortcut="lcx", unit="arcsec", valid=(-10, 10), symbol=r"x_{\rm lens}",
        help="x of the lens centre, positive to the right",
    )
    lens_center_y_range: Range | None = component(
        of="lens_center_var", shortcut="lcy", unit="arcsec", valid=(-10, 10), symbol=r"y_{\rm lens}",
        help="y of the lens centre, positive upwards",
    )
    lens_ellip_var: float = half_width(
        0.2, shortcut="lell", spin=2, valid=(0, 0.9),
        help="half-width of the prior on the lens's ellipticity components "
        "(1-q)/(1+q) (cos 2phi, sin 2phi), for a composite's bulge or an ellipsoid of mass",
    )
    lens_ellip_x_range: Range | None = component(
        of="lens_ellip_var", shortcut="lellx", valid=(-0.9, 0.9), symbol=r"e_{x,\rm lens}",
        help="cosine component of the lens's ellipticity",
    )
    lens_ellip_y_range: Range | None = component(
        of="lens_ellip_var", shortcut="lelly", valid=(-0.9, 0.9), symbol=r"e_{y,\rm lens}",
        help="sine component of the lens's ellipticity",
    )
    lens_intensity_range: Range = sampled(
        0.12, 0.7, shortcut="li", unit="e-/s", valid=(0, 10_000), symbol=r"I_{\rm lens}",
        help="intensity of the lens's bulge at its effective radius, for z = 0.5 "
        "and a 0.1 arcsec Euclid VIS pixel",
    )
    lens_effect_range: Range = sampled(
        0.4, 1.2, shortcut="leff", unit="arcsec", valid=(0.05, 20), symbol=r"R_{\rm e,lens}",
        help='effective (half-light) radius of the bulge of the lens; "effect" in flags',
    )
    lens_sersic_range: Range = sampled(
        2.0, 4.0, shortcut="lser", valid=(1, 6), symbol=r"n_{\rm lens}", help="Sersic index of the lens's bulge"
    )


@declare
class CompositeLens(Parameters):
    """The lens: stars and dark halo (--lens-model composite)"""

    masslight_ratio_range: Range = sampled(
        0.75, 2.25, shortcut="lml", unit="1/(e-/s)", valid=(0, 1000), applies=COMPOSITE,
        symbol=r"\Upsilon_{\rm bulge}",
        help="mass-to-light ratio of the bulge: convergence per unit intensity, for lens and source at z = 0.5 and 2",
    )
    disk_intensity_range: Range = sampled(
        0.07, 0.07, shortcut="di", unit="e-/s", valid=(0, 10_000), applies=COMPOSITE, symbol=r"I_{\rm disk}",
        help="intensity of the exponential disk at its effective radius, for the same redshift and pixel as the bulge",
    )
    disk_effect_range: Range = sampled(
        1.6, 1.6, shortcut="deff", unit="arcsec", valid=(0.05, 20), applies=COMPOSITE, symbol=r"R_{\rm e,disk}",
        help='effective (half-light) radius of the disk; "effect" in flags',
    )
    disk_ellip_var: float = half_width(
        0.2, shortcut="dell", spin=2, valid=(0, 0.9), applies=COMPOSITE,
        help="half-width of the prior on the disk's ellipticity components",
    )
    disk_ellip_x_range: Range | None = component(
        of="disk_ellip_var", shortcut="dellx", valid=(-0.9, 0.9), applies=COMPOSITE, symbol=r"e_{x,\rm disk}",
        help="cosine component of the disk's ellipticity",
    )
    disk_ellip_y_range: Range | None = component(
        of="disk_ellip_var", shortcut="delly", valid=(-0.9, 0.9), applies=COMPOSITE, symbol=r"e_{y,\rm disk}",
        help="sine component of the disk's ellipticity",
    )
    disk_masslight_ratio_range: Range = sampled(
        1.45, 1.45, shortcut="dml", unit="1/(e-/s)", valid=(0, 1000), applies=COMPOSITE,
        symbol=r"\Upsilon_{\rm disk}", help="mass-to-light ratio of the disk, defined as for the bulge",
    )
    halo_kappa_range: Range = sampled(
        0.03, 0.06, shortcut="hk", valid=(0, 10), applies=COMPOSITE, symbol=r"\kappa_{\rm s}",
        help="characteristic convergence kappa_s of the NFW halo, for lens and source at z = 0.5 and 2",
    )
    halo_radius_range: Range = sampled(
        30.0, 30.0, shortcut="hr", unit="arcsec", valid=(0.1, 1000), applies=COMPOSITE, symbol=r"r_{\rm s}",
        help="scale radius of the NFW halo",
    )


@declare
class EllipsoidLens(Parameters):
    """The lens: an ellipsoid of mass and shear (--lens-model sie or powerlaw)"""

    velocity_dispersion_range: Range = sampled(
        200.0, 320.0, shortcut="sigma", unit="km/s", valid=(0, 2000), applies=("lens_model", "sie"),
        symbol=r"\sigma_v", help="velocity dispersion of an isothermal lens, which sets its Einstein radius",
    )
    einstein_radius_range: Range | None = sampled(
        None, None, shortcut="er", unit="arcsec", valid=(0, 20), applies=ELLIPSOID, symbol=r"\theta_{\rm E}",
        column="einstein-radius-sie", replaces="velocity_dispersion_range",
        help="Einstein radius on the intermediate axis; when given, it is drawn instead of a velocity dispersion",
    )
    mass_slope_range: Range = sampled(
        1.8, 2.2, shortcut="slope", valid=(1.2, 2.8), applies=("lens_model", "powerlaw"), symbol=r"\gamma",
        help="logarithmic slope of the mass density in three dimensions, rho ~ r^-slope; 2 is isothermal",
    )
    lens_magnitude_range: Range | None = sampled(
        None, None, shortcut="lmag", unit="AB mag", valid=(0, 50), applies=ELLIPSOID, symbol=r"m_{\rm lens}",
        replaces="lens_intensity_range",
        help="observed total magnitude of the lens galaxy; when given, it is drawn instead of an intensity",
    )
    light_ellip_offset_var: float | None = half_width(
        None, shortcut="loff", spin=2, valid=(0, 0.9), applies=ELLIPSOID,
        help="half-width of the prior on the light-minus-mass ellipticity offset, for both components; if not given, "
        "light and mass have the same ellipticity",
    )
    light_ellip_offset_x_range: Range | None = component(
        of="light_ellip_offset_var", valid=(-0.9, 0.9), applies=ELLIPSOID, symbol=r"\Delta e_{x,\rm light}",
        help="cosine component of the light-minus-mass ellipticity offset",
    )
    light_ellip_offset_y_range: Range | None = component(
        of="light_ellip_offset_var", valid=(-0.9, 0.9), applies=ELLIPSOID, symbol=r"\Delta e_{y,\rm light}",
        help="sine component of the light-minus-mass ellipticity offset",
    )
    shear_var: float = half_width(
        0.05, shortcut="sh", spin=2, valid=(0, 0.5), applies=ELLIPSOID,
        help="half-width of the prior on the external shear components",
    )
    shear_1_range: Range | None = component(
        of="shear_var", shortcut="sh1", valid=(-0.5, 0.5), applies=ELLIPSOID, symbol=r"\gamma_1",
        help="component gamma_1 of the external shear: stretch along x",
    )
    shear_2_range: Range | None = component(
        of="shear_var", shortcut="sh2", valid=(-0.5, 0.5), applies=ELLIPSOID, symbol=r"\gamma_2",
        help="component gamma_2 of the external shear: stretch along the diagonal",
    )


@declare
class SourceGalaxy(Parameters):
    """The source"""

    src_redshift_range: Range = sampled(
        1.0, 3.0, shortcut="srs", valid=(0.001, 20), symbol=r"z_{\rm src}",
        help="redshift of the source; always drawn behind the lens",
    )
    src_center_var: float = half_width(
        0.4, shortcut="sc", spin=1, unit="arcsec", valid=(0, 10),
        help="half-width v of the source centre's prior: x and y are uniform in (-v, v)",
    )
    src_center_x_range: Range | None = component(
        of="src_center_var", shortcut="scx", unit="arcsec", valid=(-10, 10), symbol=r"x_{\rm src}",
        help="unlensed x of the source centre, positive to the right",
    )
    src_center_y_range: Range | None = component(
        of="src_center_var", shortcut="scy", unit="arcsec", valid=(-10, 10), symbol=r"y_{\rm src}",
        help="unlensed y of the source centre, positive upwards",
    )
    src_ellip_var: float = half_width(
        0.3, shortcut="sell", spin=2, valid=(0, 0.9),
        help="half-width of the prior on the source's ellipticity components",
    )
    src_ellip_x_range: Range | None = component(
        of="src_ellip_var", shortcut="sellx", valid=(-0.9, 0.9), symbol=r"e_{x,\rm src}",
        help="cosine component of the source's ellipticity",
    )
    src_ellip_y_range: Range | None = component(
        of="src_ellip_var", shortcut="selly", valid=(-0.9, 0.9), symbol=r"e_{y,\rm src}",
        help="sine component of the source's ellipticity",
    )
    src_intensity_range: Range = sampled(
        0.08, 0.4, shortcut="si", unit="e-/s", valid=(1e-6, 10_000), symbol=r"I_{\rm src}",
        help="intensity of the source at its effective radius, for z = 1 "
        "and a 0.1 arcsec Euclid VIS pixel",
    )
    src_magnitude_range: Range | None = sampled(
        None, None, shortcut="smag", unit="AB mag", valid=(0, 50), symbol=r"m_{\rm src}",
        replaces="src_intensity_range",
        help="total unlensed magnitude of the source; when given, it is drawn instead of an intensity",
    )
    src_effect_range: Range = sampled(
        0.1, 0.4, shortcut="seff", unit="arcsec", valid=(0.01, 20), symbol=r"R_{\rm e,src}",
        help='effective (half-light) radius of the source without its clumps; "effect" in flags',
    )
    src_sersic_range: Range = sampled(
        0.8, 2.5, shortcut="sser", valid=(0.3, 8), symbol=r"n_{\rm src}", help="Sersic index of the source"
    )


@declare
class SourceClumps(Parameters):
    """Star formation in the source"""

    src_clumps: int = number(
        0, shortcut="scl", valid=(0, 20),
        help="maximum number of star-forming clumps per source (uniform from 0); they share up to 0.6 of its light",
    )


EUCLID = TELESCOPES["euclid"].settings


@declare
class Telescope(Parameters):
    """The telescope"""

    telescope: str = choice(
        "euclid", tuple(TELESCOPES),
        help="; ".join(f"{name}: {record.title}" for name, record in TELESCOPES.items())
        + ". It sets the defaults of this group",
    )
    grid_size: int = number(
        EUCLID.grid_size, shortcut="s", unit="pixels", valid=(16, 1024), help="side of the square images"
    )
    pixel_scale: float = number(
        EUCLID.pixel_scale, shortcut="ps", unit="arcsec", valid=(0.001, 10), help="size of a pixel"
    )
    over_sampling: int = number(
        4, shortcut="os", valid=(1, 64), help="number of rays along each side of a pixel; their mean is the pixel value"
    )
    psf_model: str = choice(
        "gaussian", ("gaussian", "optical"),
        help="point-spread function (PSF): gaussian, with --psf-fwhm; optical, GalSim's model of the optics",
    )
    psf_fwhm: float = number(
        EUCLID.psf_fwhm, shortcut="psf", unit="arcsec", valid=(0, 10), applies=("psf_model", "gaussian"),
        help="FWHM of the Gaussian PSF; 0: no PSF",
    )
    psf_fits: Path | None = text(
        None,
        help="measured PSF, used instead of a model: FILE.fits or FILE.fits[EXTENSION]. Its pixels have the size of "
        "the image pixels unless its header gives a pixel scale",
    )
    exposure_time: float = number(
        EUCLID.exposure_time, shortcut="exp", unit="s", valid=(0, 1e9), help="total exposure time"
    )
    exposure_time_range: Range | None = sampled(
        None, None, unit="s", valid=(0.001, 1e9), replaces="exposure_time", symbol=r"t_{\rm exp}",
        help="total exposure time, drawn for each image",
    )
    peak_noise_range: Range | None = sampled(
        None, None, shortcut="pn", valid=(1e-6, 100), replaces="exposure_time", symbol=r"\sigma / {\rm peak}",
        help="standard deviation of uniform Gaussian noise, as a fraction of the brightest noise-free pixel, drawn for "
        "each image; it replaces photon and read noise",
    )
    exposures: int = number(
        EUCLID.exposures, valid=(1, 10_000),
        help="number of exposures that share the exposure time; each is read out once",
    )
    sky_brightness: float = number(
        EUCLID.sky_brightness, shortcut="sky", unit="mag/arcsec^2", valid=(0, 99),
        help="AB surface brightness of the sky",
    )
    read_noise: float = number(
        EUCLID.read_noise, shortcut="rn", unit="e-", valid=(0, 1000), help="RMS read noise of one exposure"
    )
    noise_correlation: float = number(
        0.0, shortcut="nc", valid=(0, 0.7),
        help="noise correlation of adjacent pixels, as in drizzled images; 0: independent pixels",
    )
    zero_point: float = number(
        EUCLID.zero_point, shortcut="zp", unit="AB mag", valid=(0, 50),
        help="magnitude of a source with one electron per second",
    )


@declare
class Cuts(Parameters):
    """Selection of images"""

    magnification_min: float = number(
        0.0, shortcut="mmin", valid=(0, 1000), help="minimum magnification of the source; other images are redrawn"
    )
    snr_min: float = number(
        0.0, shortcut="snrmin", valid=(0, 1e6),
        help="minimum signal-to-noise ratio of the lensed source; other images are redrawn",
    )
    snr_range: Range | None = sampled(
        None, None, shortcut="snr", valid=(0.1, 1e6), column="snr-wanted", symbol=r"{\rm S/N}",
        help="signal-to-noise ratio of the lensed source, drawn for each image; the exposure time is set to reach it",
    )
    tries: int = number(
        500, valid=(1, 1_000_000), help="maximum number of draws per image; beyond it the run stops with the reason"
    )


@declare
class RegressionSimulation(
    Run, Simulation, Machines, Telescope, LensGalaxy, CompositeLens, EllipsoidLens, SourceGalaxy, SourceClumps, Cuts
):
    """Simulate strong gravitational lenses with PyAutoLens and write them to dataset/."""


@declare(task="substructure", lens_model="sie", telescope="hst")
class SubstructureSimulation(
    Run, Simulation, Machines, Telescope, LensGalaxy, CompositeLens, EllipsoidLens, SourceGalaxy,
    substructure.Substructure, Cuts
):  # fmt: skip
    """Simulate lenses with smooth dark matter, with subhalos or with a vortex, and write them to dataset/."""


@declare(task="reconstruction")
class ReconstructionSimulation(Run, Simulation, Machines, reconstruction.LensedGalaxies, reconstruction.Observing):
    """Simulate lensed galaxies, with and without the lens, and write them to dataset/."""


@declare(task="finding")
class FindingSimulation(Run, Simulation, Machines, finding.FindingImages, finding.LensesAndOthers):
    """Simulate lenses, and galaxies that look like lenses, in the bands of Euclid, and write them to dataset/."""


@declare(task="separation")
class SeparationSimulation(
    Run, Simulation, Machines, Telescope, LensGalaxy, CompositeLens, EllipsoidLens, SourceGalaxy, SourceClumps, Cuts
):
    """Simulate lenses with the noise-free light of lens and source and the convergence, and write them to dataset/."""


# --------------------------------------------------------------------------------------
# model_and_figures.py
# --------------------------------------------------------------------------------------


@declare
class Training(Parameters):
    """Training"""

    valid_split: float = number(0.2, shortcut="v", valid=(0, 0.9), help="fraction of images for validation")
    test_split: float = number(0.1, shortcut="t", valid=(0, 0.9), help="fraction of images for the test set")
    epochs: int = number(50, shortcut="e", valid=(1, 100_000), help="number of passes over the training images")
    optimizer: str = choice(
        "adam", ("adam", "sgd"), help="optimizer: adam; sgd, stochastic gradient descent with momentum 0.9"
    )
    learning_rate: float = number(0.00001, shortcut="mlr", valid=(1e-12, 1), help="learning rate of the optimizer")
    learning_schedule: str = choice(
        "constant", ("constant", "cosine", "exponential"),
        help="learning-rate schedule: constant; cosine, cosine decay to zero; exponential, 4 % less every 5,000 steps",
    )
    warm_up: int = number(0, unit="epochs", valid=(0, 100_000), help="epochs of linear learning-rate warm-up")
    weight_decay: float = number(0.0, valid=(0, 1), help="weight decay coefficient")
    augment: str = choice(
        "off", ("on", "off"),
        help="random 90-degree rotations and flips of the training images; their labels are transformed with them",
    )
    batch_size: int = number(20, shortcut="b", unit="images", valid=(1, 65_536), help="images per training step")
    use_generated: bool = switch(
        help="train on a dataset of images that a network has generated (--task=generation --sample)"
    )
    resume: bool = switch(recorded=False, help="resume an interrupted training or measurement")
    model_file: Path = text("models/regression.keras", help="file of the trained network")


@declare
class Precision(Parameters):
    """Precision of the training"""

    mixed_precision: bool = switch(help="train in 16-bit mixed precision (faster on a GPU)")


@declare
class FullPrecision(Parameters):
    """Of a task that trains in 32 bits only: no flags"""

    mixed_precision: ClassVar[bool] = False


@declare
class NewImages(Parameters):
    """New simulations in place of stored training images"""

    simulate: bool = switch(
        help="train on new simulations in each epoch instead of the stored training images; validation and test use "
        "stored images"
    )


@declare
class StoredImages(Parameters):
    """Of a task that trains on stored images only: no flags"""

    simulate: ClassVar[bool] = False
    workers: ClassVar[int] = 0
    scheduler: ClassVar[str | None] = None


@declare
class Figures(Parameters):
    """Figures"""

    figures_dir: Path = text("figures", help="folder for figures, metrics.json and predictions.csv")
    figure_format: str = choice("png", ("png", "jpg", "pdf", "svg"), shortcut="f", help="format of the figures")
    cmap: str = text("magma", shortcut="c", help="Matplotlib colour map of the images")
    subplots_number: int = number(
        16, shortcut="sn", valid=(1, 144), help="number of images in the sample figure and in each gallery"
    )


@declare
class Prediction(Parameters):
    """Prediction with a trained network (no training)"""

    predict: tuple[str, ...] = names(
        (), shortcut="p", many=True,
        help="images to measure: files (.fits, .npy, .pickle), folders of such files, Zarr arrays of cut-outs "
        "(N, H, W), or a .txt file with one path per line",
    )
    hdu: str | None = text(None, help="name or number of the FITS extension with the image")
    planes: str | None = text(
        None, help="planes of a FITS or .npy cube to read as images: all, or the number of one plane, from 0"
    )
    pixel_scale: float | None = number(
        None, shortcut="ps", unit="arcsec", valid=(0.001, 10), help="pixel size, if the files do not give it"
    )
    zero_point: float | None = number(
        None, shortcut="zp", unit="AB mag", valid=(0, 50),
        help="zero point of the pixel unit, if the header does not give it (MAGZERO, MAGZPT, ...)",
    )
    unit: str | None = choice(
        None, ("e-/s", "e-", "adu/s", "adu"), help="pixel unit, if the header does not give it (BUNIT)"
    )
    exposure_time: float | None = number(
        None, shortcut="exp", unit="s", valid=(0.001, 1e9), help="exposure time, if the pixel unit is not per second"
    )
    gain: float | None = number(
        None, unit="e-/adu", valid=(0.001, 1000), help="gain in electrons per adu, for pixel units in adu"
    )
    center: str = text(
        "image",
        help="position of the lens. image: the image centre; brightest: the brightness peak near the centre; x,y: "
        "offset from the image centre in arcsec (right, up)",
    )
    mask: str | None = text(
        None, help="mask of neighbouring objects: a file (searched first in the image's folder) or FITS extension; "
        "non-zero pixels are masked, and filled except with --task=reconstruction",
    )
    noise_map: str | None = text(
        None, help="noise standard deviation of each pixel: a file (searched first in the image's folder) or FITS "
        "extension",
    )
    background: str = text(
        "none", help="sky background to subtract: none; fit, the level in the outskirts of the image; or a value in "
        "the pixel unit of the files",
    )
    bad_pixels: str = choice(
        "fill", ("fill", "refuse"),
        help="treatment of NaN pixels and of pixels that the noise map marks as bad: fill them (at most 5 % of the "
        "field) or refuse the image",
    )


@declare
class RegressionTraining(Run, regression.RegressionLearning, Training, Precision, NewImages, Machines,
                         Figures, Prediction, regression.PosteriorMeasuring, explaining.Explanation):  # fmt: skip
    """Train a network on dataset/ to measure lenses, and draw figures; or measure images with a trained network."""


@declare(
    task="substructure", learning_rate=0.001, learning_schedule="cosine", batch_size=64, augment="on",
    model_file=Path("models/substructure.keras"),
)  # fmt: skip
class SubstructureTraining(Run, substructure.SubstructureLearning, Training, Precision, NewImages,
                           Machines, Figures, Prediction, explaining.Explanation):  # fmt: skip
    """Train a network on dataset/ to find substructure, and draw figures; or classify images with a trained network."""


@declare(
    task="reconstruction", learning_rate=0.0015, learning_schedule="cosine", batch_size=16, augment="on",
    test_split=0.2, model_file=Path("models/reconstruction.keras"),
)  # fmt: skip
class ReconstructionTraining(Run, reconstruction.ReconstructionLearning, Training, FullPrecision,
                             StoredImages, Figures, Prediction, reconstruction.LensOfImages):  # fmt: skip
    """Train a network that reconstructs sources on dataset/ and draw figures; or reconstruct the sources of images."""


@declare(
    task="finding", learning_rate=0.001, learning_schedule="cosine", batch_size=64, augment="on", epochs=6,
    model_file=Path("models/finding.keras"),
)  # fmt: skip
class FindingTraining(Run, finding.FindingLearning, Training, Precision, NewImages, finding.FieldScores,
                      Machines, Figures, Prediction, finding.Cutouts, explaining.Explanation):  # fmt: skip
    """Train a network that finds lenses on dataset/, and draw figures; or score images with a trained network."""


@declare(
    task="separation", learning_rate=0.002, learning_schedule="cosine", batch_size=16, augment="on", epochs=10,
    model_file=Path("models/separation.keras"),
)  # fmt: skip
class SeparationTraining(Run, separation.SeparationLearning, Training, FullPrecision, NewImages,
                         Machines, Figures, Prediction):  # fmt: skip
    """Train a network on dataset/ that separates noise, source and lens, and draw figures; or separate images."""


@declare(
    task="generation", learning_rate=0.001, learning_schedule="cosine", batch_size=128, augment="on", epochs=100,
    model_file=Path("models/generation.keras"),
)  # fmt: skip
class GenerationTraining(Run, generation.GenerationLearning, Training, FullPrecision, StoredImages,
                         generation.GenerationSampling, Figures, Prediction):  # fmt: skip
    """Train a network that compresses and generates images, and draw figures; or write new images; or compress some."""


# --------------------------------------------------------------------------------------
# Defaults that depend on a choice
# --------------------------------------------------------------------------------------

OVERRIDES = {
    **{("telescope", name): settings for name, settings in SETTINGS.items()},
    # The relation of velocity dispersion and Einstein radius depends on more than the slope: on the stars' orbits.
    ("lens_model", "powerlaw"): {"einstein_radius_range": Range(0.7, 2.0)},
    **{choice: defaults for own in OF_TASKS.values() for choice, defaults in own.OVERRIDES.items()},
}

COMMANDS = {
    "generate_data.py": {
        "regression": RegressionSimulation,
        "substructure": SubstructureSimulation,
        "reconstruction": ReconstructionSimulation,
        "finding": FindingSimulation,
        "separation": SeparationSimulation,
    },
    "model_and_figures.py": {
        "regression": RegressionTraining,
        "substructure": SubstructureTraining,
        "reconstruction": ReconstructionTraining,
        "finding": FindingTraining,
        "separation": SeparationTraining,
        "generation": GenerationTraining,
    },
}
EXAMPLES = {
    program: {task: OF_TASKS[task].EXAMPLES[program] for task in tasks} for program, tasks in COMMANDS.items()
}


if __name__ == "__main__":
    folder = Path(__file__).with_name("docs") / "parameters"
    folder.mkdir(exist_ok=True)
    for name, page in parameter_pages(COMMANDS, OVERRIDES).items():
        (folder / f"{name}.md").write_text(page)
    print(f"parameter tables written to {folder}/")
