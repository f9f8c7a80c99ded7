"""Scenes to noiseless images, through one compiled program."""

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import RunError
from stronglens.raytracing.ellipsoids import ELLIPSOIDS, sersic_ellipsoids
from stronglens.raytracing.perturbers import KINDS, Perturbers
from stronglens.raytracing.scene import OWN_LIGHT, Scene, clump_columns, stack_scene
from stronglens.raytracing.tiles import Bucket, Tiles
from stronglens.raytracing.tracing import ImageTracer

_PIECE = 32
"""Images that one thread renders at a time on a CPU."""

_PERTURBED_PIECE = 8
"""The same where there may be perturbers: a chunk holds several kinds of lenses, each with its own program."""

WIDE_VECTORS = {"xla_cpu_prefer_vector_width": 512}
"""A compiler option for CPUs in 32 bits. Where they have vectors of 16 numbers, XLA uses 8 unless told to: a quarter to
a half faster. With jax 0.11.2 an ``arctan`` then comes out wrong (by 0.76!), in both precisions: no profile that is
rendered in 32 bits may use it, and PyAutoLens's isothermal, which is rendered in 64, does."""


class ImageRenderer:
    """Render images of a lensed source, and of the lens in front of it.

    All images run through the same program at the same size, so that an image depends on its own scene alone: not on
    its neighbours, their number, or its place among them. On a CPU every core runs that program for a piece of a chunk.
    Where there may be perturbers, there is a program for lenses without any, and one for each bucket of their numbers
    (:mod:`stronglens.raytracing.tiles`); which one renders a lens is a matter of its own perturbers.
    Several threads may call one renderer at once.

    Parameters
    ----------
    lens_model : a name of ``LENS_MODELS``
    lens_light : bool, whether the lens shines
    shape : (H, W), pixels
    pixel_scale : arcsec
    over_sampling : int
        Rays along each side of a pixel; a pixel is their mean. The lens's light near its centre is integrated instead
        (:mod:`stronglens.raytracing.cusp`).
    padding : int, pixels added on every side
    precision : ``float32`` or ``float64``
    chunk_size : int, the most images at once
    batch_size : int, optional
        Images side by side in one step: by default few on a CPU, whose cache they should fit, and a chunk on a GPU.
    integrate_cusp : bool
        False for the mean of rays at the lens's centre too.
    threads : int, optional
        Pieces rendered at once on a CPU: by default one on each core that this process may use.
    perturbers : ``point`` or ``nfw``, optional
        What dark masses there may be beside a lens that can have them.
    own_light : bool
        Whether the light has another ellipticity than an ellipsoid of mass: scenes then hold ``OWN_LIGHT`` too.
    clumps : int
        How many clumps a source may have: scenes then hold `clump_columns` too, of intensity 0 where there are fewer.
    refine_source : bool
        Whether pixels around the source's cusp get finer rays (:mod:`stronglens.raytracing.refinement`).

    Attributes
    ----------
    piece : int, images that the compiled program renders
    turns : int, how often the loop over batches turns in it

    Raises
    ------
    ValueError
        When an argument has no meaning.
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
    ):
        if lens_model not in LENS_MODELS:
            raise ValueError(f"lens_model must be one of {', '.join(LENS_MODELS)}, not {lens_model!r}")
        model = LENS_MODELS[lens_model]
        if precision not in ("float32", "float64"):
            raise ValueError(f"precision must be float32 or float64, not {precision!r}")
        if perturbers is not None and (perturbers not in KINDS or not model.can_have_perturbers):
            raise ValueError(f"perturbers must be {' or '.join(KINDS)}, beside a lens sie, not {perturbers!r}")
        if own_light and not model.can_have_own_light:
            raise ValueError(f"own_light is for an ellipsoid of mass, not for a lens {lens_model!r}")
        self.has_stellar_mass = model.mass_follows_light
        self.columns = model.scene_columns + (OWN_LIGHT if own_light else ()) + clump_columns(clumps)
        self.lens_light = lens_light
        self.shape = (shape[0] + 2 * padding, shape[1] + 2 * padding)
        self.precision = precision
        self.refine_source = refine_source
        self.chunk_size = chunk_size
        on_cpu = not has_gpu()
        self.piece = min(_PIECE, chunk_size) if on_cpu else chunk_size
        if perturbers:
            self.piece = min(_PERTURBED_PIECE if on_cpu else _PIECE, chunk_size)
        self.batch_size = min(batch_size or (4 if on_cpu else chunk_size), self.piece)
        self.turns = -(-self.piece // self.batch_size)
        self._threads = ThreadPoolExecutor(threads or count_cores())  # starts none before there is work
        self._tiles = _tiles(self.shape, pixel_scale, over_sampling, perturbers, precision) if perturbers else None
        self._tracer = ImageTracer(
            lens_model, self.columns, lens_light, self.shape, pixel_scale, over_sampling, precision, self.batch_size,
            integrate_cusp, refine_source, self._tiles,
        )  # fmt: skip

    def __call__(self, scene: Scene, perturbers: Perturbers | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Render N images, at most a chunk.

        Parameters
        ----------
        scene : dict of (N,) arrays, under the names of ``SCENE_COLUMNS``
        perturbers : Perturbers of N lenses, of the renderer's kind

        Returns
        -------
        source : (N, H, W), intensity averaged over each pixel, row 0 at the top
        lens : (N, H, W), or None where the lens does not shine

        Raises
        ------
        RunError
            When a pixel is not a finite number.
        ValueError
            When there are more images than a chunk holds, or perturbers are not those of these images.
        """
        arrays = self._stack(scene)
        number = len(arrays[0])
        # One array, not two: large enough for NumPy to ask for large pages, where faults cost more than sums.
        images = np.empty((1 + self.lens_light, number, *self.shape), self.precision)
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
        return images[0], images[1] if self.lens_light else None

    def render_on_device(
        self, scene: Scene, perturbers: Perturbers | None = None
    ) -> tuple[jax.Array, jax.Array | None]:
        """Render a whole chunk and leave it where it was rendered; rows past the scene's repeat its last one.

        Takes and raises what a call does, and returns the same but for (chunk_size, H, W) JAX arrays.
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

    def _stack(self, scene: Scene) -> list[np.ndarray]:
        """Return the program's arrays for a scene."""
        values = stack_scene(self.columns, scene)
        if not 0 < len(values) <= self.chunk_size:
            raise ValueError(f"a chunk holds 1 to {self.chunk_size} images, not {len(values)}")
        arrays = [values]
        if self.has_stellar_mass:
            arrays += sersic_ellipsoids(values[:, self.columns.index("lens_sersic")])
        return [array.astype(self.precision) for array in arrays]

    def _cut(self, number: int, rows: int, perturbers: Perturbers | None) -> list[tuple]:
        """Return pieces: the bucket of their program, their rows, and the arrangements of all perturbers.

        Parameters
        ----------
        number : int, images of the scene
        rows : int, of them and of repetitions of the last one
        perturbers : Perturbers of ``number`` lenses, or None
        """
        arrangements, kinds = None, {None: np.arange(rows)}
        if perturbers is not None:
            if self._tiles is None or perturbers.kind != self._tiles.kind or len(perturbers) != number:
                raise ValueError(
                    f"perturbers of {len(perturbers)} lenses and kind {perturbers.kind!r} handed to a renderer "
                    f"of {number} images and kind {self._tiles and self._tiles.kind!r}"
                )
            arrangements = list(self._threads.map(lambda row: self._tiles.arrange(perturbers, row), range(number)))
            buckets = [arrangement and arrangement.bucket for arrangement in arrangements]
            # The largest first, so that no core is left with one at the end.
            ordered = sorted(set(buckets), key=lambda bucket: bucket or (0, 0), reverse=True)
            kinds = {kind: np.flatnonzero([bucket == kind for bucket in buckets]) for kind in ordered}
        return [
            (bucket, kind[start : start + self.piece], arrangements)
            for bucket, kind in kinds.items()
            for start in range(0, len(kind), self.piece)
        ]

    def _run(self, arrays, bucket, rows, arrangements):
        """Return the images of some rows; what fills up the piece repeats the last one, without its perturbers."""
        last = len(arrays[0]) - 1
        is_full = len(rows) == self.piece and rows[-1] <= last
        filled = _as_slice(rows) if is_full else np.minimum(np.resize(rows, self.piece), last)
        arrays = [array[filled] for array in arrays]
        if bucket:
            arrays = [*self._tiles.stack([arrangements[row] for row in rows], self.piece), *arrays]
        program = self.compile(bucket)
        with jax.enable_x64(self.precision == "float64"):  # a matter of context, of one thread
            return program(*arrays)

    def compile(self, bucket: Bucket | None = None):
        """Return the program that renders a piece: compiled once a process, by whoever comes first."""
        with _COMPILING:
            return _compile(self._tracer, self.piece, bucket)


_COMPILING = threading.Lock()

_tiles = functools.lru_cache(maxsize=16)(Tiles)
"""Renderers of the same rays share their tiles: as arguments of one program they have to be the same."""


@functools.lru_cache(maxsize=64)  # seconds each to trace and compile; a process hardly asks for more
def _compile(tracer: ImageTracer, piece: int, bucket: Bucket | None):
    columns = [(len(tracer.columns),)]
    if LENS_MODELS[tracer.lens_model].mass_follows_light:
        columns += [(ELLIPSOIDS,)] * 2
    # numpy.errstate undoes PyAutoLens's seterr as it traces.
    with jax.enable_x64(tracer.precision == "float64"), np.errstate():
        rows = [jax.ShapeDtypeStruct((piece, *shape), tracer.precision) for shape in columns]
        render = tracer.render_piece
        if bucket:
            rows = [*tracer.tiles.describe(bucket, piece), *rows]
            render = tracer.render_perturbed_piece
        options = WIDE_VECTORS if tracer.precision == "float32" and not has_gpu() else {}
        return jax.jit(render).lower(*rows).compile(options)


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """Return rising rows as a slice where they are a run: a view, which a list of rows is not."""
    return slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows


def _refuse_broken(is_finite: np.ndarray) -> None:
    broken = np.flatnonzero(~is_finite)
    if broken.size:
        raise RunError(
            f"image {broken[0]} of a chunk has pixels that are not finite ({broken.size} such images): "
            "its parameters are beyond what can be ray-traced"
        )


def has_gpu() -> bool:
    """Return whether JAX computes on something else than a CPU."""
    return jax.default_backend() != "cpu"


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
