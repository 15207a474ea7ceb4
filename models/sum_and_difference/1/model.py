"""Adds and subtracts two vectors: an answer that anyone can check in the head."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """SUM = INPUT0 + INPUT1 and DIFFERENCE = INPUT0 - INPUT1, each FP32 [batch, 16]."""

    def execute(self, requests):
        """Answer each request by itself: there is nothing to gain from joining them."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        first = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        second = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
        return pb_utils.InferenceResponse(
            output_tensors=[
                pb_utils.Tensor("SUM", first + second),
                pb_utils.Tensor("DIFFERENCE", first - second),
            ]
        )
