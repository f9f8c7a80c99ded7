"""Likelihood of the image of an elliptical lens, under JAX, with derivatives.

The intensities of source and lens light and a constant background enter a model image linearly. They are integrated
out, with flat priors (intensities: not negative). Where the training set draws magnitudes, the prior is uniform in the
magnitude instead: flat intensities at the effective radius would favour small radii and Sersic indices, since the total
flux is known.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtr
from jax.scipy.stats import norm

from stronglens import telescope
from stronglens.raytracing.refinement import SMOOTH
from stronglens.regression.image_fit import ImageData
from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_shape import add_light, keep_inside, render_templates
from stronglens.simulation.columns import LARGEST_ELLIPTICITY

RAYS = 1
"""Number of rays along each side of a pixel. The cusp of the lens light is integrated, and that of the source has more
rays if the likelihood is a fine one. What is missing, compared with the simulator's images, is computed at the best fit
and around it, and added as a linear function."""

TINY, RIDGE = 1e-30, 1e-12
"""Added to squared lengths and to the diagonal of the normal matrix: a template without light gets the intensity 0."""


class ImageLikelihood:
    """Model images of one training set as functions of standard normal numbers, and their likelihood.

    One compiled program serves every image and every choice of the priors' ranges.

    Parameters
    ----------
    simulator : LensSimulator
    names : tuple of D str
        Columns.
    is_fine : bool
        Whether pixels around the cusp of the source have more rays, as the simulator's have; takes three times as long.
    """

    def __init__(self, simulator, names: tuple[str, ...], is_fine: bool = False):
        self.simulator, self.names, self.is_fine = simulator, names, is_fine
        self.correlation = simulator.telescope.noise_correlation
        lights = ("src", "lens") if simulator.renderer.lens_light else ("src",)
        self.has_magnitude = tuple(f"{galaxy}-magnitude" in simulator.ranges for galaxy in lights)
        self._linearized = jax.jit(self._differentiate)
        self._density = jax.jit(self.log_density)

    def templates(self, z, priors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images of source, lens (if it has light) and background at intensity 1, and their derivatives.

        Parameters
        ----------
        z : ndarray (D,)
        priors : ndarray (2, D)
            `Priors.array`.

        Returns
        -------
        templates : ndarray (T, H, W)
        derivatives : ndarray (D, T, H, W)
        """
        with jax.enable_x64(True):
            images, derivatives = self._linearized(np.asarray(z, float), priors)
            return np.asarray(images), np.asarray(derivatives)

    def correction(self, z: np.ndarray, priors: Priors) -> np.ndarray:
        """Return the simulator's images less `templates` at points (S, D): ndarray (S, T, H, W)."""
        return self.render(z, priors) - np.stack([self.templates(one, priors.array)[0] for one in z])

    def render(self, z: np.ndarray, priors: Priors) -> np.ndarray:
        """Return the simulator's images at points (S, D), like `templates`: ndarray (S, T, H, W)."""
        values = dict(zip(self.names, priors.to_values(z).T, strict=True))
        rendered = render_templates(self.simulator, keep_inside(add_light(values, {}), {}))
        return np.stack([np.stack([*images, np.ones_like(images[0])]) for images in rendered])

    def log_density(self, z, priors, image, weight, correction):
        """Return the logarithm of likelihood times prior, up to a constant, as a JAX function.

        Parameters
        ----------
        z : array (D,)
        priors : array (2, D)
        image, weight : array (H, W)
            e-/s, and one over the standard deviation, 0 in pixels that are not used.
        correction : array (1 + D, T, H, W)
            See `image_fit.correct`.
        """
        templates = self._templates(z, priors) + correction[0] + jnp.tensordot(z, correction[1:], 1)
        value = integrate_intensities(templates, image, weight, self.correlation, self.has_magnitude)
        return value - 0.5 * (z @ z)

    def density(self, priors: Priors, data: ImageData) -> Callable[[np.ndarray], float]:
        """Return `log_density` as a function of points (D,), for calls from several threads."""
        templates = 2 + bool(self.simulator.renderer.lens_light)
        correction = np.zeros((1 + len(self.names), templates, *data.image.shape))  # one shape, one compiled program
        correction[: len(np.atleast_1d(data.correction))] = data.correction
        with jax.enable_x64(True):  # copied once, not in each call
            whole = [jnp.asarray(one) for one in (priors.array, data.image, data.weight, correction)]

        def density(z: np.ndarray) -> float:
            with jax.enable_x64(True):  # applies to the current thread only
                return float(self._density(z, *whole))

        density(np.zeros(len(self.names)))  # threads would each compile the program
        return density

    def judge(self, z, priors: Priors, image, weight) -> np.ndarray:
        """Return `log_density` at points (S, D) from the simulator's images instead of `templates`: ndarray (S,)."""
        with jax.enable_x64(True):
            values = [
                float(_integrate(templates, image, weight, self.correlation, self.has_magnitude))
                for templates in self.render(z, priors)
            ]
        return np.array(values) - 0.5 * (z**2).sum(axis=1)

    def _differentiate(self, z, priors):
        def derivative(direction):
            return jax.jvp(lambda point: self._templates(point, priors), (z,), (direction,))

        return jax.vmap(derivative, out_axes=(None, 0))(jnp.eye(len(z)))

    def _templates(self, z, priors):
        """Return the images of source, lens and background at intensity 1, blurred: array (T, H, W)."""
        values = dict(zip(self.names, priors[0] + (priors[1] - priors[0]) * ndtr(z), strict=True))
        own_light = any(name.startswith("light-ellip-offset") for name in self.names)
        if own_light:
            for axis in "xy":
                offset = values.pop(f"light-ellip-offset-{axis}", 0.0)
                values[f"light-ellip-{axis}"] = values[f"lens-ellip-{axis}"] + offset
        for kind in ("lens", "light", "src"):
            x, y = f"{kind}-ellip-x", f"{kind}-ellip-y"
            if x in values:
                size = jnp.sqrt(values[x] ** 2 + values[y] ** 2 + 1e-20)
                shrink = jnp.minimum(1, LARGEST_ELLIPTICITY / size)
                values |= {x: values[x] * shrink, y: values[y] * shrink}
        scene = {name.replace("-", "_"): value for name, value in values.items()}
        # A lens without light has placeholders. Clumps of a source have no light; a width of 0 has no derivative.
        rest = {
            name: float(not name.startswith("clump_") or name.endswith("_sigma"))
            for name in self.simulator.renderer.columns
        }
        scene = rest | scene | {"src_intensity": 1.0, "lens_intensity": 1.0}
        row = jnp.stack([jnp.asarray(scene[name], float) for name in self.simulator.renderer.columns])
        images = self.simulator.renderer.trace_scene(row, RAYS, SMOOTH if self.is_fine else 0)
        images = telescope.blur(jnp.stack(images), self.simulator.telescope.psf)
        return jnp.concatenate([images, jnp.ones_like(images[:1])])


def integrate_intensities(templates, image, weight, correlation: float, has_magnitude: tuple[bool, ...]):
    """Return the logarithm of the likelihood, up to a constant, with the intensities of the templates integrated out.

    Parameters
    ----------
    templates : array (T, H, W)
        The last one is that of the background, whose intensity may be negative.
    image, weight : array (H, W)
    correlation : float
        Correlation of the noise of adjacent pixels (see `telescope.correlate`). A pixel without weight counts as one
        without residual.
    has_magnitude : tuple of T - 1 bool
        Whether the prior of each intensity is uniform in the magnitude, and not in the intensity.
    """
    basis = telescope.whiten(templates * weight, correlation).reshape(len(templates), -1)
    target = telescope.whiten((image * weight)[None], correlation).ravel()
    scale = jnp.sqrt((basis**2).sum(axis=1) + TINY)
    basis = basis / scale[:, None]
    normal = basis @ basis.T + RIDGE * jnp.eye(len(basis))
    intensity = jnp.linalg.solve(normal, basis @ target)
    residual = intensity @ basis - target
    deviation = jnp.sqrt(jnp.diagonal(jnp.linalg.inv(normal)))
    # Integral over intensities from 0: exact for one intensity, and for several that are hardly correlated.
    over_noise = intensity[:-1] / deviation[:-1]
    positive = log_ndtr(over_noise)
    mean = intensity[:-1] + deviation[:-1] * jnp.exp(norm.logpdf(over_noise) - positive)  # of what is positive
    fluxes = jnp.log(jnp.maximum(mean, TINY) / scale[:-1])[np.flatnonzero(has_magnitude)]
    volume = 0.5 * jnp.linalg.slogdet(normal)[1] + jnp.log(scale).sum()
    return positive.sum() - fluxes.sum() - volume - 0.5 * (residual @ residual)


_integrate = jax.jit(integrate_intensities, static_argnums=(3, 4))


@functools.lru_cache(maxsize=2)
def likelihood_of(simulator, names: tuple[str, ...], is_fine: bool) -> ImageLikelihood:
    """Return the likelihood of a training set, which is compiled once per process."""
    return ImageLikelihood(simulator, names, is_fine)
