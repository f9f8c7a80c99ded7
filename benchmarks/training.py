"""Training images a second of the report's network, on this machine's default device."""

import tempfile
import time
from pathlib import Path

import numpy as np

GFLOP_AN_IMAGE = 0.44
"""Of one training step of the report's network on 64x64 pixels: three times its forward pass."""

IMAGES = 400
EPOCHS = 3


def measure(seconds: float) -> dict:
    """Train on noise with the defaults (batch 20) and time the epochs after the first, which compiles."""
    from stronglens.training import describe_device, fit  # first: it wakes TensorFlow quietly
    from stronglens.regression.network import build_network  # isort: skip
    from stronglens.scaling import fit_image_scaling, fit_label_scaling

    random = np.random.default_rng(0)
    images = random.normal(size=(IMAGES, 64, 64)).astype(np.float32)
    labels = random.normal(size=(IMAGES, 3))
    names = ("a", "b", "c")
    ends = []
    for epochs in (1, 1 + EPOCHS):
        network = build_network((64, 64), fit_image_scaling(images), fit_label_scaling(labels, names))
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            fit(
                network,
                (images, labels),
                (images[:20], labels[:20]),
                label_names=names,
                model_file=Path(folder) / "network.keras",
                epochs=epochs,
                learning_rate=1e-5,
                quiet=True,
            )
            ends.append(time.perf_counter() - start)
    rate = EPOCHS * IMAGES / (ends[1] - ends[0])
    product = measure_product()
    device = describe_device()
    share = rate * GFLOP_AN_IMAGE / product
    print(f"{device}: {rate:.0f} images/s, {rate * GFLOP_AN_IMAGE:.0f} GFLOP/s")
    print(f"a float32 matrix product (NumPy, best of ten): {product:.0f} GFLOP/s; training reaches {share:.0%} of it")
    return {"device": device, "images_a_second": rate, "share_of_matrix_product": share}


def measure_product(size: int = 3000) -> float:
    """Return the GFLOP/s of a square float32 matrix product: what the processor can do at its best."""
    matrix = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9
