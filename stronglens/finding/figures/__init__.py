"""Stub of the figures of lens finding."""


def draw_all(metrics, tested, field, images, pixel_scale, cmap, number):
    """Return figures by file stem."""
    return {}
