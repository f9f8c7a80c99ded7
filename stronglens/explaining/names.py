"""Names of the methods that explain a network."""

MAPS = (
    "gradient", "input-x-gradient", "integrated-gradients", "smoothgrad", "occlusion", "grad-cam",
    "guided-backpropagation", "guided-grad-cam",
)  # fmt: skip
ASCENTS = ("class-image", "deep-dream", "kernels")
METHODS = ("all", *MAPS, *ASCENTS, "activations")
NOISE = "noise"
"""Word of ``--explain`` from which an ascent starts."""


def chosen_maps(method: str) -> tuple[str, ...]:
    """Return the maps that ``--method`` names: all of them for ``all``."""
    return MAPS if method == "all" else (method,)
