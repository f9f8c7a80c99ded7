"""Simulated observation of noiseless images: convolution with the PSF, variances and noise.

The functions take NumPy or JAX arrays and return arrays of the same kind.
"""

import numpy as np

from stronglens.parameters import RunError
from stronglens.telescope.camera import Telescope

MOST_ELECTRONS = 1e18
"""Maximum number of electrons in a pixel, for NumPy's 64-bit Poisson numbers."""

DARK = 1e-30
"""Peak assumed for images without light, electrons/s, so that S/N is 0, not 0/0."""

_BISECTIONS = 50


def blur(images: np.ndarray, psf: np.ndarray | None) -> np.ndarray:
    """Convolve images that have a margin of half the kernel on every side, and remove the margin.

    The margin contributes light from outside the field.

    Parameters
    ----------
    images : array (N, H + K - 1, W + K - 1) float32
    psf : ndarray (K, K) or None

    Returns
    -------
    array (N, H, W) float32
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
    return blurred.clip(min=0)  # rounding errors of the FFT are about -1e-8 of the peak


def observe(source, lens, telescope: Telescope, wanted_snr=None, exposure_time=None, peak_noise=None) -> tuple:
    """Convolve rendered images with the PSF, and compute labels of the noiseless images.

    Parameters
    ----------
    source : array (N, H + K - 1, W + K - 1), electrons/s
    lens : array of the same shape, or None
        None for lenses without light.
    telescope : Telescope
    wanted_snr : array (N,), optional
        Signal-to-noise ratio that sets the exposure time.
    exposure_time : array (N,), s, optional
        Exposure time instead of that of the telescope.
    peak_noise : array (N,), optional
        Noise relative to the peak of each image, instead of the telescope's noise.

    Returns
    -------
    rate : array (N, H, W) float32, electrons/s
        All light except the sky.
    measured : dict of array (N,) float64
        ``flux`` of the source in the field before the convolution, electrons/s; ``snr`` of the source if there is
        noise; ``exposure_time``, s, if ``wanted_snr`` is given.
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

    It is (rate + sky) / t + exposures x read_noise^2 / t^2, for photon noise and read noise (Howell 2006, Handbook of
    CCD Astronomy, eq. 4.4 without dark current). With ``peak_noise`` it is (peak_noise x peak of the image)^2.

    Parameters
    ----------
    rate : array (N, H, W), electrons/s
        All light except the sky.
    telescope : Telescope
    exposure_time : array (N,), s, optional
        Exposure time instead of that of the telescope.
    peak_noise : array (N,), optional
        Noise relative to the peak of each image, instead of the telescope's noise.

    Returns
    -------
    array (N, H, W), (electrons/s)^2
    """
    if peak_noise is not None:
        xp = rate.__array_namespace__()
        peak = xp.maximum(rate.max(axis=(1, 2)).astype(float), DARK)
        return xp.broadcast_to(((peak_noise * peak) ** 2).reshape(-1, 1, 1), rate.shape)
    time = _exposure(telescope, exposure_time)
    return (rate + telescope.sky) / time + telescope.exposures * telescope.read_noise**2 / time**2


def signal_to_noise(source: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the signal-to-noise ratios (N,), sqrt(sum over pixels of source^2 / variance), from arrays (N, H, W)."""
    return sum_pixels(source.astype(float) ** 2 / variance) ** 0.5


def sum_pixels(images: np.ndarray) -> np.ndarray:
    """Return the sum over each image in double precision, independent of the other images to the bit.

    NumPy's order of summation over several axes depends on the shape of the array; over contiguous rows it is fixed.
    """
    return images.astype(float).reshape(len(images), -1).sum(axis=1)


def exposure_for_snr(wanted: np.ndarray, source: np.ndarray, rate: np.ndarray, telescope: Telescope) -> np.ndarray:
    """Return the exposure time for a given signal-to-noise ratio of the source.

    The ratio increases with time without bound, so the root is unique. It is found by bisection in log t.

    Parameters
    ----------
    wanted : array (N,)
    source, rate : array (N, H, W), electrons/s
        Lensed source, and all light except the sky.
    telescope : Telescope

    Returns
    -------
    array (N,), s
        Infinity if the source has no light.
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
    """Add noise to noiseless images; the mean sky is subtracted.

    Parameters
    ----------
    rate : ndarray (N, H, W), electrons/s
        All light except the sky.
    telescope : Telescope
    generators : list of N numpy.random.Generator
        A generator of random numbers per image.
    exposure_time : ndarray (N,), s, optional
        Exposure time instead of that of the telescope.
    peak_noise : ndarray (N,), optional
        Standard deviation of Gaussian noise relative to the peak of each image, instead of the telescope's noise.

    Returns
    -------
    ndarray (N, H, W) float32, electrons/s

    Raises
    ------
    RunError
        When a pixel has more than ``MOST_ELECTRONS``.
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
    """Return images with correlated noise and the same variance in each pixel.

    Parameters
    ----------
    images : array (N, H, W), electrons/s
        Images with independent noise.
    rate : array (N, H, W), electrons/s
        Images without noise.
    telescope : Telescope
    exposure_time : array (N,), s, optional
        Exposure time instead of that of the telescope.

    Returns
    -------
    array (N, H, W), of the type of ``images``
    """
    if not telescope.noise_correlation:
        return images
    # Without sky and read noise, a pixel without light has no noise.
    deviation = noise_variance(rate, telescope, exposure_time).clip(min=np.finfo(np.float32).tiny) ** 0.5
    noise = correlate((images - rate) / deviation, telescope.noise_correlation)
    return (rate + deviation * noise).astype(images.dtype)


def correlate(noise, correlation: float):
    """Return white noise smoothed along both axes, so that adjacent pixels are correlated, with the same variance.

    After a convolution with (a, 1, a) / sqrt(1 + 2 a^2), the correlation is 2 a / (1 + 2 a^2) for adjacent pixels and a
    / 2 times that for a distance of two pixels. This is similar to the noise of drizzled images (Fruchter & Hook 2002,
    PASP 114, 144). The boundaries are periodic.

    Parameters
    ----------
    noise : array (N, H, W)
    correlation : float, 0 to 0.7
        Correlation of adjacent pixels.
    """
    if not correlation:
        return noise
    xp, share = noise.__array_namespace__(), _share_of(correlation)
    for axis in (1, 2):
        beside = xp.roll(noise, 1, axis) + xp.roll(noise, -1, axis)
        noise = (noise + share * beside) / (1 + 2 * share**2) ** 0.5
    return noise


def whiten(noise, correlation: float):
    """Return the white noise (N, H, W) from which `correlate` makes the given noise.

    The matrix of `correlate` is a periodic convolution, and is inverted in Fourier space.
    """
    if not correlation:
        return noise
    xp, share = noise.__array_namespace__(), _share_of(correlation)
    rows, columns = noise.shape[1:]
    transfer = [
        (1 + 2 * share * np.cos(2 * np.pi * frequencies)) / (1 + 2 * share**2) ** 0.5
        for frequencies in (np.fft.fftfreq(rows), np.fft.rfftfreq(columns))
    ]
    return xp.fft.irfft2(xp.fft.rfft2(noise) / np.outer(*transfer), s=(rows, columns))


def _share_of(correlation: float) -> float:
    """Return a of `correlate`."""
    return (1 - (1 - 2 * correlation**2) ** 0.5) / (2 * correlation)


def check_electrons(most: float) -> None:
    """Raise RunError for more electrons in a pixel than ``MOST_ELECTRONS``."""
    if not most <= MOST_ELECTRONS:
        raise RunError(
            f"a pixel has {most:.1e} electrons, too many for Poisson random numbers; shorten --exposure-time, or "
            "lower --zero-point or the intensities (with --snr-range: the source is outside the field)"
        )


def _repeat(times: int, step, state: tuple) -> tuple:
    """Apply ``step(turn, state)`` repeatedly, in Python to NumPy arrays and in a compiled loop to JAX arrays."""
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
