"""Wake Keras quietly, and say what it runs on."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stronglens.parameters import UsageError

# TensorFlow unless the environment says otherwise; no banners; a GPU's memory as needed, so that
# TensorFlow and JAX (or two runs) can share one; oneDNN's convolutions, which TensorFlow itself turns on
# only for processors with instructions for neural networks, and which train several times faster on any.
if "jax" in sys.modules and os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "1":
    del os.environ["TF_CPP_MIN_LOG_LEVEL"]  # JAX's wish, not the user's
for _name, _value in {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}.items():
    os.environ.setdefault(_name, _value)
BACKENDS = ("tensorflow", "jax")
if os.environ["KERAS_BACKEND"] not in BACKENDS:
    raise UsageError(f"KERAS_BACKEND={os.environ['KERAS_BACKEND']} is not one of {', '.join(BACKENDS)}")


@contextmanager
def _silent_standard_error():
    # TensorFlow's libraries greet before they know their log level: only the file descriptor can be closed to them.
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a process without standard error
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _silent_standard_error():
    import keras

    # Under any backend: Keras itself wakes it, less quietly, as soon as it writes a network.
    try:
        import tensorflow
    except ImportError:  # under JAX it is not needed, but for TensorBoard's events
        tensorflow = None
    if keras.config.backend() != "tensorflow" and tensorflow is not None:
        tensorflow.config.set_visible_devices([], "GPU")
for _name in ("tensorflow", "absl", "jax._src.xla_bridge"):
    logging.getLogger(_name).setLevel(logging.ERROR)


def describe_device(batch_size: int | None = None) -> str:
    """Return a line on what the training runs on, such as ``training on GPU: NVIDIA H200``.

    Parameters
    ----------
    batch_size : int, images, optional
        Where several GPUs share a batch, the line says how large it will be.
    """
    names = _name_gpus()
    if len(names) > 1:
        line = f"training on {len(names)} GPUs: {', '.join(dict.fromkeys(names))}"
        if batch_size is not None:
            line += f" (batches of {share_batch(batch_size, len(names))} images, shared among them)"
        return line
    if names:
        return f"training on GPU: {names[0]}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"training on {cores} CPU core{'s' * (cores != 1)} (no GPU found)"


def share_batch(batch_size: int, devices: int) -> int:
    """Return the size of a batch that devices share evenly: the one asked for, rounded up to a multiple of them."""
    return -(-batch_size // devices) * devices


def list_gpus() -> list[str]:
    """Return Keras's names of the GPUs there are, such as ``gpu:0``."""
    with _silent_standard_error():
        return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


@contextmanager
def parallel(devices: Sequence[str]) -> Iterator[None]:
    """Make networks that are made within it train on several devices, each with its share of a batch.

    Parameters
    ----------
    devices : sequence of str
        Keras's names; with fewer than two nothing is different.
    """
    if len(devices) < 2:
        yield
        return
    with _silent_standard_error():
        if keras.config.backend() == "tensorflow":
            together = tensorflow.distribute.MirroredStrategy([name.upper() for name in devices])
        else:
            together = keras.distribution.DataParallel(devices=list(devices))
    with together.scope():
        yield


def compute_policy(mixed_precision: bool) -> str:
    """Return the Keras dtype policy to train with: ``float32``, or 16 bits that suit the device.

    Every GPU since 2017 multiplies float16 fast, while bfloat16 came later; a CPU knows bfloat16 if any.
    """
    if not mixed_precision:
        return "float32"
    return "mixed_float16" if _name_gpus() else "mixed_bfloat16"


def _name_gpus() -> list[str]:
    with _silent_standard_error():
        if keras.config.backend() == "tensorflow":
            gpus = tensorflow.config.list_physical_devices("GPU")
            details = [tensorflow.config.experimental.get_device_details(gpu) for gpu in gpus]
            return [detail.get("device_name", gpu.name) for detail, gpu in zip(details, gpus, strict=True)]
        if keras.config.backend() == "jax":
            import jax

            return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    return []


def wake_bayesflow() -> None:
    """Import BayesFlow, so that its layers are known to Keras; it takes seconds. Logging stays as it was."""
    root = logging.getLogger()
    before, level, handlers = root.manager.disable, root.level, list(root.handlers)
    logging.disable(logging.INFO)  # its greeting
    try:
        import bayesflow.networks  # noqa: F401
    finally:
        logging.disable(before)
        root.setLevel(level)
        root.handlers[:] = handlers
