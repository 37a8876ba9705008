"""Values survive files and the command line, and no file can name anything but a value of this package."""

import dataclasses
import json
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engram.data.preprocessing.columns import Category, Columns, Number
from engram.distillation.methods.gradient_matching import GradientMatching
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.errors import ArtefactError, SettingError, UnknownNameError
from engram.learning.networks.convnet import ConvNet
from engram.learning.networks.custom import Custom
from engram.learning.networks.mlp import MLP
from engram.learning.training import Descent, Loss, Part, Phase, Ridge, Training, ZeroReadout
from engram.memory.engram import Engram
from engram.numerics.optimizers import SGD, Adam
from engram.samples.budget import Bytes, Items, PerClass, Precision
from engram.spec import decode, encode, load, names, parse, render

positive = st.floats(1e-6, 1e3, allow_nan=False)
networks = st.one_of(
    st.builds(
        MLP, width=st.integers(1, 999), depth=st.integers(0, 9), activation=st.sampled_from(["relu", "gelu", "tanh"])
    ),
    st.builds(ConvNet, width=st.integers(1, 64).map(lambda k: 8 * k), norm=st.sampled_from(["group", "none"])),
)
methods = st.one_of(
    st.builds(
        PerformanceMatching, steps=st.integers(0, 10**6), rate=positive, start=st.sampled_from(["random", "noise"])
    ),
    st.builds(
        GradientMatching, loss=st.sampled_from(Loss), per=st.sampled_from(["class", "batch"]), batch=st.integers(1, 99)
    ),
)
phases = st.builds(
    Phase,
    solver=st.one_of(
        st.builds(Ridge, positive),
        st.builds(
            Descent,
            st.one_of(st.builds(Adam, positive), st.builds(SGD, positive)),
            st.integers(0, 99),
            st.none() | st.integers(1, 9),
        ),
    ),
    part=st.sampled_from(Part),
    data=st.text(max_size=9),
    before=st.sampled_from([(), (ZeroReadout(),)]),
)
columns = st.builds(
    Columns,
    st.tuples(
        st.builds(Number, st.text(), positive, positive, positive),
        st.builds(Category, st.text(), st.lists(st.text(), max_size=3).map(tuple), st.booleans()),
    ),
)
values = st.one_of(
    networks,
    methods,
    phases,
    columns,
    st.builds(Training, networks, st.tuples(phases)),
    st.builds(Items, st.integers(1, 9)),
    st.builds(PerClass, st.integers(1, 9)),
    st.builds(Bytes, st.integers(1, 9)),
)


@given(values)
@settings(deadline=None)
def test_json_round_trip(value):
    assert decode(json.loads(json.dumps(encode(value), allow_nan=False))) == value


@given(st.one_of(networks, methods))
@settings(deadline=None)
def test_command_line_round_trip(value):
    folder = type(value).__module__.split(".")[2]
    assert parse(folder, render(value)) == value


@given(st.text())
@settings(deadline=None)
def test_any_text_on_the_command_line_is_a_component_or_a_clear_error(text):
    with suppress(SettingError, UnknownNameError):
        assert dataclasses.is_dataclass(parse("networks", text))


def test_what_the_text_leaves_out_comes_from_the_base():
    base = PerformanceMatching(steps=7, noise=0.5)
    found = parse("methods", "performance-matching:steps=9", base)
    assert found == PerformanceMatching(steps=9, noise=0.5)
    assert parse("methods", "gradient-matching:steps=9", base) == GradientMatching(steps=9)


def test_tensors_are_set_aside_and_nan_is_not_json():
    tensors = {}
    plain = encode({"a": (torch.ones(2), float("inf"))}, tensors)
    assert list(tensors) == ["a.0"]
    assert decode(json.loads(json.dumps(plain, allow_nan=False)), tensors)["a"][1] == float("inf")


@pytest.mark.parametrize(
    "kind",
    [
        "os:system",
        "builtins:eval",
        "cli.distill:command",
        "training:fit",
        "spec:Path",
        "networks.mlp:math",
        "..os:system",
        "artefact:torch",
        "training:",
        "",
        "networks.mlp.MLP",
        "problem:Any",
        "training:torch.load",
    ],
)
def test_a_file_cannot_name_code(kind):
    with pytest.raises(ArtefactError, match="not a value of this version"):
        decode({"kind": kind})


def test_a_file_cannot_smuggle_fields_or_types():
    with pytest.raises(UnknownNameError, match="no field"):
        decode({"kind": "networks.mlp:MLP", "factory": 1})
    with pytest.raises(SettingError, match="takes int"):
        decode({"kind": "networks.mlp:MLP", "width": "wide"})


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean convnet"):
        parse("networks", "convent")
    with pytest.raises(UnknownNameError, match="did you mean width"):
        parse("networks", "mlp:widht=3")


def test_custom_factories_are_never_stored():
    plain = encode(Custom(factory=lambda: None, head="fc", name="mine"))
    assert plain == {"kind": "networks.custom:Custom", "head": "fc", "name": "mine"}


def test_objects_of_other_packages_are_refused():
    with pytest.raises(SettingError, match="cannot be stored"):
        encode(object())


@pytest.mark.parametrize("folder", ["methods", "networks", "sources", "canvas"])
def test_every_file_of_a_folder_is_one_frozen_component(folder):
    for name in names(folder):
        cls = load(folder, name)
        assert cls.__dataclass_params__.frozen
        assert cls.__name__.lower() == name.replace("-", "")


def test_precision_and_engram_are_not_confused():
    assert encode(Precision.UINT8)["kind"] == "budget:Precision"
    assert dataclasses.fields(Engram)[0].name == "canvases"
