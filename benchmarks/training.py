"""Training images a second of the report's network on this machine, and where the time goes.

Each variant trains in a process of its own, since most are chosen before TensorFlow wakes. All are started and
compiled first; then they take turns, and the best turn counts: what else the machine does can only slow one down.
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
"""Of one training step of the report's network on 64x64 pixels: three times its forward pass."""

IMAGES = 1000
"""As many as the default dataset: Keras takes a tenth of a second to begin an epoch."""

BATCH = 20
ROUNDS = 3
LONGEST_ROUND = 1.5  # seconds, once the images have been passed over

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
"""The environment of each; see `prepare` for what else is different."""


def measure(seconds: float) -> dict:
    """Time training steps of all variants, in turns, against a matrix product of NumPy."""
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
    """Return the GFLOP/s of a square float32 matrix product: what the processor can do at its best."""
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
    """Let a variant train for some seconds, at least once over its images."""
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()


def ask(process: subprocess.Popen, seconds: float) -> float:
    """Let a variant train for some seconds; return its images a second."""
    tell(process, seconds)
    return float(process.stdout.readline())


def serve(name: str) -> None:
    """Train a variant for as long as each line of standard input says."""
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(name, Path(folder))
        for line in sys.stdin:
            done, begin = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - begin) < float(line) or not done:
                work()
                done += IMAGES
            print(done / elapsed, flush=True)


def prepare(name: str, folder: Path) -> Callable[[], object]:
    """Return what trains a variant of the network once over its images."""
    if cores := os.environ.get("BENCHMARK_CORES"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    from stronglens.training import keras  # first: it wakes the backend quietly
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
    """Return the network with each activation after the pooling: the same function, since tanh never falls."""
    from stronglens.training import keras

    flow = network.inputs[0]
    for layer in network.operations[1:]:  # the stretch is one that is no layer
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["activation"] = "linear"
        flow = layer.__class__.from_config(config)(flow)
        if isinstance(layer, keras.layers.MaxPooling2D):
            flow = keras.layers.Activation("tanh")(flow)
    changed = keras.Model(network.inputs, flow)
    changed.set_weights(network.get_weights())
    return changed


def store_images(images: np.ndarray, folder: Path) -> ImageSet:
    """Return the images as a dataset in Zarr's format keeps them, to be read and verified once an epoch."""
    (folder / "progress").mkdir()
    store = ChunkStore(folder, "zarr", len(images), images.shape[1:])
    store.images.create()
    for chunk in range(store.chunks):
        part = images[chunk * CHUNK_SIZE : (chunk + 1) * CHUNK_SIZE]
        store.write_chunk(chunk, part, {}, {})
    return ImageSet.stored(store, [store.read_record(chunk)["checksum"] for chunk in range(store.chunks)])


if __name__ == "__main__":
    serve(sys.argv[1])
