"""The telescope on a GPU: what JAX renders there stays there until it is recorded."""

import numpy as np

from stronglens.telescope.camera import Telescope
from stronglens.telescope.recording import check_electrons, correlate, correlate_noise, noise_variance, observe


class DeviceTelescope:
    """Observation and noise compiled for images that lie on a device, and stay there until they are recorded.

    Images have 32 bits. Variances, sums over pixels, mean counts and noise are computed in 64, as on the CPU, so that
    labels agree with the CPU's to the roundings of the images. Noise is drawn from other random numbers than the CPU's;
    Poisson numbers by JAX's sampler without loops, whose distribution differs from Poisson's by less than 1e-4 in total
    (the one with loops computes in 32 bits: its counts are wrong beyond 1e5).

    Always give it the same number of images, and every image comes out the same whatever lies beside it.

    Parameters
    ----------
    telescope : Telescope
    """

    def __init__(self, telescope: Telescope):
        import jax

        self.telescope = telescope
        self._context = lambda: jax.enable_x64(True)  # of the calling thread alone
        self._observe = jax.jit(lambda source, lens, *wanted: observe(source, lens, telescope, *wanted))
        self._record = jax.jit(jax.vmap(self._record_image))
        self._record_gaussian = jax.jit(self._add_gaussian)
        self._correlate = jax.jit(lambda images, rate, time: correlate_noise(images, rate, telescope, time))

    def observe(self, source, lens, wanted_snr=None, exposure_time=None, peak_noise=None) -> tuple:
        """Do what :func:`observe` does: the rate stays on the device, what is measured comes back."""
        with self._context():
            rate, measured = self._observe(source, lens, wanted_snr, exposure_time, peak_noise)
            return rate, {name: np.asarray(values) for name, values in measured.items()}

    def add_noise(
        self, rate, keys: np.ndarray, exposure_time: np.ndarray | None = None, peak_noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw what the camera records of noiseless images and subtract the sky's mean.

        Parameters
        ----------
        rate : (N, H, W) float32 JAX array, e-/s, all the light but the sky
        keys : (N, 2) uint32, of random numbers, one an image
        exposure_time : (N,) s, in place of the telescope's
        peak_noise : (N,), noise as a share of each image's peak, Gaussian, in place of the telescope's

        Returns
        -------
        (N, H, W) float32 ndarray, e-/s

        Raises
        ------
        RunError
            When a pixel would hold more than ``MOST_ELECTRONS``.
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
