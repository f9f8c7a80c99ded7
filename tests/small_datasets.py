"""Flags of the smallest datasets."""

SMALL = ["--lens-model=sie", "--grid-size=16", "--pixel-scale=0.4", "--over-sampling=1"]
SMALL_PARAMETERS = {"lens_model": "sie", "grid_size": 16, "pixel_scale": 0.4, "over_sampling": 1}
"""Isothermal lenses compile fastest; 16 pixels are the fewest that the control panel admits."""
