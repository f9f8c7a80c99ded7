"""Simulated observation on a GPU: images that JAX renders stay there until they are recorded."""

import numpy as np

from stronglens.telescope.camera import Telescope
from stronglens.telescope.recording import check_electrons, correlate, correlate_noise, noise_variance, observe


class DeviceTelescope:
    """Compiled observation and noise for images on a device.

    Images are float32. Variances, sums over pixels, mean counts and noise are float64, as on the CPU, so that labels
    agree with those of the CPU to the rounding errors of the images. The random numbers of the noise differ from those
    of the CPU. Poisson numbers are from JAX's sampler without loops, whose distribution has a total variation distance
    below 1e-4 from Poisson's. (The sampler with loops uses float32, and its counts are wrong above 1e5.)

    An image does not depend on the other images if the number of images is always the same.

    Parameters
    ----------
    telescope : Telescope
    """

    def __init__(self, telescope: Telescope):
        import jax

        self.telescope = telescope
        self._context = lambda: jax.enable_x64(True)  # applies to the calling thread only
        self._observe = jax.jit(lambda source, lens, *wanted: observe(source, lens, telescope, *wanted))
        self._record = jax.jit(jax.vmap(self._record_image))
        self._record_gaussian = jax.jit(self._add_gaussian)
        self._correlate = jax.jit(lambda images, rate, time: correlate_noise(images, rate, telescope, time))

    def observe(self, source, lens, wanted_snr=None, exposure_time=None, peak_noise=None) -> tuple:
        """Like :func:`observe`, but the rate stays on the device; the measured values are NumPy arrays."""
        with self._context():
            rate, measured = self._observe(source, lens, wanted_snr, exposure_time, peak_noise)
            return rate, {name: np.asarray(values) for name, values in measured.items()}

    def add_noise(
        self, rate, keys: np.ndarray, exposure_time: np.ndarray | None = None, peak_noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Add noise to noiseless images; the mean sky is subtracted.

        Parameters
        ----------
        rate : JAX array (N, H, W) float32, electrons/s
            All light except the sky.
        keys : ndarray (N, 2) uint32
            A key of random numbers per image.
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
            with self._context():
                return np.asarray(self._record_gaussian(rate, keys, peak_noise))
        if not self.telescope.is_noisy:
            return np.asarray(rate)
        times = self.telescope.exposure_time if exposure_time is None else exposure_time
        with self._context():
            images, most = self._record(rate, keys, np.broadcast_to(np.asarray(times, float), len(rate)))
            images = self._correlate(images, rate, exposure_time)
        check_electrons(np.asarray(most).max())
        return np.asarray(images)

    def _record_image(self, noiseless, key, time):
        import jax

        camera = self.telescope
        photons, read_outs = jax.random.split(jax.random.wrap_key_data(key, impl="threefry2x32"))
        mean = (noiseless.astype(float) + camera.sky) * time
        electrons = jax.random.poisson(photons, mean, dtype=int, method="approximate")
        read_noise = camera.read_noise * np.sqrt(camera.exposures)
        electrons = electrons + read_noise * jax.random.normal(read_outs, mean.shape, float)
        return (electrons / time - camera.sky).astype(noiseless.dtype), mean.max()

    def _add_gaussian(self, rate, keys, peak_noise):
        import jax

        def draw(key):
            return jax.random.normal(jax.random.wrap_key_data(key, impl="threefry2x32"), rate.shape[1:], float)

        deviation = noise_variance(rate, self.telescope, peak_noise=peak_noise) ** 0.5
        noise = correlate(jax.vmap(draw)(keys), self.telescope.noise_correlation)
        return (rate + deviation * noise).astype(rate.dtype)
