"""A small ParticleNet in numpy, with the interface of CMS's particlenet_AK4_PT."""

import numpy as np
import triton_python_backend_utils as pb_utils
from particlenet import INPUTS, OUTPUT, ParticleNet


class TritonPythonModel:
    """Jets in, probabilities of eight flavours out. The weights are fixed but mean nothing in physics."""

    def initialize(self, args):  # noqa: ARG002 - the python backend's signature
        """Make the weights, once for each instance."""
        self._network = ParticleNet()

    def execute(self, requests):
        """Join Triton's batch of requests into one batch of jets, compute once, and split the answers."""
        jets = {name: [self._read(request, name) for request in requests] for name in INPUTS}
        sizes = [len(points) for points in jets["pf_points"]]
        probabilities = self._network({name: np.concatenate(parts) for name, parts in jets.items()})
        shares = np.split(probabilities, np.cumsum(sizes)[:-1])
        return [pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor(OUTPUT, share)]) for share in shares]

    def _read(self, request, name):
        return pb_utils.get_input_tensor_by_name(request, name).as_numpy()
