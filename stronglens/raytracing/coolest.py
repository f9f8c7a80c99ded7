"""A lens model as a COOLEST folder, which other lens-modelling codes read (Galan et al. 2023, JOSS 8, 5567).

The folder holds the template, ``coolest.json``, and the image, its noise map, the mask and the point-spread function as
FITS files. COOLEST's conventions (https://coolest.readthedocs.io, "Conventions" and "Supported profiles"): x to the
right and y up in arcsec, from the middle of the field; position angles in degrees from +y towards -x; Einstein and
effective radii on the intermediate axis, sqrt(ab); images in electrons per second, ``I_eff`` in electrons per second
per arcsec^2.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import autolens as al
import numpy as np
from autogalaxy.interop.coolest import coolest_dict_from_light, coolest_dict_from_mass

from stronglens.atomic import replacing_folder
from stronglens.parameters import RunError
from stronglens.raytracing.scene import STOCK, build_lens, build_source

TEMPLATE = "coolest"
"""Name of the template, without its ending: COOLEST's and lenstronomy's readers take it so."""

FILES = {"image": "image.fits", "noise": "noise_map.fits", "mask": "mask.fits", "psf": "psf.fits"}

MOST_SAMPLES = 2000
"""Number of a posterior's samples from which the statistics are computed, at most."""

STATISTICS = ("mean", "median", "percentile_16th", "percentile_84th")

UNITS = {
    "conventions": "x to the right, y up, arcsec, from the middle of the field; angles in degrees from +y towards -x; "
    "radii on the intermediate axis, sqrt(a b)",
    "I_eff": "electrons per second per arcsec^2, at theta_eff",
    "theta_eff": "of a Sersic profile with b_n = 1.9992 n - 0.3271, as COOLEST defines it: within 0.4 % of the "
    "half-light radius for n from 1 to 10, 1.5 % below it at n = 0.5",
    "images": "electrons per second per pixel, in image.fits and noise_map.fits (one standard deviation); mask.fits is "
    "1 where the model was compared with the image, 0 elsewhere; the pixels of psf.fits sum to 1",
}

ISOTHERMAL = "an isothermal ellipsoid, written as a PEMD of slope gamma = 2 (fixed), with which it is identical"


@dataclass(frozen=True)
class ModelledImage:
    """The image that a lens model describes.

    Attributes
    ----------
    image, noise : (N, N), e-/s per pixel, row 0 at the top
        Without the background, of which the model has none. The noise is one standard deviation.
    is_judged : (N, N) bool, where the model was compared with the image
    psf : (K, K) or None, K odd, sums to 1
    pixel_scale : float, arcsec
    zero_point : float or None, AB magnitude of one e-/s
    exposure_time : float or None, s
        The photons of a pixel of rate r have the variance r / exposure_time.
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
) -> Path:
    """Write an elliptical lens with external shear, its light, its source and its image as a COOLEST folder.

    The entities of the template are the lens, the external shear and the source, in this order.

    Parameters
    ----------
    folder : str or Path
        A folder of an earlier call is replaced as a whole.
    point : dict of str to float, the scene's values, under the names of ``SCENE_COLUMNS``: the point estimate
        Intensities in e-/s per pixel. With a ``mass_slope`` the mass is a power law, without it isothermal.
    samples : dict of str to (S,), posterior samples under the same names, without intensities
        Their mean, median and percentiles are written. Those of an angle are computed around the point estimate, and
        may lie beyond 90 degrees.
    redshifts : (float, float), lens and source
    data : ModelledImage
    fitted : collection of str, names of ``point`` that have no posterior
    lens_light : bool, whether the lens shines
    notes : dict of str to str, for the template's ``meta``

    Returns
    -------
    Path, the folder

    Raises
    ------
    RunError
        When the source is not behind the lens, a value is beyond what COOLEST admits, the folder holds files of others,
        or it cannot be written.
    """
    folder = Path(folder)
    if not 0 < redshifts[0] < redshifts[1]:
        raise RunError(f"{folder}: COOLEST needs a source behind its lens, not at z = {redshifts[1]} of {redshifts[0]}")
    if foreign := sorted({file.name for file in folder.glob("[!.]*")} - {f"{TEMPLATE}.json", *FILES.values()}):
        raise RunError(f"{folder} holds other files, which would be lost: move {', '.join(foreign)} out of it")
    values = _by_standard(_convert(point, lens_light), data.pixel_scale)
    statistics = _statistics(point, samples, fitted, lens_light, data.pixel_scale)
    meta = UNITS | ({} if "mass_slope" in point else {"mass": ISOTHERMAL}) | dict(notes or {})
    try:
        template = _template(values, statistics, redshifts, data, meta)
        with replacing_folder(folder) as aside:
            _write_images(aside, data)
            (aside / f"{TEMPLATE}.json").write_text(f"{template}\n")
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror or error})") from None
    except ValueError as error:  # COOLEST's own checks: an index below 0.5, for instance
        raise RunError(f"{folder}: COOLEST does not admit this model ({error})") from None
    return folder


def _convert(scene: Mapping[str, float], lens_light: bool) -> dict[str, dict[str, float]]:
    """Return a scene's profiles under COOLEST's names, by PyAutoLens's own conversion."""
    masses, lights = build_lens("powerlaw" if "mass_slope" in scene else "sie", scene, STOCK)
    converted = {name: coolest_dict_from_mass(profile)["parameters"] for name, profile in masses.items()}
    if lens_light:
        converted["lens_light"] = coolest_dict_from_light(lights["light"])["parameters"]
    return converted | {"source": coolest_dict_from_light(build_source(scene, STOCK)["light"])["parameters"]}


def _by_standard(profiles: dict[str, dict[str, float]], pixel_scale: float) -> dict[str, dict[str, float]]:
    """Return the values that COOLEST defines in another way than PyAutoLens, and all others as they are.

    The Sersic profile is I_eff exp(-b_n ((r / theta_eff)^(1/n) - 1)). COOLEST has I_eff per arcsec^2 and b_n =
    1.9992 n - 0.3271 (Capaccioli 1989); PyAutoLens has I_eff per pixel and a b_n that makes theta_eff the half-light
    radius (Ciotti & Bertin 1999). With b_n / theta_eff^(1/n) and I_eff exp(b_n) kept, both are the same function of r.
    An SIE is a PEMD of slope 2, which more codes read.
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


def _statistics(point, samples, fitted, lens_light: bool, pixel_scale: float) -> dict[str, dict[str, dict[str, float]]]:
    """Return the statistics of every parameter that has a posterior: by profile and parameter."""
    number = len(next(iter(samples.values())))
    chosen = np.unique(np.linspace(0, number - 1, min(number, MOST_SAMPLES)).astype(int))
    at_point = _convert(point, lens_light)
    moved = _convert({**point, **{name: point[name] + 1e-3 for name in fitted}}, lens_light)
    rows = [{**point, **{name: float(samples[name][row]) for name in samples}} for row in chosen]
    drawn = [_by_standard(_convert(row, lens_light), pixel_scale) for row in rows]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for which, parameters in at_point.items():
        for name, middle in parameters.items():
            if name == "I_eff" or moved[which][name] != middle:
                continue  # it, or a part of it, was fitted to the image at the point estimate: it has no posterior
            values = np.array([sample[which][name] for sample in drawn])
            if name.startswith("phi"):
                values = middle + (values - middle + 90) % 180 - 90
            numbers = [values.mean(), np.median(values), *np.percentile(values, [16, 84])]
            found.setdefault(which, {})[name] = dict(zip(STATISTICS, map(float, numbers), strict=True))
    return found


def _template(values, statistics, redshifts: tuple[float, float], data: ModelledImage, meta: dict[str, str]) -> str:
    """Return the template, in JSON."""
    from astropy.cosmology import Planck18  # that of stronglens.cosmology
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

    lights = ["lens_light"] if "lens_light" in values else []
    light = fill(lazy.LightModel(*["Sersic"] * len(lights)), *lights)
    entities = lazy.LensingEntityList(
        lazy.Galaxy("lens", redshifts[0], light, fill(lazy.MassModel("PEMD"), "mass")),
        lazy.MassField("external shear", redshifts[0], fill(lazy.MassModel("ExternalShear"), "shear")),
        lazy.Galaxy("source", redshifts[1], fill(lazy.LightModel("Sersic"), "source"), lazy.MassModel()),
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
    """Return a square grid about the origin whose pixels are not larger than asked for, not even by a rounding.

    lenstronomy (1.14.2) takes the whole number below the ratio of the pixels of image and kernel for the kernel's
    super-sampling: 0 if the kernel's were larger in the last bit.
    """
    from coolest.template.lazy import PixelatedRegularGrid

    half = side * pixel_scale / 2
    while 2 * half / side > pixel_scale:
        half = float(np.nextafter(half, 0))
    # Else a file of this name in the current folder would be read.
    return PixelatedRegularGrid(FILES[name], (-half, half), (-half, half), side, side, check_fits_file=False)


def _write_images(folder: Path, data: ModelledImage) -> None:
    """Write the FITS files, row 0 at the bottom."""
    from astropy.io import fits

    images = {"image": data.image, "noise": data.noise, "mask": data.is_judged.astype(np.uint8), "psf": _kernel(data)}
    for name, pixels in images.items():
        hdu = fits.PrimaryHDU(np.flipud(pixels))
        hdu.header["PIXSCALE"] = data.pixel_scale, "[arcsec]"
        if name in ("image", "noise"):
            hdu.header["BUNIT"] = "electron/s"
        hdu.writeto(folder / FILES[name])


def _kernel(data: ModelledImage) -> np.ndarray:
    """Return the point-spread function; where there is none, one that leaves an image as it is."""
    return np.pad([[1.0]], 1) if data.psf is None else np.asarray(data.psf, float)
