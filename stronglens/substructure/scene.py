"""Simulator of lenses with and without dark substructure."""

from collections.abc import Sequence

import numpy as np

from stronglens import cosmology, telescope
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import Column, UsageError
from stronglens.raytracing import Perturbers, enclosed_strength, total_mass_of_truncated_nfw
from stronglens.sampling import Draws, Rule
from stronglens.simulation.lens_simulator import LensSimulator
from stronglens.substructure.class_folders import CLASS_COLUMN, CLASSES
from stronglens.substructure.masses import (
    NO,
    SPHERE,
    VORTEX,
    class_of,
    draw_subhalos,
    mean_mass,
    mean_number,
    most_masses,
    place_vortex,
)

MOST_SUBHALOS = 10_000
"""Maximum mean number of subhalos per lens."""

LARGEST_SHARE = 0.5
"""Maximum total mass of the substructure, relative to the mass of the lens inside the Einstein radius."""

COLUMNS = {
    CLASS_COLUMN.name: CLASS_COLUMN,
    "subhalos": Column("subhalos", None, r"N_{\rm sub}", "number of subhalos", drawn=False),
    "subhalo-mass": Column(
        "subhalo-mass", "Msun", r"M_{\rm sub}", "lensing mass of all subhalos or of the vortex", drawn=False
    ),
    "einstein-radius-smooth": Column(
        "einstein-radius-smooth",
        "arcsec",
        r"\theta_{\rm E,smooth}",
        "Einstein radius of the smooth lens alone, on the intermediate axis; smaller than einstein-radius-sie if the "
        "smooth lens mass is reduced by the substructure mass",
        drawn=False,
    ),
    "substructure-snr": Column(
        "substructure-snr",
        None,
        r"d_{\rm known}",
        "signal-to-noise ratio of the substructure for a matched filter with known smooth lens and source: square root "
        "of the sum over pixels of (image - smooth image)^2 / variance of the smooth image",
        drawn=False,
    ),
}

CONVENTIONS = {
    "classes": "image i has the class i modulo 3: 0 no, 1 sphere, 2 vortex",
    "substructure": "positions of subhalos and vortex are relative to the centre of the lens; einstein-radius-sie is "
    "the radius before the smooth lens mass is reduced by the substructure mass, so that all classes have the same "
    "distribution if Einstein radii are matched",
}


class SubstructureSimulator(LensSimulator):
    """Simulate lenses of the alternating classes ``no``, ``sphere`` and ``vortex``.

    Parameters and errors are those of `LensSimulator`.
    """

    def __init__(self, parameters, threads: int | None = None, chunk_size: int = 128, on_device: bool | None = None):
        _check(parameters)
        self.perturber_profile = parameters.subhalo_profile
        super().__init__(parameters, threads, chunk_size, on_device)

    @property
    def name(self) -> str:
        return f"lenses (classes {', '.join(CLASSES)}; recipe {self.parameters.substructure_preset})"

    @property
    def columns(self) -> dict[str, Column]:
        added = dict(COLUMNS)
        if not self.is_noisy:
            del added["substructure-snr"]
        return super().columns | added

    def describe(self) -> dict:
        described = super().describe()
        return described | {"classes": list(CLASSES), "conventions": described["conventions"] | CONVENTIONS}

    def physical_scene(self, draws: Draws) -> Draws:
        """Return the scene of the smooth lens for the ray tracer (see `LensSimulator`)."""
        scene = super().physical_scene(draws)
        if "einstein-radius-smooth" in draws:
            scene["einstein_radius_sie"] = draws["einstein-radius-smooth"]
        return scene

    def smooth_scene(self, draws: Draws) -> Draws:
        """Return the scene of the same lens without substructure, with the Einstein radius as drawn."""
        return super().physical_scene(draws)

    def perturbers(self, draws: Draws, indices: Sequence[int]) -> Perturbers:
        """Return the subhalos and vortices of lenses; lenses of class ``no`` have none.

        Parameters
        ----------
        draws : dict of column to ndarray (N,)
        indices : sequence of N int
            Indices of the images.

        Returns
        -------
        Perturbers
        """
        kind = class_of(indices)
        z_lens, z_source = self._redshifts(draws)
        mass_x_y = [np.zeros((3, 0))] * len(kind)
        for row in np.flatnonzero(kind == SPHERE):
            mass_x_y[row] = np.stack(
                draw_subhalos(self.parameters, self.parameters.seed, indices[row], draws["substructure-mass"][row])
            )
        vortices = np.stack(place_vortex(draws, self.parameters.vortex_points), axis=1)
        for row in np.flatnonzero(kind == VORTEX):
            mass_x_y[row] = vortices[row]
        # A fixed width, since the rounding of a sum depends on the number of zeros in it.
        masses = np.zeros((3, len(kind), most_masses(self.parameters)))
        for row, part in enumerate(mass_x_y):
            masses[:, row, : part.shape[1]] = part
        mass, x, y = masses
        unit = cosmology.point_mass_strength(1.0, z_lens, z_source, self.parameters.mass_distances)
        scale = truncation = None
        if self.perturber_profile == "nfw":
            scale = _scale_radius(mass, z_lens, self.parameters.subhalo_truncation)
            truncation = self.parameters.subhalo_truncation * scale
        return Perturbers(
            x=x + draws["lens-center-x"][:, None],
            y=y + draws["lens-center-y"][:, None],
            strength=mass * unit[:, None],
            scale_radius=scale,
            truncation_radius=truncation,
        )

    def _redshifts(self, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        if self.parameters.redshift_effects == "none":
            return tuple(np.full_like(draws["lens-redshift"], z) for z in cosmology.REFERENCE_REDSHIFTS)
        behind = np.maximum(draws["src-redshift"], draws["lens-redshift"] + 1e-3)  # a rule rejects sources in front
        return draws["lens-redshift"], behind

    def _follow_from_draws(self, draws: Draws, indices: np.ndarray) -> Draws:
        derived = super()._follow_from_draws(draws, indices)
        perturbers = self.perturbers(draws, indices)
        radius, drawn = derived["einstein-radius"], derived["einstein-radius-sie"]
        centre = draws["lens-center-x"], draws["lens-center-y"]
        if self.parameters.match_einstein_radius == "on":
            # An isothermal lens has the mean convergence theta / R within R, which is reduced by the substructure's.
            smooth = drawn * (1 - enclosed_strength(perturbers, radius, *centre) / np.maximum(radius, 1e-9) ** 2)
        else:
            smooth = drawn
            derived["einstein-radius"] = _widen(radius, perturbers, *centre)
        unit = cosmology.point_mass_strength(1.0, *self._redshifts(draws), self.parameters.mass_distances)
        # From the drawn mass, which all classes have: a rule that rejects one class more often would reveal it.
        share = (
            np.maximum(draws["substructure-mass"] * unit, _mean_total(self.parameters) * unit)
            / np.maximum(radius, 1e-9) ** 2
        )
        kind = class_of(indices)
        return derived | {
            "einstein-radius-sie": drawn,
            "einstein-radius-smooth": np.maximum(smooth, 0),
            CLASS_COLUMN.name: kind.astype(float),
            "subhalos": np.where(kind == SPHERE, (perturbers.strength > 0).sum(axis=1), 0).astype(float),
            "subhalo-mass": perturbers.strength.sum(axis=1) / unit,
            "substructure-share": share,
        }

    def _rules(self) -> list[Rule]:
        return [
            *super()._rules(),
            Rule(
                "substructure-outweighs-lens",
                lambda draws: (draws["substructure-share"] < LARGEST_SHARE) & (draws["einstein-radius-smooth"] > 0),
                "lower --substructure-mass-range (or --subhalo-number, --subhalo-mass-max), or raise the lens mass",
            ),
        ]

    def _observe(self, draws: Draws, indices: Sequence[int]) -> tuple[np.ndarray, Draws]:
        rate, labels = super()._observe(draws, indices)
        if self.is_noisy:
            labels["substructure-snr"] = np.zeros(len(indices))
            rows = np.flatnonzero(class_of(indices) != NO)
            if rows.size:
                some = {name: values[rows] for name, values in draws.items()}
                noise = [labels[name][rows] if name in labels else None for name in ("exposure-time", "peak-noise")]
                smooth = self.noiseless(self.smooth_scene(some))
                variance = telescope.noise_variance(smooth, self.telescope, *noise)
                effect = np.asarray(rate)[rows] - smooth
                labels["substructure-snr"][rows] = telescope.signal_to_noise(effect, variance)
        return rate, labels


def _mean_total(parameters) -> float:
    """Return the mean total mass of subhalos, Msun, if their number is given; 0 if their mass is drawn."""
    function = parameters.subhalo_mass_slope, parameters.subhalo_mass_min, parameters.subhalo_mass_max
    return parameters.subhalo_number * mean_mass(*function)


def _widen(radius: np.ndarray, perturbers: Perturbers, x: np.ndarray, y: np.ndarray, turns: int = 60) -> np.ndarray:
    """Return the radius with mean convergence 1 of isothermal lenses with perturbers, from that without perturbers.

    It solves R^2 = radius R + strength of the perturbers within R, by bisection between the solutions without and with
    all perturbers.
    """
    low, total = radius, perturbers.strength.sum(axis=1)
    high = (radius + np.sqrt(radius**2 + 4 * total)) / 2
    for _ in range(turns):
        middle = (low + high) / 2
        is_inside = radius * middle + enclosed_strength(perturbers, middle, x, y) >= middle**2
        low, high = np.where(is_inside, middle, low), np.where(is_inside, high, middle)
    return (low + high) / 2


def _scale_radius(mass: np.ndarray, z_lens: np.ndarray, truncation: float) -> np.ndarray:
    """Return the scale radii of halos with a given total mass and truncation in scale radii: (N, M), arcsec.

    The total mass is M_0 t^2 / (t^2 + 1)^2 ((t^2 - 1) ln t + t pi - (t^2 + 1)) for the truncation t (Baltz, Marshall &
    Oguri 2009, JCAP 01, 015), and the mass within r_200 is M_0 (ln(1 + c) - c / (1 + c)). They are solved by iteration.
    """
    kept = float(total_mass_of_truncated_nfw(truncation))
    virial = np.maximum(mass, 1.0)
    for _ in range(20):
        scale, concentration = cosmology.halo_scale_radius(virial, z_lens[:, None])
        virial = np.maximum(mass, 1.0) * (np.log1p(concentration) - concentration / (1 + concentration)) / kept
    return scale


def _check(parameters) -> None:
    if not LENS_MODELS[parameters.lens_model].can_have_perturbers:
        raise UsageError("--task=substructure needs isothermal lenses; use --lens-model=sie")
    if parameters.substructure_preset == "public" and parameters.telescope != "hst":
        raise UsageError(
            f"--substructure-preset=public sets its own telescope and cannot be combined with "
            f"--telescope={parameters.telescope}; omit it and change single flags (--psf-fwhm, --exposure-time ...)"
        )
    for low, high in (("subhalo_mass_min", "subhalo_mass_max"), ("subhalo_radius_min", "subhalo_radius_max")):
        if getattr(parameters, low) >= getattr(parameters, high):
            flags = (f"--{name.replace('_', '-')}={getattr(parameters, name):g}" for name in (low, high))
            raise UsageError("{} must be less than {}".format(*flags))
    total = parameters.substructure_mass_range
    if (number := mean_number(parameters, total.high)) > MOST_SUBHALOS:
        raise UsageError(
            f"--substructure-mass-range: {total.high:g} Msun needs {number:,.0f} subhalos, more than "
            f"{MOST_SUBHALOS:,}; raise --subhalo-mass-min, or give --subhalo-number"
        )
    if (number := mean_number(parameters, total.low)) < 1:
        raise UsageError(
            f"--substructure-mass-range: {total.low:g} Msun is the mass of {number:.2g} mean subhalos; lower "
            "--subhalo-mass-max, or give --subhalo-number"
        )
