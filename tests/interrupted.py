"""A training that Ctrl-C stops."""

from contextlib import contextmanager

import pytest

from stronglens.training import keeper


@contextmanager
def ctrl_c_after(epochs):
    """Interrupt what is trained in this context once so many epochs are over, and expect it to say so."""
    finish_epoch = keeper.Keeper.on_epoch_end

    def interrupt(self, epoch, logs=None):
        finish_epoch(self, epoch, logs)
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper.Keeper, "on_epoch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield
