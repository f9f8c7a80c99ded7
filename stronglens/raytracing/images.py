"""Rendering of noiseless images from scenes, with one compiled program."""

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import RunError
from stronglens.raytracing.ellipsoids import ELLIPSOIDS, sersic_ellipsoids
from stronglens.raytracing.perturbers import KINDS, Perturbers
from stronglens.raytracing.refinement import PIXELS
from stronglens.raytracing.scene import MIDDLE, OWN_LIGHT, Scene, clump_columns, stack_scene
from stronglens.raytracing.tiles import Bucket, Tiles
from stronglens.raytracing.tracing import ImageTracer

_PIECE = 32
"""Number of images that one thread renders at a time on a CPU."""

_PERTURBED_PIECE = 8
"""The same number with perturbers: a chunk has several kinds of lenses, each with its own program."""

WIDE_VECTORS = {"xla_cpu_prefer_vector_width": 512}
"""Compiler option for float32 on CPUs. XLA's default vectors have 8 numbers even if the CPU supports 16, which are 25
to 50 % faster. With this option, ``arctan`` in jax 0.11.2 is wrong in both precisions (by up to 0.76): profiles that
are rendered in float32 must not use it. PyAutoLens's isothermal profile uses it, but is rendered in float64."""


class ImageRenderer:
    """Render images of a lensed source and of the lens.

    The same compiled program renders all images in pieces of a fixed size, so that an image depends only on its own
    scene, not on the number, the order or the content of other images. On a CPU, every core runs the program for a
    piece of a chunk. With perturbers, there is one program for lenses without perturbers, and one for each bucket of
    their numbers (:mod:`stronglens.raytracing.tiles`); the perturbers of a lens determine its program. A renderer is
    thread-safe.

    Parameters
    ----------
    lens_model : str
        A key of ``LENS_MODELS``.
    lens_light : bool
        Whether the lens has light.
    shape : (H, W), pixels
    pixel_scale : float, arcsec
    over_sampling : int
        Number of rays along each side of a pixel, which is their mean. Near its centre the lens light is integrated
        instead (:mod:`stronglens.raytracing.cusp`).
    padding : int
        Number of pixels added on every side.
    precision : {"float32", "float64"}
    chunk_size : int
        Maximum number of images at once.
    batch_size : int, optional
        Number of images in one vectorised step; by default 4 on a CPU, so that they fit in the cache, and a chunk on a
        GPU.
    integrate_cusp : bool
        False to use the mean of rays also at the centre of the lens.
    threads : int, optional
        Number of pieces rendered at once on a CPU; by default one for each core that this process may use.
    perturbers : {"point", "nfw"}, optional
        Kind of perturbers, for lens models that can have them.
    own_light : bool
        Whether light and mass have different ellipticities; scenes then include ``OWN_LIGHT``.
    clumps : int
        Maximum number of clumps of a source. Scenes then include `clump_columns`; missing clumps have intensity 0.
    refine_source : bool
        Whether pixels around the cusp of the source have more rays (:mod:`stronglens.raytracing.refinement`).
    piece : int, optional
        Number of images in a call of the compiled program on a CPU; by default 32, or 8 with perturbers.
    lens_rays : int, optional
        Number of rays along each side of a pixel for the light of the lens; by default ``over_sampling``.
    middle : bool
        Whether there is a galaxy between lens and source, with mass and light; scenes then include ``MIDDLE``.

    Attributes
    ----------
    piece : int
        Number of images in a call of the compiled program.
    turns : int
        Number of batches in a piece.

    Raises
    ------
    ValueError
        When an argument is invalid.
    """

    def __init__(
        self,
        lens_model: str,
        lens_light: bool,
        shape: tuple[int, int],
        pixel_scale: float,
        over_sampling: int,
        padding: int = 0,
        precision: str = "float32",
        chunk_size: int = 128,
        batch_size: int | None = None,
        integrate_cusp: bool = True,
        threads: int | None = None,
        perturbers: str | None = None,
        own_light: bool = False,
        clumps: int = 0,
        refine_source: bool = False,
        piece: int | None = None,
        lens_rays: int | None = None,
        middle: bool = False,
    ):
        if lens_model not in LENS_MODELS:
            raise ValueError(f"lens_model must be one of {', '.join(LENS_MODELS)}, not {lens_model!r}")
        model = LENS_MODELS[lens_model]
        if precision not in ("float32", "float64"):
            raise ValueError(f"precision must be float32 or float64, not {precision!r}")
        if perturbers is not None and (perturbers not in KINDS or not model.can_have_perturbers):
            raise ValueError(f"perturbers must be {' or '.join(KINDS)}, for the lens model sie, not {perturbers!r}")
        if own_light and not model.can_have_own_light:
            raise ValueError(f"own_light does not apply to the lens model {lens_model!r}")
        self.has_stellar_mass = model.mass_follows_light
        self.columns = model.scene_columns + (OWN_LIGHT if own_light else ()) + clump_columns(clumps)
        self.columns += MIDDLE if middle else ()
        self.has_middle = middle
        self.lens_light = lens_light
        self.shape = (shape[0] + 2 * padding, shape[1] + 2 * padding)
        self.precision = precision
        self.refine_source = refine_source
        self.chunk_size = chunk_size
        on_cpu = not has_gpu()
        self.piece = min(piece or _PIECE, chunk_size) if on_cpu else chunk_size
        if perturbers:
            self.piece = min(_PERTURBED_PIECE if on_cpu else _PIECE, chunk_size)
        self.batch_size = min(batch_size or (4 if on_cpu else chunk_size), self.piece)
        self.turns = -(-self.piece // self.batch_size)
        self._threads = ThreadPoolExecutor(threads or count_cores())  # threads start on first use
        self._tiles = _tiles(self.shape, pixel_scale, over_sampling, perturbers, precision) if perturbers else None
        self._tracer = ImageTracer(
            lens_model, self.columns, lens_light, self.shape, pixel_scale, over_sampling, precision, self.batch_size,
            integrate_cusp, PIXELS if refine_source else 0, self._tiles, lens_rays, middle,
        )  # fmt: skip

    def __call__(self, scene: Scene, perturbers: Perturbers | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Render N images, at most a chunk.

        Parameters
        ----------
        scene : mapping of str to ndarray (N,)
            Values by the names in ``SCENE_COLUMNS``.
        perturbers : Perturbers, optional
            Perturbers of N lenses, of the kind of the renderer.

        Returns
        -------
        source : ndarray (N, H, W)
            Intensity averaged over each pixel; row 0 is at the top.
        lens : ndarray (N, H, W) or None
            None if lenses have no light.

        Raises
        ------
        RunError
            When a pixel is not finite.
        ValueError
            When there are more images than in a chunk, or perturbers do not match the images.
        """
        images = self.render_planes(scene, perturbers)
        return images[0], images[1] if self.lens_light else None

    def render_planes(self, scene: Scene, perturbers: Perturbers | None = None) -> np.ndarray:
        """Render N images: ndarray (2 or 3, N, H, W) of the source, the lens if it has light, and the middle galaxy.

        Arguments and errors are those of a call.
        """
        arrays = self._stack(scene)
        number = len(arrays[0])
        # One array instead of two: it is large enough for NumPy's huge pages, which reduce costly page faults.
        images = np.empty((1 + self.lens_light + self.has_middle, number, *self.shape), self.precision)
        is_finite = np.ones(number, bool)

        def render_piece(piece):
            rows = piece[1]
            rendered = self._run(arrays, *piece)
            for image, values in zip(images, rendered, strict=True):
                place = _as_slice(rows)
                image[place] = np.asarray(values)[: len(rows)]
                is_finite[place] &= np.isfinite(image[place]).all(axis=(1, 2))

        list(self._threads.map(render_piece, self._cut(number, number, perturbers)))
        _refuse_broken(is_finite)
        return images

    def render_on_device(
        self, scene: Scene, perturbers: Perturbers | None = None
    ) -> tuple[jax.Array, jax.Array | None]:
        """Render a full chunk as JAX arrays (chunk_size, H, W); rows after those of the scene repeat its last row.

        Arguments, results and errors are otherwise those of a call.
        """
        arrays = self._stack(scene)
        number = len(arrays[0])
        pieces = self._cut(number, number if perturbers else self.chunk_size, perturbers)
        rendered = [self._run(arrays, *piece) for piece in pieces]
        place = np.empty(max(rows.max() for _, rows, _ in pieces) + 1, int)
        for index, (_, rows, _) in enumerate(pieces):
            place[rows] = index * self.piece + np.arange(len(rows))
        place = place[np.minimum(np.arange(self.chunk_size), len(place) - 1)]
        is_in_order = (np.diff(place) == 1).all()
        with jax.enable_x64(self.precision == "float64"):
            images = [jnp.concatenate(image) for image in zip(*rendered, strict=True)]
            images = [image[: self.chunk_size] if is_in_order else image[place] for image in images]
            is_finite = np.all([jnp.isfinite(image).all(axis=(1, 2)) for image in images], axis=0)
        _refuse_broken(is_finite[:number])
        return images[0], images[1] if self.lens_light else None

    def trace_scene(self, values, rays: int | None = None, refined: int = PIXELS) -> list[jax.Array]:
        """Return the images of one scene, in float64, as a JAX function that has derivatives.

        Parameters
        ----------
        values : array (columns,)
            Values of the scene in the order of ``columns``. Not for lenses with perturbers or stellar mass.
        rays : int, optional
            Number of rays along each side of a pixel; by default that of the renderer.
        refined : int
            Number of pixels around the cusp of the source that have more rays, if the renderer refines sources.

        Returns
        -------
        list of array (H, W)
            Source, and lens if it has light.
        """
        rays = rays or self._tracer.over_sampling
        tracer = replace(self._tracer, precision="float64", batch_size=1, over_sampling=rays)
        tracer = replace(tracer, refined=refined if self.refine_source else 0)
        return [image[0] for image in tracer.render_piece(values[None])]

    def _stack(self, scene: Scene) -> list[np.ndarray]:
        """Return the arrays of a scene for the compiled program."""
        values = stack_scene(self.columns, scene)
        if not 0 < len(values) <= self.chunk_size:
            raise ValueError(f"a chunk has 1 to {self.chunk_size} images, not {len(values)}")
        arrays = [values]
        if self.has_stellar_mass:
            arrays += sersic_ellipsoids(values[:, self.columns.index("lens_sersic")])
        return [array.astype(self.precision) for array in arrays]

    def _cut(self, number: int, rows: int, perturbers: Perturbers | None) -> list[tuple]:
        """Return pieces: the bucket of their program, their rows, and the arrangements of all perturbers.

        Parameters
        ----------
        number : int
            Number of images in the scene.
        rows : int
            Number of images, including repetitions of the last one.
        perturbers : Perturbers or None
            Perturbers of ``number`` lenses.
        """
        arrangements, kinds = None, {None: np.arange(rows)}
        if perturbers is not None:
            if self._tiles is None or perturbers.kind != self._tiles.kind or len(perturbers) != number:
                raise ValueError(
                    f"perturbers of {len(perturbers)} lenses and kind {perturbers.kind!r} do not match "
                    f"{number} images and a renderer of kind {self._tiles and self._tiles.kind!r}"
                )
            arrangements = list(self._threads.map(lambda row: self._tiles.arrange(perturbers, row), range(number)))
            buckets = [arrangement and arrangement.bucket for arrangement in arrangements]
            # The largest first, so that all cores finish at about the same time.
            ordered = sorted(set(buckets), key=lambda bucket: bucket or (0, 0), reverse=True)
            kinds = {kind: np.flatnonzero([bucket == kind for bucket in buckets]) for kind in ordered}
        return [
            (bucket, kind[start : start + self.piece], arrangements)
            for bucket, kind in kinds.items()
            for start in range(0, len(kind), self.piece)
        ]

    def _run(self, arrays, bucket, rows, arrangements):
        """Return the images of some rows. The rest of the piece repeats the last image without perturbers."""
        last = len(arrays[0]) - 1
        is_full = len(rows) == self.piece and rows[-1] <= last
        filled = _as_slice(rows) if is_full else np.minimum(np.resize(rows, self.piece), last)
        arrays = [array[filled] for array in arrays]
        if bucket:
            arrays = [*self._tiles.stack([arrangements[row] for row in rows], self.piece), *arrays]
        program = self.compile(bucket)
        with jax.enable_x64(self.precision == "float64"):  # applies to the current thread only
            return program(*arrays)

    def compile(self, bucket: Bucket | None = None):
        """Return the compiled program that renders a piece. It is compiled once per process."""
        with _COMPILING:
            return _compile(self._tracer, self.piece, bucket)


_COMPILING = threading.Lock()

_tiles = functools.lru_cache(maxsize=16)(Tiles)
"""Renderers with the same rays share their tiles, which identify the compiled program."""


@functools.lru_cache(maxsize=64)  # compiling takes seconds per program; a process rarely needs more programs
def _compile(tracer: ImageTracer, piece: int, bucket: Bucket | None):
    columns = [(len(tracer.columns),)]
    if LENS_MODELS[tracer.lens_model].mass_follows_light:
        columns += [(ELLIPSOIDS,)] * 2
    # numpy.errstate restores the settings that PyAutoLens changes (seterr) during tracing.
    with jax.enable_x64(tracer.precision == "float64"), np.errstate():
        rows = [jax.ShapeDtypeStruct((piece, *shape), tracer.precision) for shape in columns]
        render = tracer.render_piece
        if bucket:
            rows = [*tracer.tiles.describe(bucket, piece), *rows]
            render = tracer.render_perturbed_piece
        options = WIDE_VECTORS if tracer.precision == "float32" and not has_gpu() else {}
        return jax.jit(render).lower(*rows).compile(options)


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """Return increasing rows as a slice if they are contiguous, so that indexing gives a view."""
    return slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows


def _refuse_broken(is_finite: np.ndarray) -> None:
    broken = np.flatnonzero(~is_finite)
    if broken.size:
        raise RunError(
            f"image {broken[0]} of a chunk has pixels that are not finite ({broken.size} such images): "
            "its parameters are too extreme for the ray tracing"
        )


def has_gpu() -> bool:
    """Return whether JAX's default device is not a CPU."""
    return jax.default_backend() != "cpu"


def count_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
