"""Hypothesis strategies: valid values of a class of parameters, and the words that ask for them."""

from pathlib import Path

from hypothesis import strategies as st

from stronglens.parameters import Range, declarations

WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
NAMES = WORDS.filter(lambda word: "," not in word)


def value_of(declaration):
    if declaration.fixed:
        return st.just(declaration.default)
    low, high = declaration.valid or (None, None)
    if declaration.type is Range:
        ends = st.floats(low, high, allow_nan=False, allow_infinity=False)
        return st.tuples(ends, ends).map(lambda pair: Range(*sorted(pair)))
    return {
        int: lambda: st.integers(low, high),
        float: lambda: st.floats(low, high, allow_nan=False, allow_infinity=False),
        bool: st.booleans,
        str: lambda: st.sampled_from(declaration.choices) if declaration.choices else WORDS,
        Path: lambda: WORDS.map(Path),
        tuple: lambda: (st.lists(NAMES, max_size=3) if declaration.many else
                        st.lists(NAMES, min_size=1, max_size=3, unique=True)).map(tuple),
    }[declaration.type]()  # fmt: skip


@st.composite
def valid_values(draw, cls):
    """Some of the parameters of a class: those that apply, no two that exclude each other, and no preset of others."""
    declared = declarations(cls)
    choosers = [name for name, item in declared.items() if item.kind == "choice" and item.default is not None]
    values = {name: draw(value_of(declared[name])) for name in choosers}
    values = {name: value for name, value in values.items() if applies(declared[name], values)}
    for name in draw(st.sets(st.sampled_from(sorted(declared.keys() - values.keys() - {"preset"})), max_size=12)):
        item = declared[name]
        if applies(item, values):
            values[name] = draw(value_of(item))
    for name in list(values):
        if declared[name].replaces in values:
            del values[declared[name].replaces]
    return values


def applies(item, values):
    return item.applies is None or values.get(item.applies[0]) in item.applies[1]


def as_text(value):
    if isinstance(value, Range):
        return f"{value.low!r},{value.high!r}"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@st.composite
def argv_for(draw, cls, values):
    """A command line that asks for some values, in one of the ways it may be written."""
    words = []
    for name in draw(st.permutations(sorted(values))):
        item, value = declarations(cls)[name], values[name]
        flags = [item.flag] + ([f"-{item.shortcut}"] if item.shortcut else [])
        flag, text = draw(st.sampled_from(flags)), as_text(value)
        if item.many:
            if not value:
                continue
            if draw(st.booleans()):
                words += [f"{flag}={part}" for part in value]
                continue
        is_number = item.type in (Range, int, float)
        if item.kind == "switch":
            words.append(flag if value and draw(st.booleans()) else f"{flag}={text}")
        elif (is_number or not text.startswith("-")) and draw(st.booleans()):
            words += [flag, text]
        else:
            words.append(f"{flag}={text}")
    return words
