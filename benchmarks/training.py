"""Training speed of the ``report`` network on this machine, and its dependence on settings.

Each variant trains in a separate process, since most settings must be set before TensorFlow is imported. All processes
are started and compiled first. Then they are measured in turns; the best turn counts, since other load only slows a
turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stronglens.dataset import CHUNK_SIZE, ChunkStore, ImageSet

GFLOP_AN_IMAGE = 0.44
"""GFLOP of one training step of the ``report`` network per image of 64x64 pixels: three times its forward pass."""

IMAGES = 1000
"""Number of images, as in the default dataset; Keras needs a tenth of a second to start an epoch."""

BATCH = 20
ROUNDS = 3
LONGEST_ROUND = 1.5  # maximum duration of a round after one pass over the images, s

USUAL = "as it is: fit, batches of 20"
RESIDENT = "one batch, again and again"
FROZEN = "first convolution not trained"
VARIANTS: dict[str, dict[str, str]] = {
    USUAL: {},
    RESIDENT: {},
    "images streamed from a Zarr store": {},
    "pooling before tanh": {},
    FROZEN: {},
    "compiled with XLA (jit_compile)": {},
    "JAX backend": {"KERAS_BACKEND": "jax"},
    "one core": {"BENCHMARK_CORES": "1"},
    "oneDNN as on a processor with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}
"""Environment variables of each variant; `prepare` makes the other changes."""


def measure(seconds: float) -> dict:
    """Measure training steps of all variants in turns, and compare them with a matrix product of NumPy."""
    from stronglens.training import describe_device

    seconds = min(seconds, LONGEST_ROUND)
    processes = {name: start(name, environment) for name, environment in VARIANTS.items()}
    try:
        for process in processes.values():
            tell(process, 0)  # all compile at once
        for process in processes.values():
            process.stdout.readline()
        rounds = [{name: ask(process, seconds) for name, process in processes.items()} for _ in range(ROUNDS)]
        products = [measure_product() for _ in range(ROUNDS)]
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    rates = {name: max(turn[name] for turn in rounds) for name in VARIANTS}
    product, device, usual = max(products), describe_device(), rates[USUAL]
    ratios = {name: rate / usual for name, rate in rates.items()}
    report = {
        "device": device,
        "images_a_second": usual,
        "share_of_matrix_product": usual * GFLOP_AN_IMAGE / product,
        "matrix_product_gflops": product,
        "variants": {
            name: {"images_a_second": rates[name], "ratio": ratios[name], "turns": [turn[name] for turn in rounds]}
            for name in VARIANTS
        },
        "share_of_data_pipeline": 1 - 1 / ratios[RESIDENT],
        "share_of_first_weight_gradient": 1 - 1 / ratios[FROZEN],
    }
    print(f"{device}: {usual:.0f} images/s, {usual * GFLOP_AN_IMAGE:.0f} GFLOP/s")
    print(f"a float32 matrix product (NumPy): {product:.0f} GFLOP/s; ", end="")
    print(f"training reaches {report['share_of_matrix_product']:.0%} of it")
    for name in VARIANTS:
        print(f"  {name:<36}{rates[name]:6.0f} images/s  {ratios[name]:5.2f}")
    print(f"batches, callbacks and Keras's loop take {report['share_of_data_pipeline']:.0%} of the time, ", end="")
    print(f"the weight gradient of the first convolution {report['share_of_first_weight_gradient']:.0%}")
    return report


def measure_product(size: int = 3000) -> float:
    """Return the GFLOP/s of a square float32 matrix product, as the limit of the processor."""
    matrix = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def start(name: str, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.training", name],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: subprocess.Popen, seconds: float) -> None:
    """Let a variant train for a time in s, for at least one pass over its images."""
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()


def ask(process: subprocess.Popen, seconds: float) -> float:
    """Let a variant train for a time in s; return its images per second."""
    tell(process, seconds)
    return float(process.stdout.readline())


def serve(name: str) -> None:
    """Train a variant for the time in s in each line of standard input."""
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(name, Path(folder))
        for line in sys.stdin:
            done, begin = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - begin) < float(line) or not done:
                work()
                done += IMAGES
            print(done / elapsed, flush=True)


def prepare(name: str, folder: Path) -> Callable[[], object]:
    """Return a function that trains a variant of the network for one pass over its images."""
    if cores := os.environ.get("BENCHMARK_CORES"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    from stronglens.training import keras  # first, since it imports the backend without start-up messages
    from stronglens.regression.network import build_network  # isort: skip
    from stronglens.scaling import fit_image_scaling, fit_label_scaling
    from stronglens.training.batches import EpochAnnouncer, StoredBatches
    from stronglens.training.progress import TrainingProgress

    random = np.random.default_rng(0)
    images = random.normal(size=(IMAGES, 64, 64)).astype(np.float32)
    labels = random.normal(size=(IMAGES, 3))
    names = ("a", "b", "c")
    network = build_network((64, 64), fit_image_scaling(images), fit_label_scaling(labels, names))
    if name == "pooling before tanh":
        network = pool_before_tanh(network)
    if name == FROZEN:
        network.get_layer("convolution_1").trainable = False
    if name == "images streamed from a Zarr store":
        images = store_images(images, folder)
    core = keras.Model(network.inputs, network.layers[-1].input)
    core.compile(
        keras.optimizers.Adam(1e-5),
        loss="mean_squared_error",
        metrics=["mean_absolute_error"],
        jit_compile=True if "jit_compile" in name else "auto",
    )
    batches = StoredBatches(images, labels, network, names, "training", BATCH, seed=0, epochs=1_000_000)
    if name == RESIDENT:
        batch = batches[0]
        return lambda: [core.train_on_batch(*batch) for _ in range(IMAGES // BATCH)]
    epochs = iter(range(1_000_000))

    def train():
        epoch = next(epochs)
        callbacks = [EpochAnnouncer([batches]), TrainingProgress(1, len(batches), quiet=True)]
        core.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=callbacks)

    return train


def pool_before_tanh(network):
    """Return the network with activations after the pooling: the same function, since tanh is monotonic."""
    from stronglens.training import keras

    x = network.inputs[0]
    for layer in network.operations[1:]:  # operations include the stretch, which is not a layer
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["activation"] = "linear"
        x = layer.__class__.from_config(config)(x)
        if isinstance(layer, keras.layers.MaxPooling2D):
            x = keras.layers.Activation("tanh")(x)
    changed = keras.Model(network.inputs, x)
    changed.set_weights(network.get_weights())
    return changed


def store_images(images: np.ndarray, folder: Path) -> ImageSet:
    """Store images in the format zarr; return an image set that reads and verifies them once per epoch."""
    (folder / "progress").mkdir()
    store = ChunkStore(folder, "zarr", len(images), images.shape[1:])
    store.images.create()
    for chunk in range(store.chunks):
        part = images[chunk * CHUNK_SIZE : (chunk + 1) * CHUNK_SIZE]
        store.write_chunk(chunk, part, {}, {})
    return ImageSet.stored(store, [store.read_record(chunk)["checksum"] for chunk in range(store.chunks)])


if __name__ == "__main__":
    serve(sys.argv[1])
