"""Makes words.onnx, a stand-in for an encoder in tests: each token has a logit a head, and a window has the
highest of its tokens'. `pip install onnx==1.19.1 && python words.py`."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS, OUTPUTS, XYZZY = 16, 4, 6

table = np.full((TOKENS, OUTPUTS), -6.0, dtype=np.float32)
table[:, 2] = 1.0
table[XYZZY] = [6.0, 6.0, 0.0, 1.0]
nodes = [
    helper.make_node("Gather", ["table", "input_ids"], ["of_tokens"]),
    helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
    helper.make_node("Sub", ["one", "seen"], ["unseen"]),
    helper.make_node("Mul", ["unseen", "low"], ["lowered"]),
    helper.make_node("Unsqueeze", ["lowered", "last"], ["column"]),
    helper.make_node("Add", ["of_tokens", "column"], ["masked"]),
    helper.make_node("ReduceMax", ["masked"], ["logits"], axes=[1], keepdims=0),
]
inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "L"]) for n in ("input_ids", "attention_mask")]
outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", OUTPUTS])]
constants = [
    numpy_helper.from_array(table, "table"),
    numpy_helper.from_array(np.float32(1.0), "one"),
    numpy_helper.from_array(np.float32(-1e4), "low"),
    numpy_helper.from_array(np.array([-1], dtype=np.int64), "last"),
]
graph = helper.make_graph(nodes, "words", inputs, outputs, constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
onnx.checker.check_model(model)
pathlib.Path(__file__).with_name("words.onnx").write_bytes(model.SerializeToString())
