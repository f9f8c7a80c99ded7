"""Population of galaxy lenses and of the galaxies behind them, in the form of LensPop (Collett 2015, ApJ 811, 20).

Draws are functions of uniform random numbers alone: one row of numbers gives one lens, whatever the other rows are.
"""

from functools import cache

import numpy as np
from scipy.special import gammainc, gammaincinv, ndtri

from stronglens import cosmology
from stronglens.finding.colours import (
    LAST_REDSHIFT,
    TEMPLATES,
    apparent_magnitudes,
    draw_coefficients,
    magnitude_of_luminosity,
    name_magnitudes,
)
from stronglens.sampling import Draws

EINSTEIN_RADII = (0.5, 2.6)
"""Limits of the Einstein radius, arcsec, on the intermediate axis."""

LENS_REDSHIFTS = (0.05, 2.0)
SOURCE_MAGNITUDES = (20.0, 25.5)
"""Unlensed, in VIS: the range in which counts and redshifts of the sources were fitted; none are fainter."""

SIGMA_STAR, ALPHA, BETA = 161.0, 2.32, 2.67
"""Velocity dispersions, km/s, of early-type galaxies (Choi, Park & Vogeley 2007, ApJ 658, 884)."""

HIGHEST_DISPERSION = 400.0
"""km/s; the scaling relations were fitted below."""

LENS_SERSIC = 4.0
"""De Vaucouleurs's profile, as in LensPop."""

CENTRING = 0.05
"""Largest offset of a galaxy from the image centre in x and in y, arcsec: half a pixel of VIS."""

LENS_NUMBERS = 6 + 8 + TEMPLATES
SOURCE_NUMBERS = 6 + TEMPLATES
NUMBERS = LENS_NUMBERS + SOURCE_NUMBERS
"""Random numbers of one lens."""


class Numbers:
    """Uniform random numbers (N, K), taken column by column."""

    def __init__(self, numbers: np.ndarray):
        # Both ends are excluded: a normal variate of 0 or 1 is infinite.
        self._left = np.clip(numbers, 1e-12, 1 - 1e-12)

    def take(self, columns: int | None = None) -> np.ndarray:
        """Return the next column (N,), or the next ``columns`` columns (N, columns)."""
        width = 1 if columns is None else columns
        taken, self._left = self._left[:, :width], self._left[:, width:]
        return taken[:, 0] if columns is None else taken


def draw_lenses(numbers: np.ndarray, radii: tuple[float, float] = EINSTEIN_RADII) -> Draws:
    """Draw lenses with a source within the Einstein radius.

    A lens is as probable as its volume and its cross-section pi theta_E^2 make it. Its velocity dispersion sigma
    follows Choi, Park & Vogeley 2007 (ApJ 658, 884, eq. 5), dn ~ (sigma / 161 km/s)^2.32 exp(-(sigma / 161
    km/s)^2.67) d ln sigma, the same at all redshifts, and is constant per comoving volume; LensPop's code has the same
    numbers and a factor (1 + z)^-2.5. The lens is isothermal and as elliptical as its light. The shear is log-normal,
    of median 0.05 and 0.2 dex, at any angle (Oguri & Marshall 2010, MNRAS 405, 2579; that 0.05 is the mean of the
    logarithm was read in a public code for such mocks, gen_mock_om10p, not in the paper).

    Parameters
    ----------
    numbers : ndarray (N, NUMBERS)
        Uniform random numbers, 0 to 1.
    radii : (float, float), arcsec
        Limits of the Einstein radius.

    Returns
    -------
    dict of column to ndarray (N,)
        The lens, its light (see `draw_lens_light`) and the source (see `draw_sources`).
    """
    left = Numbers(numbers)
    z_lens, z_source, brightness = _draw_pairs(left, radii)
    sigma = _draw_dispersions(left.take(), z_lens, z_source, radii)
    draws = {
        "lens-redshift": z_lens,
        "src-redshift": z_source,
        "velocity-dispersion": sigma,
        "einstein-radius-sie": cosmology.isothermal_einstein_radius(sigma, z_lens, z_source),
    }
    draws |= draw_lens_light(left.take(LENS_NUMBERS - 6), z_lens, sigma)
    draws |= draw_sources(left.take(SOURCE_NUMBERS), z_source, brightness)
    # Uniform in the circle of the Einstein radius.
    return draws | place_sources(draws, draws["src-distance"] ** 0.5 * draws["einstein-radius-sie"])


def draw_lens_light(numbers: np.ndarray, redshift: np.ndarray, sigma: np.ndarray) -> Draws:
    """Draw place, shape, shear and light of early-type galaxies of given velocity dispersion.

    With V = log10 sigma, the absolute magnitude in r is M_r = (-0.37 + sqrt(0.37^2 - 0.024 (2.97 + V))) / 0.012 with a
    scatter of 0.0625, and the half-light radius log10 R_e/kpc = 2.46 - 2.79 V + 0.84 V^2 with one of 0.11 (Hyde &
    Bernardi 2009, MNRAS 394, 1978, in the form of Collett 2015). The axis ratio q has a Rayleigh distribution of 1 - q,
    of scale 0.378 - 0.000572 sigma, for q above 0.2 (Collett 2015, eq. 4). Luminosity does not evolve. All numbers are
    those of LensPop's code.

    Parameters
    ----------
    numbers : ndarray (N, 8 + 5)
        Uniform random numbers, 0 to 1.
    redshift : ndarray (N,)
    sigma : ndarray (N,), km/s

    Returns
    -------
    dict of column to ndarray (N,)
    """
    left = Numbers(numbers)
    velocity = np.log10(sigma)
    absolute = (-0.37 + np.sqrt(0.37**2 - 0.024 * (2.97 + velocity))) / 0.012 + 0.0625 * ndtri(left.take())
    radius = 10 ** (2.46 - 2.79 * velocity + 0.84 * velocity**2 + 0.11 * ndtri(left.take()))  # kpc
    flattening = truncated_rayleigh(left.take(), 0.378 - 0.000572 * sigma, 0.8)
    ellip_x, ellip_y = ellipticity(1 - flattening, left.take())
    x, y = (CENTRING * (2 * left.take() - 1) for _ in range(2))
    shear = 0.05 * 10 ** (0.2 * ndtri(left.take()))
    angle = 2 * np.pi * left.take()
    coefficients = draw_coefficients("red", redshift, left.take(TEMPLATES))
    magnitudes = apparent_magnitudes(magnitude_of_luminosity(absolute, coefficients, redshift), coefficients, redshift)
    return {
        "lens-center-x": x,
        "lens-center-y": y,
        "lens-ellip-x": ellip_x,
        "lens-ellip-y": ellip_y,
        "shear-1": shear * np.cos(angle),
        "shear-2": shear * np.sin(angle),
        "lens-effect": _angle(radius, redshift),
        "lens-sersic": np.full_like(radius, LENS_SERSIC),
    } | name_magnitudes("lens", magnitudes)


def draw_sources(numbers: np.ndarray, redshift: np.ndarray, brightness: np.ndarray) -> Draws:
    """Draw shape, size and colours of blue galaxies of given redshift and unlensed magnitude.

    The half-light radius is log-normal about `median_radius`, with a standard deviation of 0.6 in ln R_e (Shibuya,
    Ouchi & Harikane 2015, ApJS 219, 15: 0.45 to 0.75); the luminosity is that in VIS of a spectrum flat in f_nu. The
    Sersic index has their median 1.5; its scatter of 0.3 in the logarithm, cut at 0.7 and 3, is ours. The axis ratio q
    has a Rayleigh distribution of 1 - q, of scale 0.3, for q above 0.2 (Collett 2015).

    Parameters
    ----------
    numbers : ndarray (N, SOURCE_NUMBERS)
        Uniform random numbers, 0 to 1.
    redshift : ndarray (N,)
    brightness : ndarray (N,), AB mag
        In VIS.

    Returns
    -------
    dict of column to ndarray (N,)
        Also ``src-distance``, a uniform number, and ``src-angle``, rad, for `place_sources`.
    """
    left = Numbers(numbers)
    distance, angle = left.take(), 2 * np.pi * left.take()
    luminosity_distance = cosmology.comoving_distance(redshift) * (1 + redshift)  # Mpc
    absolute = brightness - 5 * np.log10(luminosity_distance) - 25 + 2.5 * np.log10(1 + redshift)
    radius = median_radius(absolute, redshift) * np.exp(0.6 * ndtri(left.take()))
    ellip_x, ellip_y = ellipticity(1 - truncated_rayleigh(left.take(), 0.3, 0.8), left.take())
    sersic = np.clip(1.5 * np.exp(0.3 * ndtri(left.take())), 0.7, 3)
    coefficients = draw_coefficients("blue", redshift, left.take(TEMPLATES))
    return {
        "src-distance": distance,
        "src-angle": angle,
        "src-ellip-x": ellip_x,
        "src-ellip-y": ellip_y,
        "src-effect": _angle(radius, redshift),
        "src-sersic": sersic,
    } | name_magnitudes("src", apparent_magnitudes(brightness, coefficients, redshift))


def median_radius(magnitude: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return the median half-light radius of star-forming galaxies, kpc.

    6.9 kpc (1 + z)^-1.20 (L / L_0)^0.27 (Shibuya, Ouchi & Harikane 2015, ApJS 219, 15). We read coefficients and slope
    in another work's quotation, not in the paper; that L_0 belongs to an absolute magnitude of -21, as in the studies
    of Huang et al. 2013 and Kawamata et al. 2018, was not verified.

    Parameters
    ----------
    magnitude : ndarray (N,), AB mag
        Absolute, in the ultraviolet.
    redshift : ndarray (N,)
    """
    return 6.9 * (1 + redshift) ** -1.20 * 10 ** (-0.4 * 0.27 * (magnitude + 21))


def place_sources(draws: Draws, distance: np.ndarray) -> Draws:
    """Return the columns of the unlensed place of sources at a distance (N,), arcsec, from their lenses."""
    angle = draws["src-angle"]
    return {
        "src-center-x": draws["lens-center-x"] + distance * np.cos(angle),
        "src-center-y": draws["lens-center-y"] + distance * np.sin(angle),
    }


def truncated_rayleigh(numbers: np.ndarray, scale, most) -> np.ndarray:
    """Return Rayleigh variates below ``most`` from uniform random numbers (N,)."""
    scale = np.asarray(scale, float)
    return scale * np.sqrt(-2 * np.log1p(-numbers * -np.expm1(-((most / scale) ** 2) / 2)))


def ellipticity(axis_ratio: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the components (cosine, sine) of (1 - q) / (1 + q) at an angle from uniform random numbers (N,)."""
    size, angle = (1 - axis_ratio) / (1 + axis_ratio), 2 * np.pi * numbers
    return size * np.cos(angle), size * np.sin(angle)


def source_counts(magnitudes: np.ndarray, redshifts: np.ndarray) -> np.ndarray:
    """Return the number of galaxies between magnitudes and about redshifts.

    Brighter than i there are 46 x 10^(0.31 (i - 25)) galaxies per square arcminute, with redshifts of the density
    p(z) = z^2 exp(-z / z_0) / (2 z_0^3), z_0 = 0.0417 i - 0.744 (LSST Science Book 2009, arXiv:0912.0201, eq. 3.7 and
    3.8; fitted for 20.5 < i < 25.5; quoted from memory). The magnitude in VIS, which spans r, i and z, is taken as that
    in i.

    Parameters
    ----------
    magnitudes : ndarray (M + 1,), AB mag
        Increasing limits.
    redshifts : ndarray (Z,)

    Returns
    -------
    ndarray (Z, M), per square arcminute and unit redshift
    """
    scale = 0.0417 * magnitudes - 0.744
    density = redshifts[:, None] ** 2 * np.exp(-redshifts[:, None] / scale) / (2 * scale**3)
    # The sum of bright and faint galaxies is a fit: where its difference is negative, at low redshift, there are none.
    return np.maximum(np.diff(46 * 10 ** (0.31 * (magnitudes - 25)) * density, axis=1), 0)


def _draw_pairs(left: Numbers, radii: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return redshifts of lens and source, and magnitudes of the source (N,), from five columns of numbers."""
    z_lens, z_source, magnitudes, pairs, faint = _pair_tables(radii)
    chosen = np.searchsorted(pairs, left.take())
    row, column = np.divmod(chosen, len(z_source))
    step = z_lens[1] - z_lens[0], z_source[1] - z_source[0], magnitudes[1] - magnitudes[0]
    redshifts = [z[0] + (place + left.take() - 0.5) * width
                 for z, place, width in zip((z_lens, z_source), (row, column), step[:2], strict=True)]  # fmt: skip
    drawn = left.take()[:, None]
    interval = np.sum(faint[column] < drawn, axis=1)
    return *redshifts, magnitudes[interval] + left.take() * step[2]


@cache
def _pair_tables(radii: tuple[float, float]):
    """Return the middles of lens and source redshifts, limits of magnitudes, and the cumulative distributions.

    The first is that of pairs of redshifts, flattened; the second that of magnitudes (Z, M) at each source redshift.
    """
    low, high = LENS_REDSHIFTS
    z_lens = np.arange(low + 0.025, high, 0.05)
    z_source = np.arange(0.125, LAST_REDSHIFT, 0.05)
    magnitudes = np.linspace(*SOURCE_MAGNITUDES, 23)
    counts = source_counts(magnitudes, z_source)
    edges = cosmology.comoving_distance(np.append(z_lens - 0.025, z_lens[-1] + 0.025))
    volume = np.diff(edges**3)
    lens, source = np.meshgrid(z_lens, z_source, indexing="ij")
    # The number of galaxies per dispersion, times sigma^4 of the cross-section, is a gamma distribution.
    ratio = _distance_ratio(lens, source)
    below = [gammainc(*_gamma_variable(limit)) for limit in _dispersion_limits(ratio, radii)]
    # No lens behind its source, wherever the two are in their intervals.
    weight = np.where(source - lens > 0.051, volume[:, None] * counts.sum(axis=1) * ratio**2 * (below[1] - below[0]), 0)
    pairs = np.cumsum(weight.ravel())
    faint = np.cumsum(counts, axis=1)
    return z_lens, z_source, magnitudes, pairs / pairs[-1], faint / faint[:, -1:]


def _draw_dispersions(numbers, z_lens, z_source, radii) -> np.ndarray:
    low, high = (
        gammainc(*_gamma_variable(limit)) for limit in _dispersion_limits(_distance_ratio(z_lens, z_source), radii)
    )
    shape = (ALPHA + 4) / BETA
    return SIGMA_STAR * gammaincinv(shape, low + numbers * (high - low)) ** (1 / BETA)


def _gamma_variable(sigma: np.ndarray) -> tuple[float, np.ndarray]:
    return (ALPHA + 4) / BETA, (sigma / SIGMA_STAR) ** BETA


def _distance_ratio(z_lens, z_source) -> np.ndarray:
    """Return D_ls / D_s."""
    _, source, between = cosmology.angular_diameter_distances(z_lens, z_source)
    return np.maximum(between / source, 1e-6)


def _dispersion_limits(ratio: np.ndarray, radii: tuple[float, float]) -> list[np.ndarray]:
    """Return the velocity dispersions, km/s, of lenses with the smallest and with the largest Einstein radius."""
    unit = 4 * np.pi * cosmology.ARCSEC_PER_RADIAN / cosmology.SPEED_OF_LIGHT**2
    return [np.minimum(np.sqrt(radius / (unit * ratio)), HIGHEST_DISPERSION) for radius in radii]


def _angle(radius: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return the angle, arcsec, of a length in kpc."""
    distance = cosmology.comoving_distance(redshift) / (1 + redshift)  # Mpc
    return radius / (1000 * distance) * cosmology.ARCSEC_PER_RADIAN
