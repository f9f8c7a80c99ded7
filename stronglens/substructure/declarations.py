"""Parameters that only the substructure task has."""

from stronglens.parameters import Parameters, Range, choice, component, declare, half_width, number, sampled

LEARNS = "the class of the lens's dark matter, which is smooth (no), has subhalos (sphere) or a vortex"


@declare
class Substructure(Parameters):
    """Dark substructure of the lens"""

    substructure_preset: str = choice(
        "matched", ("matched", "public"),
        help="matched: the classes differ only in their substructure; public: the settings of the public DeepLense "
        "simulator (Model I), with its errors. It sets defaults of many groups; --print-config shows them",
    )
    substructure_mass_range: Range = sampled(
        3e10, 3e10, shortcut="subm", unit="Msun", valid=(1e6, 1e13), symbol=r"M_{\rm sub}",
        help="total mass of the subhalos (class sphere) or of the vortex (class vortex); it has no effect in class no",
    )
    match_einstein_radius: str = choice(
        "on", ("on", "off"),
        help="on: reduce the smooth lens mass by the substructure mass, so that all classes share one Einstein-radius "
        "distribution; off: the substructure adds mass, and the ring radius reveals the class",
    )
    mass_distances: str = choice(
        "angular", ("angular", "luminosity"),
        help="distances that convert masses to angles; luminosity: an error of the public simulator, which reduces "
        "masses to 0.6 of their values",
    )
    subhalo_profile: str = choice(
        "point", ("point", "nfw"), help="subhalo profile: point masses or truncated NFW halos"
    )
    subhalo_number: int = number(
        0, shortcut="subn", valid=(0, 10_000),
        help="number of subhalos per lens, with masses as drawn; 0: Poisson number for the total mass, with masses "
        "scaled to that total",
    )
    subhalo_mass_slope: float = number(
        -1.9, shortcut="subs", valid=(-4, 4), help="slope of the subhalo mass function dN/dm"
    )
    subhalo_mass_min: float = number(
        1e6, unit="Msun", valid=(1e4, 1e12),
        help="minimum subhalo mass, before the masses are scaled",
    )
    subhalo_mass_max: float = number(
        1e10, unit="Msun", valid=(1e4, 1e12),
        help="maximum subhalo mass, before the masses are scaled",
    )
    subhalo_density: str = choice(
        "area", ("area", "radius"),
        help="projected subhalo distribution: uniform per area, or uniform in distance from the lens centre (denser "
        "near the centre)",
    )
    subhalo_radius_min: float = number(
        0.0, unit="arcsec", valid=(0, 20), help="minimum distance of subhalos from the lens centre"
    )
    subhalo_radius_max: float = number(
        2.0, unit="arcsec", valid=(0.01, 20), help="maximum distance of subhalos from the lens centre"
    )
    subhalo_truncation: float = number(
        5.0, valid=(1, 100), applies=("subhalo_profile", "nfw"),
        help="truncation radius of NFW subhalos, in scale radii",
    )
    vortex_points: int = number(
        100, valid=(2, 1000), help="number of equal, evenly spaced point masses of a vortex"
    )
    vortex_log_length_range: Range = sampled(
        -0.3, 0.3, shortcut="vl", unit="dex(arcsec)", valid=(-3, 1), symbol=r"\log_{10} \ell",
        help="decimal logarithm of the vortex's half-length in arcsec",
    )
    vortex_angle_range: Range = sampled(
        0.0, 180.0, unit="deg", valid=(-360, 360), symbol=r"\phi_{\rm vortex}",
        help="position angle of the vortex, from +x towards +y",
    )
    vortex_center_var: float = half_width(
        0.25, shortcut="vc", spin=1, unit="arcsec", valid=(0, 10),
        help="half-width of the prior on the vortex centre, relative to the lens centre",
    )
    vortex_center_x_range: Range | None = component(
        of="vortex_center_var", unit="arcsec", valid=(-10, 10), symbol=r"x_{\rm vortex}",
        help="x of the vortex centre, relative to the lens centre",
    )
    vortex_center_y_range: Range | None = component(
        of="vortex_center_var", unit="arcsec", valid=(-10, 10), symbol=r"y_{\rm vortex}",
        help="y of the vortex centre, relative to the lens centre",
    )


@declare
class SubstructureLearning(Parameters):
    """The network"""

    network: str = choice(
        "resnet34", ("resnet34", "resnet18", "bottleneck"),
        help="residual network architecture: resnet34 and resnet18 have basic blocks (21.3 and 11.2 million "
        "parameters), bottleneck has bottleneck blocks (23.5 million)",
    )
    label_smoothing: float = number(
        0.0, valid=(0, 0.9), help="label smoothing: fraction of the target probability spread over all classes"
    )
    ceiling_images: int = number(
        100, valid=(0, 100_000), help="test images per class for the matched-filter upper limit; 0: skip it"
    )


OVERRIDES = {
    ("substructure_preset", "matched"): {
        # Rings fit into 64 HST pixels and are bright enough to show the substructure.
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
        # Settings of DeepLenseSim (github.com/mwt5345/DeepLenseSim), Model I, as in its code: source amplitude 20 per
        # square arcsec; background 0.01 per pixel, here as read noise; exposure time at the centre of its range, 10^3
        # to 10^3.5. The lens of 1e12 Msun has an Einstein radius of 1.28 arcsec with luminosity distances.
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
        ("lenses with smooth dark matter, subhalos, vortices", "generate_data.py --task=substructure -n=9000"),
        (
            "convert public class folders (no, sphere, vort) of .npy files to a dataset",
            "generate_data.py --task=substructure --convert-from=Model_I --dataset-dir=public",
        ),
        ("finish an interrupted dataset", "generate_data.py --task=substructure --resume"),
    ),
    "model_and_figures.py": (
        ("train a classifier of the substructure", "model_and_figures.py --task=substructure"),
        ("train a smaller network", "model_and_figures.py --task=substructure --network=resnet18"),
        ("classify a telescope image", "model_and_figures.py --task=substructure --predict lens.fits"),
    ),
}
