"""A trained network as one ONNX graph that takes raw columns: the network by torch, scaling and categories by standard nodes."""

import io
import logging
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.linear_part import linear_part
from ..data.preprocessing.columns import Category, Columns, Number
from ..data.preprocessing.series import Series
from ..data.preprocessing.vectors import Vectors
from ..data.targets import Classes
from ..errors import SettingError
from .files import check_writable, replace_file
from .replay import Replay

__all__ = ["save_onnx"]

_OPSET = 18


def save_onnx(model: Replay, path: str | Path, force: bool = False) -> Path:
    """Write a model as an ONNX graph from raw columns to predictions.

    A table's number is an input (N, 1) of floats, NaN where it is missing; a category one of strings; dates and texts
    enter as prepared columns (`Columns.prepared`), which the graph's description says. Rows of plain numbers are one
    input ``x`` (N, d), images one of normalised pixels. Classes give ``label`` and ``probabilities``, numbers ``value``.

    Args:
        model: a replayed network.
        path: conventionally ``NAME.onnx``.
        force: whether an existing file may be replaced.

    Returns:
        The path.

    Raises:
        SettingError: onnx and onnxscript are not installed.
        OutputError: the file exists, or its folder cannot be written.

    References:
        ONNX, operators ai.onnx and ai.onnx.ml.
    """
    path = check_writable(path, force)
    try:
        import onnx
        import onnxscript  # noqa: F401 (what torch exports with)
    except ImportError as error:
        raise SettingError("ONNX needs onnx and onnxscript: pip install 'engram-distillation[onnx]'") from error
    net = _exported(_Predictor(model).eval(), model.preprocessing.shape)
    net = onnx.compose.add_prefix(net, "net/", rename_inputs=False, rename_outputs=False)
    build = _Graph(onnx.helper)
    inputs, words = _inputs(model, build)
    outputs = _outputs(model, build)
    before = [one for one in build.nodes if one.output[0] == "encoded" or one.name.startswith("in/")]
    after = [one for one in build.nodes if one not in before]
    graph = onnx.helper.make_graph(
        [*before, *net.graph.node, *after],
        "engram",
        inputs,
        outputs,
        [*net.graph.initializer, *build.constants],
        doc_string=words,
    )
    opsets = [*net.opset_import, onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    whole = onnx.helper.make_model(graph, opset_imports=opsets, producer_name="engram", functions=net.functions)
    whole.ir_version = net.ir_version
    onnx.checker.check_model(whole)
    replace_file(path, whole.SerializeToString())
    return path


class _Predictor(nn.Module):
    """Encoded rows to scores, the linear part included."""

    linear: Tensor | None

    def __init__(self, model: Replay) -> None:
        super().__init__()
        self.module = model.module
        self.register_buffer("linear", model.linear)

    def forward(self, encoded: Tensor) -> Tensor:
        """Scores (N, C)."""
        scores: Tensor = self.module(encoded)
        return scores if self.linear is None else scores + linear_part(self.linear, encoded)


class _Graph:
    """Nodes and constants as they are made."""

    def __init__(self, helper: Any) -> None:
        self.helper = helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **settings: Any) -> str:
        """Add one, and say what it makes."""
        self.nodes.append(self.helper.make_node(kind, inputs, [output], name=output, domain=domain, **settings))
        return output

    def constant(self, name: str, value: Tensor) -> str:
        """A tensor of floats or whole numbers."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value.numpy(), name))
        return name


def _exported(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """The network's own graph, from ``encoded`` to ``scores``."""
    loud = logging.getLogger("torch.onnx")
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        # What torch warns of in its own use of its own parts is nothing that a user can mend.
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (torch.zeros(2, *shape),),
                input_names=["encoded"],
                output_names=["scores"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        loud.setLevel(level)
    assert program is not None
    return program.model_proto


def _inputs(model: Replay, build: _Graph) -> tuple[list[Any], str]:
    """Inputs of the graph, and what to know of them; nodes that lead to ``encoded``."""
    from onnx import TensorProto

    preprocessing = model.preprocessing
    if isinstance(preprocessing, Columns):
        parts: list[str] = []
        inputs = []
        for column in preprocessing.columns:
            if isinstance(column, Category):
                inputs.append(build.helper.make_tensor_value_info(column.name, TensorProto.STRING, ["rows", 1]))
                parts.append(_category(column, build))
                continue
            mean, std = (torch.as_tensor(v).float().reshape(-1) for v in (column.mean, column.std))
            for place, name in enumerate(column.names):
                inputs.append(build.helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]))
                known = name
                if isinstance(column, Number):
                    known = build.node(
                        "Imputer", [name], f"in/{name}/known", "ai.onnx.ml",
                        imputed_value_floats=[column.fill], replaced_value_float=float("nan"),
                    )  # fmt: skip
                parts.append(_standardised(known, name, mean[place : place + 1], std[place : place + 1], build))
        build.node("Concat", parts, "encoded", axis=1)
        made = [c.name for c in preprocessing.columns if not isinstance(c, Category | Number)]
        words = f"dates and texts enter as numbers that engram prepares: {', '.join(made)}" if made else ""
        return inputs, words
    if isinstance(preprocessing, Vectors | Series) and not getattr(preprocessing, "ragged", False):
        # One mean and deviation a column, or a channel.
        shape = (-1, 1) if isinstance(preprocessing, Series) else (-1,)
        mean, std = (v.reshape(shape) for v in (preprocessing.mean, preprocessing.std))
        info = build.helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *preprocessing.shape])
        build.nodes.append(
            build.helper.make_node("Identity", [_standardised("x", "x", mean, std, build)], ["encoded"], name="in/x")
        )
        return [info], ""
    info = build.helper.make_tensor_value_info("encoded", TensorProto.FLOAT, ["rows", *preprocessing.shape])
    what = "series" if isinstance(preprocessing, Series) else "pixels"
    return [info], f"{what} enter as engram normalises them"


def _standardised(value: str, name: str, mean: Tensor, std: Tensor, build: _Graph) -> str:
    centred = build.node("Sub", [value, build.constant(f"in/{name}/mean", mean)], f"in/{name}/centred")
    return build.node("Div", [centred, build.constant(f"in/{name}/std", std)], f"in/{name}/standardised")


def _category(column: Category, build: _Graph) -> str:
    """Indicators, the last that of what is rare or unknown."""
    name = column.name
    hits = build.node(
        "OneHotEncoder", [name], f"in/{name}/hits3", "ai.onnx.ml", cats_strings=list(column.values), zeros=1
    )
    shape = build.constant(f"in/{name}/shape", torch.tensor([-1, len(column.values)]))
    hits = build.node("Reshape", [hits, shape], f"in/{name}/hits")
    if not column.rare:
        return hits
    axes = build.constant(f"in/{name}/axes", torch.tensor([1]))
    seen = build.node("ReduceSum", [hits, axes], f"in/{name}/seen", keepdims=1)
    other = build.node("Sub", [build.constant(f"in/{name}/one", torch.ones(1)), seen], f"in/{name}/other")
    return build.node("Concat", [hits, other], f"in/{name}/all", axis=1)


def _outputs(model: Replay, build: _Graph) -> list[Any]:
    """Labels and probabilities, or values in the target's units; nodes that follow ``scores``."""
    from onnx import TensorProto

    info: Callable[..., Any] = build.helper.make_tensor_value_info
    if not isinstance(model.target, Classes):
        if model.target.binary:
            raise SettingError("several targets of 0 and 1 have no ONNX graph yet: save them as safetensors")
        mean, std = torch.tensor(model.target.mean).float(), torch.tensor(model.target.std).float()
        scaled = build.node("Mul", ["scores", build.constant("out/std", std)], "out/scaled")
        build.node("Add", [scaled, build.constant("out/mean", mean)], "value")
        return [info("value", TensorProto.FLOAT, ["rows", model.target.outputs])]
    classes = model.target.outputs
    raised = build.node("Add", ["scores", build.constant("out/even", torch.tensor([1 / classes]))], "out/raised")
    chances = build.node("Max", [raised, build.constant("out/least", torch.tensor([1e-6]))], "out/chances")
    axes = build.constant("out/axes", torch.tensor([1]))
    total = build.node("ReduceSum", [chances, axes], "out/total", keepdims=1)
    build.node("Div", [chances, total], "probabilities")
    best = build.node("ArgMax", ["scores"], "out/best", axis=1, keepdims=0)
    values, kind = _labels(model.target, TensorProto)
    build.node("LabelEncoder", [best], "label", "ai.onnx.ml", keys_int64s=list(range(classes)), **values)
    return [info("label", kind, ["rows"]), info("probabilities", TensorProto.FLOAT, ["rows", classes])]


def _labels(target: Classes, types: Any) -> tuple[dict[str, list[Any]], Any]:
    """Classes in the type that labels had; true and false as 1 and 0."""
    if target.dtype == "str":
        return {"values_strings": list(target.names)}, types.STRING
    if target.dtype == "float":
        return {"values_floats": [float(v) for v in target.labels]}, types.FLOAT
    return {"values_int64s": [int(v) for v in target.labels]}, types.INT64
