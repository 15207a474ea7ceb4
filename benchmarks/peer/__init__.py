"""SuperSONIC 0.3.1's proxy, rebuilt from its chart."""

from benchmarks.peer.autoscaling import scaled_object as scaled_object
from benchmarks.peer.autoscaling import scaled_object_spec as scaled_object_spec
from benchmarks.peer.bootstrap import Auth as Auth
from benchmarks.peer.bootstrap import ConnectionLimit as ConnectionLimit
from benchmarks.peer.bootstrap import Policy as Policy
from benchmarks.peer.bootstrap import bootstrap as bootstrap
from benchmarks.peer.limiter import DEFAULT_QUERY as DEFAULT_QUERY
from benchmarks.peer.limiter import LoadLimit as LoadLimit
from benchmarks.peer.manifest import Manifest as Manifest
from benchmarks.peer.objects import objects as objects
from benchmarks.peer.prometheus import SCRAPE_SECONDS as SCRAPE_SECONDS
from benchmarks.peer.prometheus import prometheus_name as prometheus_name
from benchmarks.peer.prometheus import prometheus_objects as prometheus_objects
from benchmarks.peer.values import Values as Values
from benchmarks.peer.values import triton_name as triton_name
