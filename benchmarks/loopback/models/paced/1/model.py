"""A model of known speed: one request at a time, without batching."""

import os
import time
from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """ECHO = DATA, FP32 [n], after PACE_MS milliseconds, from the environment of the server."""

    def initialize(self, _arguments: dict[str, str]) -> None:
        """Read the pace."""
        self._seconds = float(os.environ["PACE_MS"]) / 1000

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer one after the other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        time.sleep(self._seconds)
        data = pb_utils.get_input_tensor_by_name(request, "DATA").as_numpy()
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("ECHO", data)])
