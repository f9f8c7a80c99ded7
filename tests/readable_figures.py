"""What tests of figures ask: that every text lies inside the figure, and no text on another."""

from itertools import combinations

from matplotlib.text import Text

from stronglens.plotting import style


def visible_texts(figure):
    with style():
        figure.draw_without_rendering()  # places the texts; what they are drawn on takes longer, and is not looked at
        renderer = figure.canvas.get_renderer()
        hidden = {id(text) for axes in figure.axes for text in hidden_tick_labels(axes)}
        found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        return [(text, text.get_window_extent(renderer)) for text in found if id(text) not in hidden]


def hidden_tick_labels(axes):
    """Yield the labels of ticks that lie outside the limits, which Matplotlib keeps but does not draw."""
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        current = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for tick in [*axis.majorTicks, *axis.minorTicks]:
            if tick not in current or not min(limits) <= tick.get_loc() <= max(limits):
                yield from (tick.label1, tick.label2)


def assert_readable(figure):
    """Every text lies inside the figure, and no text on another; return the texts, a line each."""
    width, height = figure.get_size_inches() * figure.dpi
    texts = visible_texts(figure)
    for text, box in texts:
        assert box.x0 > -1, text
        assert box.y0 > -1, text
        assert box.x1 < width + 1, text
        assert box.y1 < height + 1, text
        assert text.get_fontsize() >= 5, text
    for (one, a), (other, b) in combinations(texts, 2):
        overlap = (min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0))
        assert min(overlap) < 1.5, (one, other, overlap)
    return "\n".join(text.get_text() for text, _ in texts)
