"""Logs of a training: a table of all epochs, and TensorBoard's events."""

import csv
import io
from pathlib import Path

from stronglens.training.device import tensorflow
from stronglens.training.network_file import replace_file


class TrainingLogs:
    """Write ``history.csv`` after each epoch and, where TensorFlow is installed, TensorBoard's events.

    Parameters
    ----------
    folder : Path
    is_new : bool
        Whether the training starts now. Events of an earlier training in the folder are then removed; TensorBoard would
        join their curves with the new ones.
    """

    def __init__(self, folder: Path, is_new: bool):
        self.table = folder / "history.csv"
        self.writers = {}
        for name in ("train", "validation") if tensorflow is not None else ():
            events = folder / "tensorboard" / name
            if is_new:
                for old in events.glob("events.out.tfevents.*"):
                    old.unlink()
            self.writers[name] = tensorflow.summary.create_file_writer(str(events))

    def write(self, history: dict[str, list[float]]) -> None:
        """Write all epochs to the table and the last epoch to TensorBoard.

        Parameters
        ----------
        history : dict of str to list of float, one value per epoch

        Raises
        ------
        RunError
            If the table cannot be written.
        """
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["epoch", *history])
        rows.writerows([epoch, *numbers] for epoch, numbers in enumerate(zip(*history.values(), strict=True), start=1))
        replace_file(self.table, lambda aside: aside.write_text(text.getvalue()))
        for name, numbers in history.items() if self.writers else ():
            kind = "validation" if name.startswith("val_") else "train"
            with self.writers[kind].as_default():
                tensorflow.summary.scalar(f"epoch_{name.removeprefix('val_')}", numbers[-1], step=len(numbers) - 1)
        for writer in self.writers.values():
            writer.flush()
