"""Labels to numbers that may take any value, and back: what a posterior is a density of.

A density over all real numbers that is carried back through these maps can never give a label outside its bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from stronglens.parameters import Column, RunError
from stronglens.scaling import fit_label_scaling

EDGE = 1e-6
"""Of a range: what is nearer to its end is taken to be so near, 4.75 standard deviations out."""


@dataclass(frozen=True)
class LabelSpace:
    """Hold the map of L labels to their space: y = (f(label) - mean) / deviation.

    A label drawn uniformly from a range has f = Phi^-1((label - low) / (high - low)), the quantile of a normal
    distribution: its prior is a standard normal one, which is where a flow starts from, and a posterior that knows
    nothing has nothing to learn. A label that follows from others and is always positive has f = ln(label); any
    other stays as it is.

    Attributes
    ----------
    names : tuple of L str
    kinds : tuple of L {"range", "positive", "free"}
    low, high : tuple of L float, unit of each label
        Ends of the range; 0 where there is none.
    mean, deviation : tuple of L float
        Of f(label) over the training split.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, columns: Sequence[Column], labels: np.ndarray) -> "LabelSpace":
        """Fit the space on training labels.

        Parameters
        ----------
        columns : sequence of L Column
        labels : ndarray (M, L), unit of each label

        Raises
        ------
        RunError
            If a label is not finite, or the same in every image.
        """
        names = tuple(column.name for column in columns)
        fit_label_scaling(labels, names)  # refuses what cannot be learned
        kinds, low, high = [], [], []
        for column, values in zip(columns, np.asarray(labels, np.float64).T, strict=True):
            ends = column.prior if column.drawn and column.prior is not None else (0.0, 0.0)
            is_range = ends[1] > ends[0]
            kinds.append("range" if is_range else "positive" if values.min() > 0 else "free")
            low.append(float(ends[0]) if is_range else 0.0)
            high.append(float(ends[1]) if is_range else 0.0)
        nothing, one = (0.0,) * len(names), (1.0,) * len(names)
        bare = cls(names, tuple(kinds), tuple(low), tuple(high), nothing, one)
        spread = bare.to_space(labels)
        mean, deviation = tuple(spread.mean(axis=0).tolist()), tuple(spread.std(axis=0).tolist())
        return cls(names, tuple(kinds), tuple(low), tuple(high), mean, deviation)

    @classmethod
    def from_dict(cls, written: Mapping) -> "LabelSpace":
        """Return the space that `to_dict` wrote.

        Raises
        ------
        RunError
            If it was not written by that.
        """
        try:
            space = cls(*(tuple(written[name]) for name in cls.__dataclass_fields__))
            numbers = np.array([space.low, space.high, space.mean, space.deviation], float)
            is_sound = numbers.shape == (4, len(space.kinds)) and np.isfinite(numbers).all()
            is_sound &= len(space.names) == len(space.kinds) and set(space.kinds) <= {"range", "positive", "free"}
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise RunError("the network's record of its labels is damaged: train it anew")
        return space

    def to_dict(self) -> dict:
        """Return what JSON can hold."""
        return asdict(self)

    def to_space(self, labels: np.ndarray) -> np.ndarray:
        """Map labels (..., L), each in its unit, to the space: (..., L) float64."""
        labels = np.asarray(labels, np.float64)
        out = np.empty_like(labels)
        for place, kind in enumerate(self.kinds):
            values = labels[..., place]
            if kind == "range":
                share = (values - self.low[place]) / (self.high[place] - self.low[place])
                values = ndtri(np.clip(share, EDGE, 1 - EDGE))
            elif kind == "positive":
                values = np.log(np.maximum(values, np.finfo(np.float32).tiny))
            out[..., place] = (values - self.mean[place]) / self.deviation[place]
        return out

    def to_labels(self, space: np.ndarray) -> np.ndarray:
        """Map points (..., L) of the space to labels (..., L) float64, each in its unit and within its bounds."""
        space = np.asarray(space, np.float64)
        out = np.empty_like(space)
        for place, kind in enumerate(self.kinds):
            values = self.mean[place] + self.deviation[place] * space[..., place]
            if kind == "range":
                low, high = self.low[place], self.high[place]
                values = np.clip(low + (high - low) * ndtr(values), low, high)
            elif kind == "positive":
                values = np.exp(np.clip(values, -80, 80))
            out[..., place] = values
        return out
