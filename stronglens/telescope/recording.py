"""Noiseless images to recorded ones: blur, variances, noise.

Functions of arrays take NumPy's or JAX's and answer in kind.
"""

import numpy as np

from stronglens.parameters import RunError
from stronglens.telescope.camera import Telescope

MOST_ELECTRONS = 1e18
"""In a pixel: NumPy draws Poisson numbers of 64 bits."""

DARK = 1e-30
"""Peak of an image without light, e-/s: its noise is next to nothing, and its signal-to-noise 0 and not 0 / 0."""

_BISECTIONS = 50


def blur(images: np.ndarray, psf: np.ndarray | None) -> np.ndarray:
    """Convolve images, rendered with a margin of half the kernel on every side, and cut the margin off.

    Light from outside the field is thus blurred into it, and none is lost at the edges.

    Parameters
    ----------
    images : (N, H + K - 1, W + K - 1) float32
    psf : (K, K) or None

    Returns
    -------
    (N, H, W) float32
    """
    if psf is None:
        return images
    kernel = psf.astype(images.dtype)
    if isinstance(images, np.ndarray):
        from scipy.signal import fftconvolve

        blurred = fftconvolve(images, kernel[None], mode="valid", axes=(1, 2))
    else:
        import jax

        blurred = jax.vmap(lambda image: jax.scipy.signal.fftconvolve(image, kernel, mode="valid"))(images)
    return blurred.clip(min=0)  # the FFT leaves -1e-8 of the peak where there is no light


def observe(source, lens, telescope: Telescope, wanted_snr=None, exposure_time=None, peak_noise=None) -> tuple:
    """Blur what was rendered, and measure what is known without noise.

    Parameters
    ----------
    source : (N, H + K - 1, W + K - 1) e-/s
    lens : the same, or None where it does not shine
    wanted_snr : (N,), optional
        Signal-to-noise at which the exposure ends, in place of the telescope's exposure time.
    exposure_time : (N,) s, optional
        In place of the telescope's.
    peak_noise : (N,), optional
        Noise as a share of each image's peak, in place of the telescope's.

    Returns
    -------
    rate : (N, H, W) float32, e-/s, all the light but the sky
    measured : dict of (N,) float64
        ``flux`` of the source in the field before the blur, e-/s; with noise ``snr`` of the source; with a wanted one
        ``exposure_time``, s.
    """
    margin = telescope.padding
    inside = source[:, margin : source.shape[1] - margin, margin : source.shape[2] - margin]
    measured = {"flux": sum_pixels(inside)}
    source = blur(source, telescope.psf)
    rate = source if lens is None else source + blur(lens, telescope.psf)
    if telescope.is_noisy or peak_noise is not None:
        time = exposure_time
        if wanted_snr is not None:
            time = measured["exposure_time"] = exposure_for_snr(wanted_snr, source, rate, telescope)
        measured["snr"] = signal_to_noise(source, noise_variance(rate, telescope, time, peak_noise))
    return rate, measured


def noise_variance(rate: np.ndarray, telescope: Telescope, exposure_time=None, peak_noise=None) -> np.ndarray:
    """Return the variance of each pixel.

    (rate + sky) / t + exposures x read_noise^2 / t^2: photons and read-outs (Howell 2006, Handbook of CCD
    Astronomy, eq. 4.4 without dark current). With ``peak_noise`` (peak_noise x peak of the image)^2 in its place.

    Parameters
    ----------
    rate : (N, H, W) e-/s, all the light but the sky
    exposure_time : (N,) s, in place of the telescope's
    peak_noise : (N,), in place of the telescope's noise

    Returns
    -------
    (N, H, W) (e-/s)^2
    """
    if peak_noise is not None:
        xp = rate.__array_namespace__()
        peak = xp.maximum(rate.max(axis=(1, 2)).astype(float), DARK)
        return xp.broadcast_to(((peak_noise * peak) ** 2).reshape(-1, 1, 1), rate.shape)
    time = _exposure(telescope, exposure_time)
    return (rate + telescope.sky) / time + telescope.exposures * telescope.read_noise**2 / time**2


def signal_to_noise(source: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return sqrt(sum over pixels of source^2 / variance): (N,) from (N, H, W)."""
    return sum_pixels(source.astype(float) ** 2 / variance) ** 0.5


def sum_pixels(images: np.ndarray) -> np.ndarray:
    """Return the sum over each image in double precision, to the bit whatever other images are summed beside it.

    NumPy chooses the order of a sum over several axes by the whole array's shape; over rows laid out one after another
    it has no choice.
    """
    return images.astype(float).reshape(len(images), -1).sum(axis=1)


def exposure_for_snr(wanted: np.ndarray, source: np.ndarray, rate: np.ndarray, telescope: Telescope) -> np.ndarray:
    """Return the exposure time at which the source reaches a wanted signal-to-noise.

    The signal-to-noise grows with the time without bound, so that the root is unique; found by bisection of log t.

    Parameters
    ----------
    wanted : (N,)
    source, rate : (N, H, W) e-/s, of the lensed source and of all light but the sky

    Returns
    -------
    (N,) s; inf where the source has no light
    """
    xp = source.__array_namespace__()

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        reached = signal_to_noise(source, noise_variance(rate, telescope, 10**middle)) >= wanted
        return xp.where(reached, low, middle), xp.where(reached, middle, high)

    bounds = xp.full(len(wanted), -6.0), xp.full(len(wanted), 15.0)  # log10 s: a microsecond to 30 Myr
    _, high = _repeat(_BISECTIONS, halve, bounds)
    return xp.where(source.max(axis=(1, 2)) > 0, 10**high, np.inf)


def add_noise(
    rate: np.ndarray, telescope: Telescope, generators: list[np.random.Generator], exposure_time=None, peak_noise=None
) -> np.ndarray:
    """Draw what the camera records of noiseless images and subtract the sky's mean.

    Parameters
    ----------
    rate : (N, H, W) e-/s, all the light but the sky
    generators : N random generators, one an image
    exposure_time : (N,) s, in place of the telescope's
    peak_noise : (N,), noise as a share of each image's peak, Gaussian, in place of the telescope's

    Returns
    -------
    (N, H, W) float32, e-/s
    """
    if peak_noise is not None:
        deviation = np.sqrt(noise_variance(rate, telescope, peak_noise=peak_noise))
        noise = np.stack([random.standard_normal(rate.shape[1:]) for random in generators])
        return (rate + deviation * correlate(noise, telescope.noise_correlation)).astype(np.float32)
    if not telescope.is_noisy:
        return rate.astype(np.float32)
    times = np.broadcast_to(_exposure(telescope, exposure_time), (len(rate), 1, 1))[:, 0, 0]
    read_noise = telescope.read_noise * np.sqrt(telescope.exposures)
    images = np.empty(rate.shape, np.float32)
    for image, noiseless, random, time in zip(images, rate, generators, times, strict=True):
        mean = (noiseless.astype(float) + telescope.sky) * time
        check_electrons(mean.max())
        electrons = random.poisson(mean)
        image[:] = (electrons + read_noise * random.standard_normal(noiseless.shape)) / time - telescope.sky
    return correlate_noise(images, rate, telescope, exposure_time)


def correlate_noise(images, rate, telescope: Telescope, exposure_time=None):
    """Return images with noise that pixels share with their neighbours, each pixel's variance as it was.

    Parameters
    ----------
    images : (N, H, W) e-/s, of independent noise
    rate : (N, H, W) e-/s, the same without noise
    exposure_time : (N,) s, in place of the telescope's

    Returns
    -------
    (N, H, W), of the images' type
    """
    if not telescope.noise_correlation:
        return images
    # Without sky and read-outs a dark pixel has no noise.
    deviation = noise_variance(rate, telescope, exposure_time).clip(min=np.finfo(np.float32).tiny) ** 0.5
    noise = correlate((images - rate) / deviation, telescope.noise_correlation)
    return (rate + deviation * noise).astype(images.dtype)


def correlate(noise, correlation: float):
    """Return white noise smoothed along both axes so that pixels side by side correlate, its variance kept.

    Convolved with (a, 1, a) / sqrt(1 + 2 a^2), noise correlates by 2 a / (1 + 2 a^2) with its neighbours and by half of
    a times that two pixels away: as where the drops of several exposures fall on neighbouring pixels (drizzling:
    Fruchter & Hook 2002, PASP 114, 144). Opposite edges are neighbours, too.

    Parameters
    ----------
    noise : (N, H, W)
    correlation : from 0 to 0.7
    """
    if not correlation:
        return noise
    xp = noise.__array_namespace__()
    share = (1 - (1 - 2 * correlation**2) ** 0.5) / (2 * correlation)
    for axis in (1, 2):
        beside = xp.roll(noise, 1, axis) + xp.roll(noise, -1, axis)
        noise = (noise + share * beside) / (1 + 2 * share**2) ** 0.5
    return noise


def check_electrons(most: float) -> None:
    """Refuse more electrons in a pixel than ``MOST_ELECTRONS``."""
    if not most <= MOST_ELECTRONS:
        raise RunError(
            f"a pixel would hold {most:.1e} electrons, more than can be drawn: shorten --exposure-time, or "
            "lower --zero-point or the intensities (with --snr-range: the source lies outside the field)"
        )


def _repeat(times: int, step, state: tuple) -> tuple:
    """Apply ``step(turn, state)``: in Python to NumPy's arrays, in one compiled loop to JAX's."""
    if not isinstance(state[0], np.ndarray):
        import jax

        return jax.lax.fori_loop(0, times, step, state)
    for turn in range(times):
        state = step(turn, state)
    return state


def _exposure(telescope: Telescope, exposure_time):
    """Return exposure times that broadcast over (N, H, W)."""
    time = np.float64(telescope.exposure_time) if exposure_time is None else exposure_time
    return time.reshape(-1, 1, 1)
