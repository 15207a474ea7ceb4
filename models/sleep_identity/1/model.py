"""A model for load tests, of known capacity: it sleeps as long as the request asks, then echoes its input."""

import time
from pathlib import Path

import triton_python_backend_utils as pb_utils
from sleeping import CRASH_FILE, CRASH_MS, batch_seconds, refusal


class TritonPythonModel:
    """ECHO = DATA, FP32 [batch, n], after SLEEP_MS, FP32 [batch, 1], in milliseconds.

    A batch sleeps once, as long as its slowest request asks. A request with a sleep out of range gets an error, and the
    others of its batch do not wait for it. A sleep of -9 asks for the end of the server, for tests of that.
    """

    def execute(self, requests):
        """Sleep once for all requests of the batch, then answer each."""
        asked = [self._sleeps_ms(request) for request in requests]
        refusals = [refusal(sleeps_ms) for sleeps_ms in asked]
        allowed = [sleeps_ms for sleeps_ms, refused in zip(asked, refusals, strict=True) if refused is None]
        sleeps = [sleep_ms for sleeps_ms in allowed for sleep_ms in sleeps_ms]
        if CRASH_MS in sleeps:
            Path(CRASH_FILE).touch()
        time.sleep(batch_seconds(sleeps))
        return [self._answer(request, refused) for request, refused in zip(requests, refusals, strict=True)]

    def _sleeps_ms(self, request):
        return pb_utils.get_input_tensor_by_name(request, "SLEEP_MS").as_numpy().ravel().tolist()

    def _answer(self, request, refused):
        if refused is not None:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(refused, pb_utils.TritonError.INVALID_ARG))
        data = pb_utils.get_input_tensor_by_name(request, "DATA").as_numpy()
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("ECHO", data)])
