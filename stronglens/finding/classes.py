"""Groups and kinds of images of the finding task."""

GROUPS = ("non-lens", "lens", "doubtful")
"""Values 0, 1, 2 of the column ``group``. Networks learn from the first two alone."""

KINDS = (
    "lens", "companions", "spiral", "single-image", "ring", "lone", "merger", "edge-on",
    "compound-rings", "compound-arcs", "two-lenses", "unknown",
)  # fmt: skip
"""Values of the column ``kind``: 0 is an ordinary lens, 1 to 7 are non-lenses, 8 to 10 compound lenses,
11 converted non-lenses."""
