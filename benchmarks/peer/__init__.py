"""SuperSONIC 0.3.1's proxy, rebuilt from its chart."""

from benchmarks.peer.autoscaling import scaled_object_spec as scaled_object_spec
from benchmarks.peer.bootstrap import Auth as Auth
from benchmarks.peer.bootstrap import ConnectionLimit as ConnectionLimit
from benchmarks.peer.bootstrap import Policy as Policy
from benchmarks.peer.bootstrap import bootstrap as bootstrap
from benchmarks.peer.limiter import DEFAULT_QUERY as DEFAULT_QUERY
from benchmarks.peer.limiter import LoadLimit as LoadLimit
from benchmarks.peer.objects import objects as objects
from benchmarks.peer.values import Values as Values
from benchmarks.peer.values import triton_name as triton_name
