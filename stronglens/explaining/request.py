"""Checks of a request to explain a network that need no neural-network library."""

from collections.abc import Sequence

from stronglens.explaining.names import ASCENTS, MAPS, METHODS, NOISE
from stronglens.parameters import UsageError


def wants_explanation(parameters) -> bool:
    """Return whether a command explains a network; not all tasks have the flags."""
    return bool(getattr(parameters, "explain", ()) or getattr(parameters, "explain_test", 0))


def is_index(word: str) -> bool:
    """Return whether a word of ``--explain`` is the index of an image in the dataset."""
    return word.isdecimal()


def check_explanation(parameters) -> None:
    """Check that the flags of an explanation fit together.

    Raises
    ------
    UsageError
    """
    if not wants_explanation(parameters):
        return
    if parameters.predict or parameters.simulate:
        raise UsageError("--explain and --explain-test need a trained network: they exclude --predict and --simulate")
    if parameters.method not in METHODS:
        raise UsageError(f"--method={parameters.method} must be one of {', '.join(METHODS)}")
    words: Sequence[str] = parameters.explain
    if NOISE in words and (parameters.method not in ASCENTS or len(words) > 1):
        raise UsageError(f"--explain={NOISE} needs --method={' or '.join(ASCENTS)}, and no other image")
    if parameters.fill == "twin" and words and not all(map(is_index, words)):
        raise UsageError("--fill=twin needs the simulator: give --explain the index of an image in a simulated dataset")
    if parameters.explain_test and parameters.method not in ("all", *MAPS):
        raise UsageError(f"--explain-test compares maps; --method={parameters.method} makes none")
