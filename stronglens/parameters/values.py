"""The values that travel: a range to draw from, a column of labels."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Range:
    """The bounds between which a quantity is drawn uniformly."""

    low: float
    high: float

    def __str__(self):
        return f"{shorten(self.low)},{shorten(self.high)}"

    @property
    def is_fixed(self) -> bool:
        return self.low == self.high


@dataclass(frozen=True)
class Column:
    """A column of ``labels.csv``: something drawn, or something that follows.

    Attributes
    ----------
    name : str, such as ``src-center-x``
    unit : str or None
    symbol : str, TeX without dollars
    help : str, its definition
    prior : (low, high) or None
    drawn : bool, False for what follows from the draws
    """

    name: str
    unit: str | None
    symbol: str
    help: str
    prior: tuple[float, float] | None = None
    drawn: bool = True

    @property
    def axis_text(self) -> str:
        """The label of an axis: symbol, and unit in brackets."""
        text = f"${self.symbol}$" if self.symbol else self.name
        return f"{text} [{self.unit}]" if self.unit else text

    def to_dict(self) -> dict:
        """Return the column as JSON takes it."""
        values = asdict(self)
        return values | {"prior": list(self.prior) if self.prior is not None else None}

    @classmethod
    def from_dict(cls, values: dict) -> "Column":
        """Return the column that a manifest describes; entries that are not its own are passed over.

        Raises
        ------
        KeyError, TypeError, ValueError
            When the description is damaged.
        """
        prior = values["prior"]
        return cls(
            str(values["name"]), values["unit"], str(values["symbol"]), str(values["help"]),
            None if prior is None else (float(prior[0]), float(prior[1])), bool(values["drawn"]),
        )  # fmt: skip


def shorten(value: float) -> str:
    """Return a number without a needless ``.0``, and without loss."""
    value = float(value)
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
