import dataclasses
from pathlib import Path

import pytest

from stronglens.parameters import (
    Parameters,
    Range,
    component,
    declarations,
    declare,
    half_width,
    number,
    sampled,
    switch,
    text,
)


@declare
class Colours(Parameters):
    """Colours of things"""

    red_range: Range = sampled(0.0, 1.0, shortcut="r", help="red")
    file: Path | None = text(None, help="a file")


@declare
class Sizes(Parameters):
    """Sizes of things"""

    size: int = number(3, shortcut="s", valid=(1, 9), help="size")


@declare
class Things(Sizes, Colours):
    """Things"""


def test_groups_come_in_the_order_of_the_bases():
    assert list(declarations(Things)) == ["size", "red_range", "file"]
    assert [item.group for item in declarations(Things).values()] == ["Sizes of things"] + ["Colours of things"] * 2


def test_flag_and_column_follow_from_the_name():
    red = declarations(Things)["red_range"]
    assert (red.flag, red.key, red.column_name) == ("--red-range", "red-range", "red")
    assert declarations(Things)["file"].type is Path


def test_parameters_are_frozen_and_compare_by_value():
    things = Things(size=4)
    assert things == Things(size=4)
    assert things != Things()
    with pytest.raises(dataclasses.FrozenInstanceError):
        things.size = 5


def class_of(**fields):
    annotations = {name: kind for name, (kind, _) in fields.items()}
    makers = {name: maker for name, (_, maker) in fields.items()}
    return {"__annotations__": annotations, "__doc__": "Other things"} | makers


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"other": (int, number(1, shortcut="s", help=""))}, "-s is declared by Sizes.size and by Other.other"),
        ({"size": (int, number(1, help=""))}, "--size is declared"),
        ({"other": (bool, switch(shortcut="h", help=""))}, "-h is declared by every command"),
        ({"config": (Path, text("a", help=""))}, "--config is declared by every command"),
        ({"other_range": (Range, sampled(1, 2, help="", applies=("colour", "red")))}, "refers to colour"),
        ({"other_range": (Range, sampled(1, 2, help="", replaces="nothing"))}, "refers to nothing"),
        ({"other_range": (Range | None, component(of="nothing", help=""))}, "refers to nothing"),
    ],
)
def test_clashes_are_found_when_the_command_class_is_made(fields, complaint):
    def join():
        other = declare(type("Other", (Parameters,), class_of(**fields)))
        return declare(type("Command", (Sizes, other), {"__doc__": "Command"}))

    with pytest.raises(TypeError, match=complaint):
        join()


def test_a_field_must_be_a_declaration_of_its_type():
    with pytest.raises(TypeError, match="plain has an annotation, but no declaration"):
        declare(type("Other", (Parameters,), {"__annotations__": {"plain": int}, "plain": 3}))
    with pytest.raises(TypeError, match="a half-width cannot be of type int"):
        declare(type("Other", (Parameters,), class_of(width=(int, half_width(1, help="")))))
    with pytest.raises(TypeError, match="the annotation must be a type"):
        declare(type("Other", (Parameters,), class_of(width=("float", half_width(1, help="")))))
