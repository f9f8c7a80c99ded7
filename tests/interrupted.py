"""A training that Ctrl-C stops."""

from contextlib import contextmanager

import pytest

from stronglens.training import checkpoint


@contextmanager
def ctrl_c_after(epochs):
    """Interrupt what is trained in this context once so many epochs are over, and expect it to say so."""
    finish_epoch = checkpoint.Checkpoint.on_epoch_end

    def interrupt(self, epoch, logs=None):
        finish_epoch(self, epoch, logs)
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "on_epoch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield
