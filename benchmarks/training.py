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
    from stronglens.regression.network import build_network
    from stronglens.scaling import fit_image_scaling, fit_label_scaling
    from stronglens.training import describe_device, fit

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
    start = time.perf_counter()
    size = 2048
    matrix = random.normal(size=(size, size)).astype(np.float32)
    for _ in range(10):
        matrix @ matrix
    product = 10 * 2 * size**3 / (time.perf_counter() - start) / 1e9
    device = describe_device()
    share = rate * GFLOP_AN_IMAGE / product
    print(f"{device}: {rate:.0f} images/s, {rate * GFLOP_AN_IMAGE:.0f} GFLOP/s")
    print(f"a float32 matrix product (NumPy): {product:.0f} GFLOP/s; the training reaches {share:.0%} of it")
    return {"device": device, "images_a_second": rate, "share_of_matrix_product": share}
