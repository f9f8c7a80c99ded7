"""Flags of the smallest datasets."""

SMALL = ["--lens-model=sie", "--grid-size=16", "--pixel-scale=0.4", "--over-sampling=1"]
"""Isothermal lenses compile fastest; 16 pixels are the fewest that the control panel admits."""
