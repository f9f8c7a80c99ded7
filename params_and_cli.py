"""The control panel: every parameter of every task, declared once.

Change a default here and it changes everywhere: on the command line, in the
``--help`` tables, in the README, in the sampler, in the manifest of a dataset.

Reading a line
--------------
``sampled(low, high, ...)``
    A quantity drawn uniformly between two values, once an image. Its flag ends in
    ``-range``; its column in ``labels.csv`` is the flag without that ending.
``half_width(v, ...)`` and ``component(of=...)``
    A pair of quantities (x, y), each drawn uniformly from (-v, v); a component with a
    range of its own wins over the half-width.
``spin``
    By how many times the angle such a pair turns when the sky is turned: once (a place),
    twice (an ellipticity, a shear).
``valid``
    What is physically possible. The range beside it is this run's prior: two things.
``applies``
    The value (of another parameter), or several of them, for which the parameter means anything.
    ``choice(..., {condition: words})`` has other words for each choice of another parameter.
``replaces``
    The quantity that is not drawn when this one is given.
``recorded=False``
    Says where or how to run and changes nothing in what is made: left out of the manifest.
"""

from pathlib import Path

from stronglens.parameters import (
    Parameters,
    Range,
    choice,
    component,
    declare,
    half_width,
    markdown_table,
    names,
    number,
    sampled,
    switch,
    text,
)

PROGRAM_VERSION = "0.1.0"
PRESETS = Path(__file__).with_name("presets")

COMPOSITE = ("lens_model", "composite")
ELLIPSOID = ("lens_model", ("sie", "powerlaw"))
REGRESSION = ("task", "regression")
SUBSTRUCTURE = ("task", "substructure")


@declare
class Run(Parameters):
    """This run"""

    task: str = choice(
        "regression", ("regression", "substructure"),
        help="what the network learns: regression, to measure lens and source; substructure, to tell whether a lens's "
        "dark matter is smooth (no), holds sub-halos (sphere) or a vortex",
    )
    preset: str | None = text(
        None,
        help="a file of values to begin with: slacs (HST ACS F814W), euclid (VIS), or the path of a .toml file of your "
        "own; whatever else is given wins over it",
    )
    seed: int = number(0, valid=(0, 2**63 - 1), help="every random number follows from it")
    dataset_dir: Path = text("dataset", recorded=False, help="folder of the simulated dataset")
    quiet: bool = switch(recorded=False, help="print errors only")


@declare
class Machines(Parameters):
    """Processes and machines that simulate"""

    workers: int = number(
        0, shortcut="w", valid=(0, 1024), recorded=False,
        help="processes on this machine that simulate; 0: the threads of this one",
    )
    scheduler: str | None = text(
        None, recorded=False, help="address of a Dask cluster that simulates, such as tcp://10.0.0.1:8786"
    )


# --------------------------------------------------------------------------------------
# generate_data.py
# --------------------------------------------------------------------------------------


@declare
class Simulation(Parameters):
    """The dataset"""

    generated_number: int = number(
        1000, shortcut="n", valid=(1, 10_000_000), help="number of images"
    )
    format: str = choice(
        "pickle", ("pickle", "zarr"),
        help="how images are kept: pickle, one file each; zarr, one compressed array (Zarr v3), for very many",
    )
    convert_from: Path | None = text(
        None, recorded=False,
        help="simulate nothing: keep the dataset of this folder in the other --format; or (task substructure) make one "
        "of the class folders in it, no, sphere and vort, of .npy files",
    )
    force: bool = switch(
        recorded=False, help="replace the dataset in the folder (removes only what its manifest lists)"
    )
    resume: bool = switch(recorded=False, help="finish an interrupted dataset, byte for byte as if never interrupted")
    dry_run: bool = switch(recorded=False, help="print the estimate of disk and time, then stop")


@declare
class LensGalaxy(Parameters):
    """The lens: what all models share"""

    lens_model: str = choice(
        "composite", ("composite", "sie", "powerlaw"),
        help="composite: stars (bulge and disk, light and mass) and an NFW halo; "
        "sie: singular isothermal ellipsoid and external shear, with Sersic light; powerlaw: the "
        "same, with a free slope of the mass density",
    )
    lens_light: str = choice("on", ("on", "off"), help="whether the lens galaxy's own light is seen")
    redshift_effects: str = choice(
        "cosmological", ("cosmological", "none"),
        help="whether redshifts act on the image: critical surface density and dimming",
    )
    lens_redshift_range: Range = sampled(
        0.2, 0.8, shortcut="lrs", valid=(0.001, 20), symbol=r"z_{\rm lens}", help="redshift of the lens"
    )
    lens_center_var: float = half_width(
        0.05, shortcut="lc", spin=1, unit="arcsec", valid=(0, 10),
        help="half-width of the lens centre's range: x and y uniform in (-v, v)",
    )
    lens_center_x_range: Range | None = component(
        of="lens_center_var", shortcut="lcx", unit="arcsec", valid=(-10, 10), symbol=r"x_{\rm lens}",
        help="x of the lens centre, to the right",
    )
    lens_center_y_range: Range | None = component(
        of="lens_center_var", shortcut="lcy", unit="arcsec", valid=(-10, 10), symbol=r"y_{\rm lens}",
        help="y of the lens centre, up",
    )
    lens_ellip_var: float = half_width(
        0.2, shortcut="lell", spin=2, valid=(0, 0.9),
        help="half-width of the range of the lens's ellipticity components "
        "(1-q)/(1+q) (cos 2phi, sin 2phi), of a composite's bulge or an ellipsoid of mass",
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
        help="intensity of the lens's bulge at its effective radius, quoted at z = 0.5 "
        "in a 0.1 arcsec Euclid VIS pixel",
    )
    lens_effect_range: Range = sampled(
        0.4, 1.2, shortcut="leff", unit="arcsec", valid=(0.05, 20), symbol=r"R_{\rm e,lens}",
        help='effective radius ("effect" in flags; it holds half the light) of the bulge of the lens',
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
        help="mass-to-light ratio of the bulge: convergence per unit of intensity, for lens and source at z = 0.5, 2",
    )
    disk_intensity_range: Range = sampled(
        0.07, 0.07, shortcut="di", unit="e-/s", valid=(0, 10_000), applies=COMPOSITE, symbol=r"I_{\rm disk}",
        help="intensity of the exponential disk at its effective radius, quoted as the bulge's",
    )
    disk_effect_range: Range = sampled(
        1.6, 1.6, shortcut="deff", unit="arcsec", valid=(0.05, 20), applies=COMPOSITE, symbol=r"R_{\rm e,disk}",
        help='effective radius ("effect" in flags; it holds half the light) of the disk',
    )
    disk_ellip_var: float = half_width(
        0.2, shortcut="dell", spin=2, valid=(0, 0.9), applies=COMPOSITE,
        help="half-width of the range of the disk's ellipticity components",
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
        symbol=r"\Upsilon_{\rm disk}", help="mass-to-light ratio of the disk, quoted as the bulge's",
    )
    halo_kappa_range: Range = sampled(
        0.03, 0.06, shortcut="hk", valid=(0, 10), applies=COMPOSITE, symbol=r"\kappa_{\rm s}",
        help="kappa_s of the NFW halo, for lens and source at z = 0.5, 2",
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
        help="intermediate-axis Einstein radius, drawn in place of a velocity dispersion when given",
    )
    mass_slope_range: Range = sampled(
        1.8, 2.2, shortcut="slope", valid=(1.2, 2.8), applies=("lens_model", "powerlaw"), symbol=r"\gamma",
        help="logarithmic slope of the mass density in three dimensions, rho ~ r^-slope; 2 is isothermal",
    )
    lens_magnitude_range: Range | None = sampled(
        None, None, shortcut="lmag", unit="AB mag", valid=(0, 50), applies=ELLIPSOID, symbol=r"m_{\rm lens}",
        replaces="lens_intensity_range",
        help="total magnitude of the lens's light as observed, drawn in place of an intensity when given",
    )
    light_ellip_offset_var: float | None = half_width(
        None, shortcut="loff", spin=2, valid=(0, 0.9), applies=ELLIPSOID,
        help="half-width of the range of what the lens's light differs by from its mass, in both components of the "
        "ellipticity; without it, light is as elliptical as mass",
    )
    light_ellip_offset_x_range: Range | None = component(
        of="light_ellip_offset_var", valid=(-0.9, 0.9), applies=ELLIPSOID, symbol=r"\Delta e_{x,\rm light}",
        help="cosine component of the light's ellipticity less that of the mass",
    )
    light_ellip_offset_y_range: Range | None = component(
        of="light_ellip_offset_var", valid=(-0.9, 0.9), applies=ELLIPSOID, symbol=r"\Delta e_{y,\rm light}",
        help="sine component of the light's ellipticity less that of the mass",
    )
    shear_var: float = half_width(
        0.05, shortcut="sh", spin=2, valid=(0, 0.5), applies=ELLIPSOID,
        help="half-width of the range of the external shear's components",
    )
    shear_1_range: Range | None = component(
        of="shear_var", shortcut="sh1", valid=(-0.5, 0.5), applies=ELLIPSOID, symbol=r"\gamma_1",
        help="gamma_1 of the external shear: stretching along x",
    )
    shear_2_range: Range | None = component(
        of="shear_var", shortcut="sh2", valid=(-0.5, 0.5), applies=ELLIPSOID, symbol=r"\gamma_2",
        help="gamma_2 of the external shear: stretching along the diagonal",
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
        help="half-width of the source centre's range: x and y uniform in (-v, v)",
    )
    src_center_x_range: Range | None = component(
        of="src_center_var", shortcut="scx", unit="arcsec", valid=(-10, 10), symbol=r"x_{\rm src}",
        help="x of the source centre, unlensed, to the right",
    )
    src_center_y_range: Range | None = component(
        of="src_center_var", shortcut="scy", unit="arcsec", valid=(-10, 10), symbol=r"y_{\rm src}",
        help="y of the source centre, unlensed, up",
    )
    src_ellip_var: float = half_width(
        0.3, shortcut="sell", spin=2, valid=(0, 0.9),
        help="half-width of the range of the source's ellipticity components",
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
        help="intensity of the source at its effective radius, quoted at z = 1 "
        "in a 0.1 arcsec Euclid VIS pixel",
    )
    src_magnitude_range: Range | None = sampled(
        None, None, shortcut="smag", unit="AB mag", valid=(0, 50), symbol=r"m_{\rm src}",
        replaces="src_intensity_range",
        help="total magnitude of the source as it would be observed without a lens, drawn in place of an intensity "
        "when given",
    )
    src_effect_range: Range = sampled(
        0.1, 0.4, shortcut="seff", unit="arcsec", valid=(0.01, 20), symbol=r"R_{\rm e,src}",
        help='effective radius ("effect" in flags; it holds half the light) of the source, clumps aside',
    )
    src_sersic_range: Range = sampled(
        0.8, 2.5, shortcut="sser", valid=(0.3, 8), symbol=r"n_{\rm src}", help="Sersic index of the source"
    )
    src_clumps: int = number(
        0, shortcut="scl", valid=(0, 20), applies=("task", "regression"),
        help="most clumps of star formation in a source, their number drawn from 0 on; they share up to 0.6 of its "
        "light",
    )


@declare
class Telescope(Parameters):
    """The telescope"""

    telescope: str = choice(
        "euclid", ("euclid", "hst", "none"),
        help="euclid: VIS; hst: ACS F814W; none: no blur, no noise. Sets the defaults of this group",
    )
    grid_size: int = number(
        64, shortcut="s", unit="pixels", valid=(16, 1024), help="pixels along each side of an image"
    )
    pixel_scale: float = number(0.1, shortcut="ps", unit="arcsec", valid=(0.001, 10), help="size of a pixel")
    over_sampling: int = number(
        4, shortcut="os", valid=(1, 64), help="rays along each side of a pixel, averaged over it"
    )
    psf_model: str = choice(
        "gaussian", ("gaussian", "optical"),
        help="point-spread function: gaussian, of --psf-fwhm; optical, GalSim's model of the telescope's mirror",
    )
    psf_fwhm: float = number(
        0.16, shortcut="psf", unit="arcsec", valid=(0, 10), applies=("psf_model", "gaussian"),
        help="FWHM of a Gaussian point-spread function; 0: none",
    )
    psf_fits: Path | None = text(
        None,
        help="measured point-spread function in place of a model: FILE.fits or FILE.fits[EXTENSION], in the pixels of "
        "the images unless its header states a pixel scale",
    )
    exposure_time: float = number(2264.0, shortcut="exp", unit="s", valid=(0, 1e9), help="total exposure")
    exposure_time_range: Range | None = sampled(
        None, None, unit="s", valid=(0.001, 1e9), replaces="exposure_time", symbol=r"t_{\rm exp}",
        help="total exposure, drawn for each image",
    )
    peak_noise_range: Range | None = sampled(
        None, None, shortcut="pn", valid=(1e-6, 100), replaces="exposure_time", symbol=r"\sigma / {\rm peak}",
        help="in place of photons and read-outs: Gaussian noise, the same in all pixels of an image, of this share of "
        "its brightest pixel without noise, drawn for each image",
    )
    exposures: int = number(4, valid=(1, 10_000), help="number of exposures it is split into, each read out once")
    sky_brightness: float = number(
        22.3, shortcut="sky", unit="mag/arcsec^2", valid=(0, 99), help="AB surface brightness of the sky"
    )
    read_noise: float = number(4.2, shortcut="rn", unit="e-", valid=(0, 1000), help="RMS noise of one read-out")
    noise_correlation: float = number(
        0.0, shortcut="nc", valid=(0, 0.7),
        help="correlation of the noise of pixels side by side, which drizzled images have; 0: independent pixels",
    )
    zero_point: float = number(
        25.72, shortcut="zp", unit="AB mag", valid=(0, 50), help="magnitude that gives one electron a second"
    )


@declare
class Cuts(Parameters):
    """Which images are kept"""

    magnification_min: float = number(
        0.0, shortcut="mmin", valid=(0, 1000), help="redraw images whose source is magnified less"
    )
    snr_min: float = number(
        0.0, shortcut="snrmin", valid=(0, 1e6), help="redraw images whose lensed source has a lower signal-to-noise"
    )
    snr_range: Range | None = sampled(
        None, None, shortcut="snr", valid=(0.1, 1e6), column="snr-wanted", symbol=r"{\rm S/N}",
        help="draw the lensed source's signal-to-noise, and reach it by the exposure time",
    )
    tries: int = number(500, valid=(1, 1_000_000), help="draws for one image before the run stops with the reason")


@declare
class Substructure(Parameters):
    """Dark substructure of the lens (--task substructure)"""

    substructure_preset: str = choice(
        "matched", ("matched", "public"), applies=SUBSTRUCTURE,
        help="matched: nothing but the substructure tells the classes apart; public: the recipe of the public "
        "DeepLense simulator (Model I), faults included. Sets defaults of many groups, which --print-config shows",
    )
    substructure_mass_range: Range = sampled(
        3e10, 3e10, shortcut="subm", unit="Msun", valid=(1e6, 1e13), applies=SUBSTRUCTURE, symbol=r"M_{\rm sub}",
        help="mass of all sub-halos (class sphere), or of the vortex (class vortex); drawn for class no too, without "
        "effect",
    )
    match_einstein_radius: str = choice(
        "on", ("on", "off"), applies=SUBSTRUCTURE,
        help="whether the smooth lens gives up the mass of its substructure, so that the Einstein radius is the same "
        "in all classes; off: substructure adds to it, and the ring's radius tells the class",
    )
    mass_distances: str = choice(
        "angular", ("angular", "luminosity"), applies=SUBSTRUCTURE,
        help="distances that turn masses into angles; luminosity: a fault of the public simulator, 0.6 of the mass",
    )
    subhalo_profile: str = choice(
        "point", ("point", "nfw"), applies=SUBSTRUCTURE, help="sub-halos as point masses, or as truncated NFW halos"
    )
    subhalo_number: int = number(
        0, shortcut="subn", valid=(0, 10_000), applies=SUBSTRUCTURE,
        help="sub-halos of a lens, their masses as drawn; 0: as many as the mass needs (Poisson), scaled to make it up",
    )
    subhalo_mass_slope: float = number(
        -1.9, shortcut="subs", valid=(-4, 4), applies=SUBSTRUCTURE, help="slope of the sub-halos' mass function dN/dm"
    )
    subhalo_mass_min: float = number(
        1e6, unit="Msun", valid=(1e4, 1e12), applies=SUBSTRUCTURE,
        help="lightest sub-halo that is drawn, before masses are scaled",
    )
    subhalo_mass_max: float = number(
        1e10, unit="Msun", valid=(1e4, 1e12), applies=SUBSTRUCTURE,
        help="heaviest sub-halo that is drawn, before masses are scaled",
    )
    subhalo_density: str = choice(
        "area", ("area", "radius"), applies=SUBSTRUCTURE,
        help="sub-halos uniform in area, or in distance from the lens's centre (denser towards it)",
    )
    subhalo_radius_min: float = number(
        0.0, unit="arcsec", valid=(0, 20), applies=SUBSTRUCTURE, help="sub-halos no nearer to the lens's centre"
    )
    subhalo_radius_max: float = number(
        2.0, unit="arcsec", valid=(0.01, 20), applies=SUBSTRUCTURE, help="sub-halos no farther from the lens's centre"
    )
    subhalo_truncation: float = number(
        5.0, valid=(1, 100), applies=("subhalo_profile", "nfw"),
        help="truncation radius of NFW sub-halos, in scale radii",
    )
    vortex_points: int = number(
        100, valid=(2, 1000), applies=SUBSTRUCTURE, help="equal point masses, evenly spaced, that make up a vortex"
    )
    vortex_log_length_range: Range = sampled(
        -0.3, 0.3, shortcut="vl", unit="dex(arcsec)", valid=(-3, 1), applies=SUBSTRUCTURE, symbol=r"\log_{10} \ell",
        help="decimal logarithm of the vortex's half-length in arcsec",
    )
    vortex_angle_range: Range = sampled(
        0.0, 180.0, unit="deg", valid=(-360, 360), applies=SUBSTRUCTURE, symbol=r"\phi_{\rm vortex}",
        help="angle of the vortex, from +x towards +y",
    )
    vortex_center_var: float = half_width(
        0.25, shortcut="vc", spin=1, unit="arcsec", valid=(0, 10), applies=SUBSTRUCTURE,
        help="half-width of the range of the vortex's centre, from that of the lens",
    )
    vortex_center_x_range: Range | None = component(
        of="vortex_center_var", unit="arcsec", valid=(-10, 10), applies=SUBSTRUCTURE, symbol=r"x_{\rm vortex}",
        help="x of the vortex's centre, from that of the lens",
    )
    vortex_center_y_range: Range | None = component(
        of="vortex_center_var", unit="arcsec", valid=(-10, 10), applies=SUBSTRUCTURE, symbol=r"y_{\rm vortex}",
        help="y of the vortex's centre, from that of the lens",
    )


@declare
class SimulationParameters(
    Run, Simulation, Machines, Telescope, LensGalaxy, CompositeLens, EllipsoidLens, SourceGalaxy, Substructure, Cuts
):
    """Simulate strong gravitational lenses with PyAutoLens and write them to dataset/."""


# --------------------------------------------------------------------------------------
# model_and_figures.py
# --------------------------------------------------------------------------------------


@declare
class Learning(Parameters):
    """Learning"""

    labels: tuple[str, ...] = names(
        ("src-redshift", "src-center-x", "src-center-y"), shortcut="l", applies=REGRESSION,
        help="what the network learns; --labels without a value lists what it can learn",
    )
    posterior: str = choice(
        "none", ("none", "flow", "gaussian"), applies=REGRESSION,
        help="what the network gives for an image: none, one number a label; flow, their joint posterior, by a "
        "normalising flow (BayesFlow); gaussian, a normal distribution of full covariance in its place (cheaper). With "
        "either the learning rate is 0.0005 (cosine) and the batch 64 unless given",
    )
    posterior_draws: int = number(
        1000, valid=(100, 100_000), applies=REGRESSION, help="draws from the posterior of each image"
    )
    valid_split: float = number(0.2, shortcut="v", valid=(0, 0.9), help="fraction of images for validation")
    test_split: float = number(0.1, shortcut="t", valid=(0, 0.9), help="fraction of images kept for the test")
    epochs: int = number(50, shortcut="e", valid=(1, 100_000), help="passes over the training images")
    network: str = choice(
        "report", {REGRESSION: ("report", "resnet", "convnext"), SUBSTRUCTURE: ("resnet34", "resnet18", "bottleneck")},
        help="regression: the three convolutions of the report, a small residual network or a small ConvNeXt; "
        "substructure: residual network of basic blocks, 21.3 or 11.2 million parameters, or of bottlenecks, 23.5 "
        "million",
    )
    optimizer: str = choice(
        "adam", ("adam", "sgd"), help="adam; sgd: stochastic gradient descent with momentum 0.9"
    )
    learning_rate: float = number(0.00001, shortcut="mlr", valid=(1e-12, 1), help="step size of the optimiser")
    learning_schedule: str = choice(
        "constant", ("constant", "cosine"), help="how the learning rate goes from the first step to the last"
    )
    warm_up: int = number(
        0, unit="epochs", valid=(0, 100_000), help="epochs over which the learning rate rises from nothing"
    )
    weight_decay: float = number(0.0, valid=(0, 1), help="pull of the weights towards zero")
    label_smoothing: float = number(
        0.0, valid=(0, 0.9), applies=SUBSTRUCTURE, help="share of the probability that is taught to all classes alike"
    )
    augment: str = choice(
        "off", ("on", "off"),
        help="show each image turned by quarters and mirrored at random, in each epoch, its labels moved along",
    )
    batch_size: int = number(20, shortcut="b", unit="images", valid=(1, 65_536), help="images a training step")
    mixed_precision: bool = switch(help="compute in 16 bits where it is safe (worth it on a GPU)")
    simulate: bool = switch(
        help="train on fresh simulations each epoch in place of the stored training images; validate and test on "
        "stored ones"
    )
    resume: bool = switch(recorded=False, help="go on with an interrupted training, or with measuring many images")
    model_file: Path = text("models/regression.keras", help="where the trained network is kept")
    ceiling_images: int = number(
        100, valid=(0, 100_000), applies=SUBSTRUCTURE,
        help="test images of each class that matched filters are put to, to say what can be known; 0: none",
    )


@declare
class Figures(Parameters):
    """Figures"""

    figures_dir: Path = text("figures", help="folder for figures, metrics.json and predictions.csv")
    figure_format: str = choice("png", ("png", "jpg", "pdf", "svg"), shortcut="f", help="format of the figures")
    cmap: str = text("magma", shortcut="c", help="colour map of the images, a Matplotlib name")
    subplots_number: int = number(
        16, shortcut="sn", valid=(1, 144), help="images in the sample figure and in each gallery"
    )


@declare
class Prediction(Parameters):
    """Measuring images with a trained network (no training)"""

    predict: tuple[str, ...] = names(
        (), shortcut="p", many=True,
        help="images to measure: files (.fits, .npy, .pickle), folders of them, Zarr arrays of cut-outs (N, H, W), or "
        "a .txt file with a path a line",
    )
    hdu: str | None = text(None, help="name or number of the FITS extension that holds the image")
    planes: str | None = text(
        None, help="which planes of a FITS or .npy cube are images: all, or the number of one, from 0"
    )
    pixel_scale: float | None = number(
        None, shortcut="ps", unit="arcsec", valid=(0.001, 10), help="pixel size of the files, where they do not say"
    )
    zero_point: float | None = number(
        None, shortcut="zp", unit="AB mag", valid=(0, 50),
        help="zero point of the files' units, where the header has none (MAGZERO, MAGZPT, ...)",
    )
    unit: str | None = choice(
        None, ("e-/s", "e-", "adu/s", "adu"), help="unit of the files' pixels, where the header has none (BUNIT)"
    )
    exposure_time: float | None = number(
        None, shortcut="exp", unit="s", valid=(0.001, 1e9), help="exposure time, for units that are not per second"
    )
    gain: float | None = number(
        None, unit="e-/adu", valid=(0.001, 1000), help="electrons for one unit, for units in adu"
    )
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
    center: str = text(
        "image", help="where the lens is: image, in the middle of the file; brightest, at the light's peak near there; "
        "x,y [arcsec], so far from the middle to the right and up",
    )
    mask: str | None = text(
        None, help="file (looked for beside each image first) or FITS extension that is not zero where the light of "
        "neighbours is to be taken away",
    )
    noise_map: str | None = text(
        None, help="file (looked for beside each image first) or FITS extension with each pixel's standard deviation",
    )
    background: str = text(
        "none", help="background to subtract, where the sky was not: none; fit, the level of the image's outskirts; or "
        "a value in the unit of the files",
    )
    bad_pixels: str = choice(
        "fill", ("fill", "refuse"), help="what happens to an image whose field holds NaN, or pixels that the noise map "
        "says are bad: filled up to 5 % of the field",
    )


@declare
class TrainingParameters(Run, Learning, Machines, Figures, Prediction):
    """Train a network on dataset/, draw figures, or measure images with a trained network."""


# --------------------------------------------------------------------------------------
# Where a choice wants other defaults
# --------------------------------------------------------------------------------------

OVERRIDES = {
    ("task", "substructure"): {
        "lens_model": "sie",
        "telescope": "hst",
        "network": "resnet34",
        "learning_rate": 0.001,
        "learning_schedule": "cosine",
        "batch_size": 64,
        "augment": "on",
        "model_file": Path("models/substructure.keras"),
    },
    # The relation of velocity dispersion and Einstein radius depends on more than the slope: on the stars' orbits.
    ("lens_model", "powerlaw"): {"einstein_radius_range": Range(0.7, 2.0)},
    ("posterior", "flow"): {"learning_rate": 0.0005, "learning_schedule": "cosine", "batch_size": 64},
    ("posterior", "gaussian"): {"learning_rate": 0.0005, "learning_schedule": "cosine", "batch_size": 64},
    # Euclid VIS: Euclid Collaboration, Cropper et al. 2025, A&A 697, A2 (exposures, read noise,
    # PSF); zero point and sky as in lenstronomy 1.14.2's Euclid preset. Those are the defaults above.
    ("telescope", "hst"): {
        # Zero point: Sirianni et al. 2005, PASP 117, 1049. Sky: zodiacal light of the ACS handbook
        # and earth-shine, 0.1 e-/s a pixel. PSF: FWHM of the SLACS PSF files. One orbit in four
        # exposures, as SLACS took them (Bolton et al. 2008, ApJ 682, 964).
        "grid_size": 128,
        "pixel_scale": 0.05,
        "psf_fwhm": 0.077,
        "exposure_time": 2100.0,
        "sky_brightness": 21.95,
        "read_noise": 5.0,
        "zero_point": 25.94,
    },
    ("telescope", "none"): {
        "psf_fwhm": 0.0,
        "exposure_time": 0.0,
        "read_noise": 0.0,
        "snr_range": None,
    },
    ("substructure_preset", "matched"): {
        # Rings that fit in 64 pixels of Hubble's, bright enough for the substructure to be seen.
        "grid_size": 64,
        "lens_light": "off",
        "lens_redshift_range": Range(0.4, 0.6),
        "einstein_radius_range": Range(0.8, 1.2),
        "src_redshift_range": Range(1.0, 2.0),
        "src_center_var": 0.3,
        "src_effect_range": Range(0.15, 0.35),
        "src_sersic_range": Range(0.8, 2.0),
        "snr_range": Range(200.0, 600.0),
    },
    ("substructure_preset", "public"): {
        # DeepLenseSim (github.com/mwt5345/DeepLenseSim), Model I, as its code does it. A source of amplitude 20 per
        # square arcsec; background of 0.01 a pixel, here as read noise; the middle of its exposure times, 10^3 to
        # 10^3.5. The lens of 1e12 Msun, by luminosity distances, has 1.28 arcsec.
        "grid_size": 150,
        "pixel_scale": 0.05,
        "over_sampling": 1,
        "psf_fwhm": 0.087,
        "exposure_time": 1778.0,
        "exposures": 1,
        "sky_brightness": 99.0,
        "read_noise": 17.78,
        "zero_point": 25.72,
        "lens_light": "off",
        "lens_redshift_range": Range(0.5, 0.5),
        "lens_center_var": 0.0,
        "lens_ellip_x_range": Range(0.1, 0.1),
        "lens_ellip_y_range": Range(0.0, 0.0),
        "einstein_radius_range": Range(1.28, 1.28),
        "shear_1_range": Range(0.05, 0.05),
        "shear_2_range": Range(0.0, 0.0),
        "src_redshift_range": Range(1.0, 1.0),
        "src_center_var": 0.35,
        "src_ellip_x_range": Range(-0.1, -0.1),
        "src_ellip_y_range": Range(0.1, 0.1),
        "src_intensity_range": Range(0.2, 0.2),
        "src_effect_range": Range(0.25, 0.25),
        "src_sersic_range": Range(1.0, 1.0),
        "match_einstein_radius": "off",
        "mass_distances": "luminosity",
        "subhalo_number": 25,
        "subhalo_mass_slope": -0.9,
        "subhalo_density": "radius",
        "subhalo_radius_min": 0.25,
        "vortex_log_length_range": Range(-1.523, 0.477),
        "vortex_center_var": 0.0,
    },
}

EXAMPLES = {
    "generate_data.py": (
        ("1000 images of composite lenses as Euclid sees them", "generate_data.py"),
        (
            "isothermal lenses seen by Hubble, fainter sources",
            "generate_data.py --telescope=hst --lens-model=sie -si=0.05,0.3",
        ),
        ("every source at redshift 2 and on the axis", "generate_data.py -srs=2 -sc=0 --dataset-dir=on-axis"),
        ("lenses with smooth dark matter, sub-halos, vortices", "generate_data.py --task=substructure -n=9000"),
        ("finish what was interrupted", "generate_data.py --resume"),
    ),
    "model_and_figures.py": (
        ("train on dataset/ and draw the figures", "model_and_figures.py"),
        ("learn the Einstein radius, faster", "model_and_figures.py --labels=einstein-radius -mlr=3e-4 -e=20"),
        ("what can be learned", "model_and_figures.py --labels"),
        ("learn the posterior, not only its middle", "model_and_figures.py --posterior=flow"),
        ("tell them apart, with the smaller network", "model_and_figures.py --task=substructure --network=resnet18"),
        ("measure a telescope image", "model_and_figures.py --predict lens.fits --hdu=VIS_BGSUB"),
    ),
}

DOORS = {"generate_data.py": SimulationParameters, "model_and_figures.py": TrainingParameters}


def fill_readme(readme: str) -> str:
    """Return the text of the README with its parameter tables written anew from the declarations."""
    for program, parameters in DOORS.items():
        start = readme.index("\n", readme.index(f"<!-- {program} -->")) + 1
        end = readme.index("<!-- end -->", start)
        readme = readme[:start] + "\n" + markdown_table(parameters, OVERRIDES, "####") + "\n" + readme[end:]
    return readme


if __name__ == "__main__":
    file = Path(__file__).with_name("README.md")
    file.write_text(fill_readme(file.read_text()))
    print(f"parameter tables written to {file}")
