"""References as requests of Triton's HTTP port, with which a server's liveness tries a model that fails its clients."""

import base64
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stacks.reference import Request, TensorData, read_reference_file
from stacks.resolve import REFERENCE_DIRECTORY, ROOT
from stacks.schema.experiment import Models

TESTS_FILE = "tests.json"
BYTES_MAX = 512 * 1024
"""Most bytes of all requests: a ConfigMap holds 1 MiB, in base64."""

_FORMATS: Mapping[str, str] = {
    "BOOL": "?",
    **dict(zip(("INT8", "INT16", "INT32", "INT64"), "bhiq", strict=True)),
    **dict(zip(("UINT8", "UINT16", "UINT32", "UINT64"), "BHIQ", strict=True)),
    **dict(zip(("FP16", "FP32", "FP64"), "efd", strict=True)),
}
_SEQUENCE = {"sequence_id": 2**31 - 1, "sequence_start": True, "sequence_end": True}


def self_test_files(models: Models, root: Path = ROOT) -> Mapping[str, bytes]:
    """Return the files of the requests that are known to be right, and `TESTS_FILE`, which lists them.

    HTTP has no streams, so a reference with several responses is left out, and so is one that exceeds `BYTES_MAX`.
    """
    files: dict[str, bytes] = {}
    tests: dict[str, dict[str, Any]] = {}
    for model in models.expected:
        for version, name in model.reference_files.items():
            reference = read_reference_file(root / REFERENCE_DIRECTORY / name, name)
            header, tensors = _request(reference.request, _SEQUENCE if model.stateful else {})
            small = sum(map(len, files.values())) + len(header) + len(tensors) <= BYTES_MAX
            if reference.expected.responses is None and small:
                file = f"{len(files)}.request"
                files[file] = header + tensors
                tests.setdefault(model.name, {})[version] = {"file": file, "header_bytes": len(header)}
    return {TESTS_FILE: json.dumps(tests, sort_keys=True).encode(), **files}


def _request(request: Request, parameters: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the JSON header and the tensors of an inference request with binary data."""
    contents = [_raw(tensor) for tensor in request.inputs]
    header = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                "parameters": {"binary_data_size": len(content)},
            }
            for tensor, content in zip(request.inputs, contents, strict=True)
        ],
        "parameters": {"binary_data_output": True, **parameters},
    }
    return json.dumps(header).encode(), b"".join(contents)


def _raw(tensor: TensorData) -> bytes:
    match tensor.datatype:
        case "BYTES":
            texts = [base64.b64decode(i["base64"]) if isinstance(i, dict) else i.encode() for i in tensor.data]
            return b"".join(struct.pack("<I", len(text)) + text for text in texts)
        case "BF16":
            # The upper half of FP32, rounded to the nearest, ties to even.
            return b"".join(_bf16(float(value)) for value in tensor.data)
        case datatype:
            is_float = datatype.startswith("FP")
            values = [float(value) if is_float else value for value in tensor.data]
            return struct.pack(f"<{len(values)}{_FORMATS[datatype]}", *values)


def _bf16(value: float) -> bytes:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return struct.pack("<H", bits >> 16 if math.isnan(value) else (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
