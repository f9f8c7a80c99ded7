"""Import Keras without start-up messages; describe the training device."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stronglens.parameters import UsageError

# Default environment: the TensorFlow backend; no start-up messages; GPU memory allocated as needed, so that TensorFlow
# and JAX (or two runs) can share a GPU; oneDNN's convolutions, which train several times faster on any processor, but
# which TensorFlow enables only for processors with instructions for neural networks.
if "jax" in sys.modules and os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "1":
    del os.environ["TF_CPP_MIN_LOG_LEVEL"]  # set by JAX, not by the user
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
    # TensorFlow's libraries print before they read their log level: only redirecting the file descriptor stops this.
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

    # With any backend: Keras imports TensorFlow, with its messages, when it writes a network.
    try:
        import tensorflow
    except ImportError:  # with JAX it is needed for TensorBoard only
        tensorflow = None
    if keras.config.backend() != "tensorflow" and tensorflow is not None:
        tensorflow.config.set_visible_devices([], "GPU")
for _name in ("tensorflow", "absl", "jax._src.xla_bridge"):
    logging.getLogger(_name).setLevel(logging.ERROR)


def describe_device(batch_size: int | None = None) -> str:
    """Return a line that describes the training device, such as ``training on GPU: NVIDIA H200``.

    Parameters
    ----------
    batch_size : int, images, optional
        If given and several GPUs share a batch, the line gives the size of the batch.
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
    """Return the batch size, rounded up to a multiple of the number of devices."""
    return -(-batch_size // devices) * devices


def list_gpus() -> list[str]:
    """Return Keras's names of the available GPUs, such as ``gpu:0``."""
    with _silent_standard_error():
        return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


@contextmanager
def parallel(devices: Sequence[str]) -> Iterator[None]:
    """Train networks that are built in this context on several devices (data parallelism).

    Parameters
    ----------
    devices : sequence of str
        Keras's names. With fewer than two devices the context has no effect.
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
    """Return the Keras dtype policy of the training: ``float32``, or the 16-bit policy for the device.

    This is float16 on a GPU (fast since 2017; bfloat16 came later) and bfloat16 on a CPU.
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


def import_bayesflow() -> None:
    """Import BayesFlow, which registers its layers with Keras; keep the logging settings. It takes seconds."""
    root = logging.getLogger()
    before, level, handlers = root.manager.disable, root.level, list(root.handlers)
    logging.disable(logging.INFO)  # BayesFlow's start-up message
    try:
        import bayesflow.networks  # noqa: F401
    finally:
        logging.disable(before)
        root.setLevel(level)
        root.handlers[:] = handlers
