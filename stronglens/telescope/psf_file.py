"""Measured point-spread functions from FITS files, resampled to the pixel scale of the images."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stronglens.parameters import RunError, UsageError

PIXEL_SCALE_KEYS = (
    *("PIXELSCL", "PIXSCALE", "PIXSCAL", "PIXSCAL1", "PIXSCAL2", "PIXSCALX", "PIXSCALY"),
    *("SECPIX", "SECPIX1", "SECPIX2", "GS_SCALE", "D001SCAL"),
)
"""Header keywords for arcsec per pixel, from STPSF, Tiny Tim and other programs, GalSim, and AstroDrizzle."""

OVERSAMPLING_KEYS = ("OVERSAMP", "DET_SAMP", "OVERSAMPLE", "PSF_SAMP")
"""Header keywords for pixels per detector pixel, or its inverse; they are not sufficient without a pixel scale."""

SAME_SCALE = 0.01
"""Relative difference below which pixel scales are treated as equal."""

COARSEST = 1.5
"""Maximum pixel size of a file, in pixels of the images; the blur of larger pixels cannot be removed."""

SIGNIFICANCE = 2.0
"""Minimum significance of the mean of a ring that belongs to the point-spread function, in standard errors."""

STEEPEST, DESCRIBED = 0.25, 0.002
"""Maximum 1/beta of the Moffat function, unless its RMS residual in the core is below this fraction of the peak.
Undersampled diffraction cores do not constrain 1/beta: a free fit makes their peak up to 60 % too high."""

NARROWEST = 0.45
"""Minimum width of the Moffat function (a standard deviation), pixels; the file does not resolve a narrower core."""

_LARGEST = 4096
_FWHM_OF_SIGMA = np.sqrt(8 * np.log(2))


def split_extension(given: str | Path) -> tuple[Path, str | None]:
    """Return the file and the extension of ``FILE[EXTENSION]``; None for a file alone."""
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", str(given).strip())
    if match is None or Path(given).is_file():
        return Path(given), None
    return Path(match[1]), match[2].strip()


def read_psf(given: str | Path, pixel_scale: float) -> tuple[NDArray[np.float64], list[str]]:
    """Read a measured point-spread function and resample it to the pixels of the images.

    An elliptical Moffat function is fitted to the core. The kernel is this function at pixel centres, with its flux
    preserved, plus the band-limited (sinc) interpolation of the residual. Hence width and flux change neither by the
    shift of the centre to a pixel centre nor by another pixel scale. The Moffat function is needed for undersampled
    files: sinc interpolation alone would lower the peak of an even-sized Gaussian of FWHM 1.6 pixels by 12 %.

    Negative pixels are kept, since they are noise with a mean of zero. If the outskirts fall off more slowly than r^-2,
    so that their flux would be infinite, a background is subtracted. The kernel ends before the first ring without
    significant light.

    A file without a pixel scale is assumed to be sampled at `pixel_scale`. A file with finer pixels (an oversampled
    point-spread function) gives a kernel without the convolution with the image pixel, since images are averaged over
    their pixels before the convolution (see `optical_psf`).

    Parameters
    ----------
    given : str or Path
        A FITS file, or ``FILE[EXTENSION]`` with the extension's number, name, or name and version (``PSF,2``).
    pixel_scale : float, arcsec
        Pixel scale of the images.

    Returns
    -------
    psf : ndarray (K, K)
        K is odd, and the sum is 1. Row 0 is at the top, y up. The fitted function is centred on the central pixel.
    notes : list of str
        Lines that describe the file and the processing.

    Raises
    ------
    RunError
        If the file does not exist or does not contain exactly one usable image, or its pixels are not square or too
        coarse.
    UsageError
        If the file does not have the extension.
    """
    path, extension = split_extension(given)
    stamp, headers, name = _read_stamp(path, extension)
    stated = find_pixel_scale(headers, name)
    ratio = 1.0 if stated is None or abs(stated / pixel_scale - 1) < SAME_SCALE else stated / pixel_scale
    if ratio > COARSEST:
        raise RunError(
            f"{name}: its pixels of {stated:.4g} arcsec are too coarse for --pixel-scale={pixel_scale:g}; "
            "give a point-spread function with pixels of that size or finer"
        )
    if max(stamp.shape) * ratio < 3:
        raise RunError(
            f"{name}: {max(stamp.shape)} pixels of {stated:.4g} arcsec are narrower than three pixels of "
            f"--pixel-scale={pixel_scale:g}; give a larger point-spread function, or correct its header"
        )
    stamp, core, cut, cleaning = _clean(stamp, name)
    psf = _cut(_resample(stamp, core, ratio), cut * ratio)
    if not psf.sum() > 0:
        raise RunError(f"{name}: the total flux of the PSF is not positive")
    side = psf.shape[0]
    how = f"resampled from pixels of {stated:.4g} arcsec" if ratio != 1 else "pixels as in the header"
    if stated is None:
        how = f"no pixel scale in the header; assumed {pixel_scale:g} arcsec"
    note = f"PSF: {name}, FWHM {_fwhm(core) * ratio * pixel_scale:.3g} arcsec, {side}x{side} pixels; {how}"
    return psf / psf.sum(), [note, *cleaning]


def measure_fwhm(given: str | Path, pixel_scale: float) -> tuple[float, list[str]]:
    """Return the FWHM of a measured point-spread function, arcsec, and notes.

    It is the geometric mean of both axes of the Moffat function that `read_psf` fits to the core.

    Parameters
    ----------
    given : str or Path
        See `read_psf`.
    pixel_scale : float, arcsec
        Pixel scale of the file if its header has none.

    Raises
    ------
    RunError, UsageError
        See `read_psf`.
    """
    path, extension = split_extension(given)
    stamp, headers, name = _read_stamp(path, extension)
    stated = find_pixel_scale(headers, name)
    _, core, _, cleaning = _clean(stamp, name)
    how = f"no pixel scale in the header; assumed {pixel_scale:.4g} arcsec, that of the image"
    return _fwhm(core) * (stated or pixel_scale), cleaning if stated else [f"PSF: {name}: {how}", *cleaning]


def find_pixel_scale(headers: list[Any], name: str) -> float | None:
    """Return the pixel scale in arcsec from FITS headers, the first one with a scale; None if there is none.

    Parameters
    ----------
    headers : list of astropy.io.fits.Header
        Header of the image, then primary header of the file. World coordinates are read from the first one only.
    name : str
        Name of the file in messages.

    Returns
    -------
    float or None, arcsec

    Raises
    ------
    RunError
        If the pixels are not square, or a header has two pixel scales, or oversampling without a pixel scale.
    """
    for header in headers:
        sides = _sides_of_wcs(header) if header is headers[0] else None
        if sides is not None and sides[0] > (1 + SAME_SCALE) * sides[1]:
            raise RunError(f"{name}: its pixels are not square ({sides[0]:.4g} x {sides[1]:.4g} arcsec); resample it")
        stated = {"WCS": float(np.sqrt(np.prod(sides)))} if sides is not None else {}
        in_metres = str(header.get("PIXUNIT", "")).strip().lower().startswith("m")  # as in POPPY's pupils
        for key in PIXEL_SCALE_KEYS:
            value = _number(header, key)
            if value is not None and not (key == "PIXELSCL" and in_metres):
                stated[key] = value
        if stated and max(stated.values()) > (1 + 2 * SAME_SCALE) * min(stated.values()):
            several = ", ".join(f"{key} {value:.4g}" for key, value in stated.items())
            raise RunError(f"{name}: its header has several pixel scales [arcsec] ({several}); keep the right one")
        if stated:
            return next(iter(stated.values()))
    for key in OVERSAMPLING_KEYS:
        value = next((number for number in (_number(header, key) for header in headers) if number is not None), 1)
        if value != 1:
            raise RunError(
                f"{name}: its header has {key} = {value:g} but no pixel scale; add PIXSCALE, arcsec per pixel"
            )
    return None


def _number(header: Any, key: str) -> float | None:
    """Return the value of a header key if it is a positive number, else None."""
    try:
        value = header.get(key)
        number = float("nan" if isinstance(value, bool | None) else value)
    except Exception:  # a damaged card or a text
        return None
    return number if np.isfinite(number) and number > 0 else None


def _sides_of_wcs(header: Any) -> NDArray[np.float64] | None:
    """Return the longer and the shorter side of a pixel, arcsec; None if the header has no angles.

    They are the singular values of the matrix from CD, PC, CDELT or CROTA, and are equal only for square pixels.
    """
    from astropy import units
    from astropy.wcs import WCS

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header, naxis=2)
            wcs.wcs.set()
            if not (wcs.wcs.has_cd() or "CDELT1" in header):
                return None
            angles = ["arcsec"] * 2 if "GS_WCS" in header else wcs.wcs.cunit  # GalSim writes no unit
            matrix = np.array([[units.Unit(angle).to("arcsec")] for angle in angles]) * wcs.pixel_scale_matrix
            sides = np.linalg.svd(matrix, compute_uv=False)
    except Exception:  # the unit is not an angle, or the header is damaged
        return None
    return sides if np.isfinite(sides).all() and sides.min() > 1e-6 else None


def _read_stamp(path: Path, extension: str | None) -> tuple[NDArray[np.float64], list[Any], str]:
    """Return the pixels, with row 0 at the top and a peak of about 1, the headers, and a name for messages."""
    from astropy.io import fits

    name = " ".join(str(path).split())
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "no such file (--psf-fits)"
        raise RunError(f"cannot read a PSF from {name}: {what}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The file is opened here, since Astropy does not close a damaged file.
            with open(path, "rb") as stream, fits.open(stream, memmap=False) as hdus:
                number = _choose(hdus, extension, name)
                pixels = np.array(hdus[number].data, float)
                headers = [hdus[number].header.copy(), hdus[0].header.copy()]
                name = f"{name}[{hdus[number].name or number}]" if len(hdus) > 1 else name
    except (RunError, UsageError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"cannot read a PSF from {name}: {reason}") from None
    pixels = np.flipud(pixels.reshape(pixels.shape[-2:]))
    if min(pixels.shape) < 3 or max(pixels.shape) > _LARGEST:
        size = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
        raise RunError(f"{name}: a PSF must have 3 to {_LARGEST} pixels along each side, not {size}")
    pixels = np.where(np.isfinite(pixels), pixels, np.nan)
    largest, least = (np.nanmax(pixels), np.nanmin(pixels)) if np.isfinite(pixels).any() else (0, 0)
    if not largest > max(0, least):
        raise RunError(f"{name}: the PSF has no light or is constant")
    return pixels / largest, headers, name


def _choose(hdus: Any, extension: str | None, name: str) -> int:
    """Return the number of the extension with the point-spread function."""
    planes = {
        number: hdu
        for number, hdu in enumerate(hdus)
        if hdu.is_image and len(hdu.shape) >= 2 and np.prod(hdu.shape) == np.prod(hdu.shape[-2:]) > 0
    }
    known = ", ".join(f"{number} {hdu.name}".strip() for number, hdu in enumerate(hdus))
    if extension is not None:
        label, _, version = (part.strip() for part in extension.partition(","))
        for number, hdu in enumerate(hdus):
            if extension == str(number) or (hdu.name.upper() == label.upper() and version in ("", str(hdu.ver))):
                if number not in planes:
                    what = " x ".join(map(str, hdu.shape)) if hdu.is_image else "a table"
                    raise RunError(f"{name}[{extension}] is not a single image ({what or 'empty'})")
                return number
        raise UsageError(f"--psf-fits={name}[{extension}]: this extension does not exist; the file has {known}")
    if not planes:
        shapes = [" x ".join(map(str, hdu.shape)) if hdu.is_image else "a table" for hdu in hdus]
        raise RunError(
            f"{name} contains no two-dimensional image ({', '.join(filter(None, shapes)) or 'empty'}); "
            "write the PSF at one position into a separate file"
        )
    if len(planes) > 1:
        shown = ", ".join(f"{number} {hdu.name}".strip() for number, hdu in planes.items())
        raise RunError(
            f"{name} contains {len(planes)} two-dimensional images; choose one with --psf-fits={name}[EXTENSION]: "
            f"{shown}"
        )
    return next(iter(planes))


def _clean(stamp: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], float, list[str]]:
    """Subtract the background and fill missing pixels.

    Returns
    -------
    stamp : ndarray (H, W)
    core : ndarray (7,)
        Parameters of `_moffat`.
    cut : float, pixels
        Radius beyond which there is no significant light; inf if there is light everywhere.
    notes : list of str
    """
    frame = np.concatenate([stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]])
    core = _fit_core(stamp - (np.nanmedian(frame) if np.isfinite(frame).any() else 0), name)
    centre, width = core[1:3], np.sqrt(core[3] * core[4])
    if any(abs(place - (size - 1) / 2) > size / 8 for place, size in zip(centre, stamp.shape, strict=True)):
        raise RunError(f"{name}: the PSF is far from the centre of its image; cut out an image centred on it")
    radius = np.hypot(*(axis - place for axis, place in zip(np.indices(stamp.shape), centre, strict=True)))
    known = np.isfinite(stamp)
    if not known[radius < 3 * width].all():
        raise RunError(f"{name}: the PSF has pixels that are not finite in its core")
    reach = min(min(place, size - 1 - place) for place, size in zip(centre, stamp.shape, strict=True)) + 0.5
    # Zeros are not measurements: many programs set masked pixels, or pixels outside a circle, to zero.
    outskirts, middle = (
        stamp[known & (stamp != 0) & (radius > low * reach) & (radius < high * reach)]
        for low, high in ((0.85, 2), (0.55, 0.65))
    )
    scatter = error = background = level = 0.0
    is_measured = reach > 6 * width and min(outskirts.size, middle.size) >= 8
    if is_measured:
        level = np.median(outskirts)
        scatter = 1.4826 * np.median(np.abs(outskirts - level))
        # Wings that fall off as r^-3 (diffraction) are brighter in the middle ring by at least this factor. So are
        # wings that fall off as r^-2, since the mean radii of the rings differ more. The rest is background.
        times = (0.85 / 0.65) ** 3
        background = min(level, max(0.0, (times * level - np.median(middle)) / (times - 1)))
        error = 1.25 * scatter * np.hypot(times / np.sqrt(outskirts.size), 1 / np.sqrt(middle.size)) / (times - 1)
        stamp = np.where(stamp != 0, stamp - background, 0)
    core = _fit_core(stamp, name)
    if core[0] < 5 * scatter:
        raise RunError(f"{name}: there is no significant star above the noise")
    notes = []
    if not is_measured:
        notes.append(
            "PSF: its edge is too close (2.5 FWHM) to separate background and wings; no background is subtracted"
        )
    elif abs(background) > 5 * error and abs(background) * stamp.size > 0.01 * stamp.sum():
        notes.append(f"PSF: a background of {background:.2g} times the peak is subtracted")
    cut, inner = np.inf, 4 * width
    while inner < radius.max():
        end = max(inner + 1, 1.25 * inner)
        ring = (radius > inner) & (radius <= end)
        light = stamp[ring & known]
        # A ring has light if it is significantly brighter than zero (within the background's error) or the outskirts.
        errors = [scatter / np.sqrt(max(1, some.size)) for some in (light, outskirts)]
        faintest = min(SIGNIFICANCE * np.hypot(errors[0], error), level - background + SIGNIFICANCE * np.hypot(*errors))
        if light.size and light.mean() <= faintest:
            cut = inner
            break
        stamp[ring & ~known] = light.mean() if light.size else 0
        inner = end
    return np.nan_to_num(stamp), core, cut, notes


def _fit_core(stamp: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return the least-squares parameters of `_moffat`, fitted within four widths of the brightest position."""
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import least_squares

    filled = np.nan_to_num(stamp)
    start = np.array(np.unravel_index(np.argmax(gaussian_filter(filled, 1, mode="constant")), stamp.shape))
    rows, columns = np.indices(stamp.shape)
    away = np.hypot(rows - start[0], columns - start[1])
    peak = filled[away < 2].max()
    width = max(0.6, 2 * np.sqrt((filled > peak / 2).sum() / np.pi) / _FWHM_OF_SIGMA)
    near = np.isfinite(stamp) & (away <= max(2.5, 4 * width))
    if near.sum() < 8 or not peak > 0:
        raise RunError(f"{name}: the PSF has no light, or too few finite pixels, in its core")
    y, x, light = rows[near], columns[near], filled[near]
    largest = max(stamp.shape)
    for steepest in (2 / 3, STEEPEST):
        fit = least_squares(
            lambda core: _moffat(core, y, x) - light,
            [peak, *start, width, width, 0.0, 0.1],
            bounds=(
                [0, *(start - 3 * width), NARROWEST, NARROWEST, -0.95, 1e-6],
                [np.inf, *(start + 3 * width), largest, largest, 0.95, steepest],
            ),
            xtol=1e-12,
            ftol=1e-12,
        )
        if np.sqrt(np.mean(fit.fun**2)) < DESCRIBED * fit.x[0]:
            break
    return fit.x


def _moffat(core: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an elliptical Moffat function, peak (1 + t r^2 / 2)^(-1/t), at pixels.

    Parameters
    ----------
    core : ndarray (7,)
        Peak; row and column of the centre; widths along y and x in pixels, and their correlation, which define r; t = 1
        / beta (Moffat 1969, A&A 3, 455). In the limit t = 0 it is a Gaussian with the widths as standard deviations.
    """
    peak, row, column, along_y, along_x, correlation, t = core
    y, x = (y - row) / along_y, (x - column) / along_x
    squared = (y**2 - 2 * correlation * y * x + x**2) / (1 - correlation**2)
    return peak * np.exp(-np.log1p(t * squared / 2) / t)


def _fwhm(core: NDArray[np.float64]) -> float:
    """Return the FWHM of `_moffat`, the geometric mean of both axes, pixels."""
    _, _, _, along_y, along_x, correlation, t = core
    width = np.sqrt(along_y * along_x * np.sqrt(1 - correlation**2))
    return float(2 * width * np.sqrt(2 * (2**t - 1) / t))


def _resample(stamp: NDArray[np.float64], core: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Return a stamp in pixels 1 / `ratio` times as large, centred on its core, with its flux preserved."""
    half = int(max(stamp.shape) * ratio / 2 + 1e-6)
    places = np.arange(-half, half + 1) / ratio
    model = _moffat(core, *np.indices(stamp.shape))
    coarser = max(1.0, 1 / ratio)  # the coarser sampling limits the frequencies
    over_y, over_x = (
        np.sinc((centre + places[:, None] - np.arange(size)) / coarser) / (ratio * coarser)
        for centre, size in zip(core[1:3], stamp.shape, strict=True)
    )
    sampled = _moffat(core, core[1] + places[:, None], core[2] + places)
    return sampled * model.sum() / sampled.sum() + over_y @ (stamp - model) @ over_x.T


def _cut(psf: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return a kernel that is zero beyond a radius in pixels."""
    middle = psf.shape[0] // 2
    if not radius < middle * np.sqrt(2):
        return psf
    radius = max(1.0, radius)
    rows, columns = np.indices(psf.shape) - middle
    half = min(middle, int(radius))
    inside = slice(middle - half, middle + half + 1)
    return np.where(np.hypot(rows, columns) <= radius, psf, 0)[inside, inside]
