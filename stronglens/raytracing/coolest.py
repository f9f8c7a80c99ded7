"""Export of a lens model as a COOLEST folder for other lens-modelling codes (Galan et al. 2023, JOSS 8, 5567).

The folder contains the template, ``coolest.json``, and FITS files of the image, its noise map, the mask, the
point-spread function, and a source of pixels. COOLEST's conventions (https://coolest.readthedocs.io, "Conventions" and
"Supported profiles"): x to the right and y up in arcsec, relative to the centre of the field; position angles in
degrees from +y towards -x; Einstein and effective radii on the intermediate axis, sqrt(ab); images in electrons per
second, ``I_eff`` in electrons per second per arcsec^2.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import autolens as al
import numpy as np
from autogalaxy.interop.coolest import coolest_dict_from_light, coolest_dict_from_mass

from stronglens.atomic import replacing_folder
from stronglens.parameters import RunError
from stronglens.raytracing.coolest_pixels import OF_PIXELS, SOURCE, PixelLight
from stronglens.raytracing.scene import STOCK, build_lens, build_source

TEMPLATE = "coolest"
"""Name of the template without suffix, as COOLEST's and lenstronomy's readers expect it."""

FILES = {"image": "image.fits", "noise": "noise_map.fits", "mask": "mask.fits", "psf": "psf.fits", "source": SOURCE}

MOST_SAMPLES = 2000
"""Maximum number of posterior samples for the statistics."""

STATISTICS = ("mean", "median", "percentile_16th", "percentile_84th")

UNITS = {
    "conventions": "x to the right, y up, arcsec, relative to the centre of the field; angles in degrees from +y "
    "towards -x; radii on the intermediate axis, sqrt(a b)",
    "I_eff": "electrons per second per arcsec^2, at theta_eff",
    "theta_eff": "effective radius for a Sersic profile with b_n = 1.9992 n - 0.3271, as COOLEST defines it; it agrees "
    "with the half-light radius to 0.4 % for n from 1 to 10, and is 1.5 % below it at n = 0.5",
    "images": "electrons per second per pixel in image.fits and noise_map.fits (one standard deviation); mask.fits is "
    "1 in pixels that were compared with the model, 0 elsewhere; the pixels of psf.fits sum to 1",
}

ISOTHERMAL = "isothermal ellipsoid, written as the identical PEMD with fixed slope gamma = 2"


@dataclass(frozen=True)
class ModelledImage:
    """The image of a lens model.

    Attributes
    ----------
    image, noise : ndarray (N, N), electrons/s per pixel
        Row 0 is at the top. The background is subtracted. The noise is one standard deviation.
    is_judged : ndarray (N, N) bool
        Pixels that were compared with the model.
    psf : ndarray (K, K) or None
        K is odd, and the sum is 1.
    pixel_scale : float, arcsec
    zero_point : float or None, AB mag
        Magnitude of 1 electron/s.
    exposure_time : float or None, s
        The photon noise of a pixel of rate r has the variance r / exposure_time.
    instrument, band : str
    """

    image: np.ndarray
    noise: np.ndarray
    is_judged: np.ndarray
    psf: np.ndarray | None
    pixel_scale: float
    zero_point: float | None = None
    exposure_time: float | None = None
    instrument: str = ""
    band: str = ""


def write_coolest(
    folder: str | Path,
    point: Mapping[str, float],
    samples: Mapping[str, np.ndarray],
    redshifts: tuple[float, float],
    data: ModelledImage,
    fitted: Collection[str] = (),
    lens_light: bool = True,
    notes: Mapping[str, str] | None = None,
    pixels: PixelLight | None = None,
) -> Path:
    """Write an elliptical lens with external shear, its light, its source and its image as a COOLEST folder.

    The entities of the template are the lens, the external shear and the source, in this order.

    Parameters
    ----------
    folder : str or Path
        The folder of an earlier call is replaced.
    point : mapping of str to float
        Point estimate: values of the scene by the names in ``SCENE_COLUMNS``, with intensities in electrons/s per
        pixel. With a ``mass_slope`` the mass is a power law, otherwise isothermal.
    samples : mapping of str to ndarray (S,)
        Posterior samples by the same names, without intensities. Mean, median and percentiles are written. Those of an
        angle are computed relative to the point estimate and can exceed 90 degrees.
    redshifts : (float, float)
        Redshifts of lens and source.
    data : ModelledImage
    fitted : collection of str
        Names in ``point`` that have no posterior.
    lens_light : bool
        Whether the lens has light.
    notes : mapping of str to str, optional
        More entries for ``meta`` in the template.
    pixels : PixelLight, optional
        Light of lens and source, instead of that in ``point``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RunError
        When the source is not behind the lens, COOLEST does not allow a value, the folder contains other files, or it
        is not writable.
    """
    folder = Path(folder)
    if not 0 < redshifts[0] < redshifts[1]:
        raise RunError(
            f"{folder}: COOLEST needs a source behind its lens; the redshifts are {redshifts[1]} and {redshifts[0]}"
        )
    if foreign := sorted({file.name for file in folder.glob("[!.]*")} - {f"{TEMPLATE}.json", *FILES.values()}):
        raise RunError(f"{folder} contains other files, which would be lost; move {', '.join(foreign)} out of it")
    lights = [] if pixels else ["lens_light", "source"][not lens_light :]
    values = _convert(point, lights) | (pixels.list_gaussians() if pixels else {})
    values = _by_standard(values, data.pixel_scale)
    statistics = _statistics(point, samples, fitted, lights, data.pixel_scale)
    meta = UNITS | ({} if "mass_slope" in point else {"mass": ISOTHERMAL}) | (OF_PIXELS if pixels else {})
    try:
        template = _template(values, statistics, redshifts, data, meta | dict(notes or {}), pixels)
        with replacing_folder(folder) as aside:
            _write_images(aside, data)
            if pixels:
                pixels.write(aside)
            (aside / f"{TEMPLATE}.json").write_text(f"{template}\n")
    except OSError as error:
        raise RunError(f"{folder}: not writable ({error.strerror or error})") from None
    except ValueError as error:  # from COOLEST's checks, for example for a Sersic index below 0.5
        raise RunError(f"{folder}: COOLEST does not allow this model ({error})") from None
    return folder


def _convert(scene: Mapping[str, float], lights: Collection[str]) -> dict[str, dict[str, float]]:
    """Return the profiles of a scene with COOLEST's names, from PyAutoLens's conversion."""
    masses, of_lens = build_lens("powerlaw" if "mass_slope" in scene else "sie", scene, STOCK)
    converted = {name: coolest_dict_from_mass(profile)["parameters"] for name, profile in masses.items()}
    built = {"lens_light": of_lens["light"], "source": build_source(scene, STOCK)["light"]}
    return converted | {name: coolest_dict_from_light(built[name])["parameters"] for name in lights}


def _by_standard(profiles: dict[str, dict[str, float]], pixel_scale: float) -> dict[str, dict[str, float]]:
    """Convert profiles from PyAutoLens's to COOLEST's definitions.

    The Sersic profile is I_eff exp(-b_n ((r / theta_eff)^(1/n) - 1)). In COOLEST, I_eff is per arcsec^2 and b_n =
    1.9992 n - 0.3271 (Capaccioli 1989). In PyAutoLens, I_eff is per pixel, and theta_eff is the half-light radius for
    its b_n (Ciotti & Bertin 1999). The two functions of r are equal for equal b_n / theta_eff^(1/n) and I_eff exp(b_n).
    An SIE becomes a PEMD with slope 2, which more codes read.
    """
    converted = {}
    for name, values in profiles.items():
        if "theta_eff" in values:
            n = values["n"]
            b_n, of_coolest = al.lp.Sersic(sersic_index=n).sersic_constant, 1.9992 * n - 0.3271
            values = values | {
                "theta_eff": values["theta_eff"] * (of_coolest / b_n) ** n,
                "I_eff": values["I_eff"] * np.exp(b_n - of_coolest) / pixel_scale**2,
            }
        converted[name] = {"gamma": 2.0} | values if "theta_E" in values else values
    return converted


def _statistics(
    point, samples, fitted, lights: Collection[str], pixel_scale: float
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the posterior statistics by profile and parameter."""
    number = len(next(iter(samples.values())))
    chosen = np.unique(np.linspace(0, number - 1, min(number, MOST_SAMPLES)).astype(int))
    at_point = _convert(point, lights)
    moved = _convert({**point, **{name: point[name] + 1e-3 for name in fitted}}, lights)
    rows = [{**point, **{name: float(samples[name][row]) for name in samples}} for row in chosen]
    drawn = [_by_standard(_convert(row, lights), pixel_scale) for row in rows]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for which, parameters in at_point.items():
        for name, middle in parameters.items():
            if name == "I_eff" or moved[which][name] != middle:
                continue  # at least partly fitted to the image at the point estimate, so it has no posterior
            values = np.array([sample[which][name] for sample in drawn])
            if name.startswith("phi"):
                values = middle + (values - middle + 90) % 180 - 90
            numbers = [values.mean(), np.median(values), *np.percentile(values, [16, 84])]
            found.setdefault(which, {})[name] = dict(zip(STATISTICS, map(float, numbers), strict=True))
    return found


def _template(
    values, statistics, redshifts: tuple[float, float], data: ModelledImage, meta, pixels: PixelLight | None
) -> str:
    """Return the template as JSON."""
    from astropy.cosmology import Planck18  # as in stronglens.cosmology
    from coolest.template import lazy
    from coolest.template.standard import COOLEST

    def fill(model, *names):
        for profile, name in zip(model, names, strict=True):
            for key, value in values[name].items():
                profile.parameters[key].set_point_estimate(float(value))
                if held := statistics.get(name, {}).get(key):
                    profile.parameters[key].set_posterior(lazy.PosteriorStatistics(**held))
            if "gamma" in profile.parameters and "gamma" not in statistics.get(name, {}):
                profile.parameters["gamma"].fix()
        return model

    lights = [name for name in values if name.startswith("lens_light")]
    light = fill(lazy.LightModel(*["Sersic"] * len(lights)), *lights)
    source = pixels.profile() if pixels else fill(lazy.LightModel("Sersic"), "source")
    entities = lazy.LensingEntityList(
        lazy.Galaxy("lens", redshifts[0], light, fill(lazy.MassModel("PEMD"), "mass")),
        lazy.MassField("external shear", redshifts[0], fill(lazy.MassModel("ExternalShear"), "shear")),
        lazy.Galaxy("source", redshifts[1], source, lazy.MassModel()),
    )
    side = len(data.image)
    image, noise, mask = (_grid(name, side, data.pixel_scale) for name in ("image", "noise", "mask"))
    psf = _grid("psf", len(_kernel(data)), image.pixel_size)
    root = COOLEST(
        "MAP",
        lazy.CoordinatesOrigin(),
        entities,
        lazy.Observation(image, data.exposure_time, lazy.NoiseMap(noise), data.zero_point),
        lazy.Instrument(data.pixel_scale, data.instrument, data.band, None, lazy.PixelatedPSF(psf)),
        lazy.Cosmology(Planck18.H0.value, Planck18.Om0),
        lazy.DataLikelihoodList(lazy.ImagingDataLikelihood(mask)),
        metadata=meta,
    )
    return root.to_JSON(exclude_keys=root.exclude_keys)


def _grid(name: str, side: int, pixel_scale: float):
    """Return a square grid centred on the origin whose pixels do not exceed ``pixel_scale``, even by rounding.

    lenstronomy (1.14.2) rounds the ratio of the pixels of image and kernel down to the super-sampling of the kernel,
    which would be 0 for kernel pixels that are larger in the last bit.
    """
    from coolest.template.lazy import PixelatedRegularGrid

    half = side * pixel_scale / 2
    while 2 * half / side > pixel_scale:
        half = float(np.nextafter(half, 0))
    # With check_fits_file, a file of this name in the current folder would be read.
    return PixelatedRegularGrid(FILES[name], (-half, half), (-half, half), side, side, check_fits_file=False)


def _write_images(folder: Path, data: ModelledImage) -> None:
    """Write the FITS files, with row 0 at the bottom."""
    from astropy.io import fits

    images = {"image": data.image, "noise": data.noise, "mask": data.is_judged.astype(np.uint8), "psf": _kernel(data)}
    for name, pixels in images.items():
        hdu = fits.PrimaryHDU(np.flipud(pixels))
        hdu.header["PIXSCALE"] = data.pixel_scale, "[arcsec]"
        if name in ("image", "noise"):
            hdu.header["BUNIT"] = "electron/s"
        hdu.writeto(folder / FILES[name])


def _kernel(data: ModelledImage) -> np.ndarray:
    """Return the point-spread function, or a delta function if there is none."""
    return np.pad([[1.0]], 1) if data.psf is None else np.asarray(data.psf, float)
