"""Shutdown of a server and of an Envoy of SuperSONIC 0.3.1 (chart commit e578801)."""

TRITON_PRE_STOP = ("/bin/sh", "-c", "touch", "/tmp/shutdown;", "sleep 60")  # noqa: S108  a word of theirs, not a file
"""The preStop hook of its Triton pods, word for word. `sh -c` takes one word as its script, so this runs `touch`
without a file, which fails at once: the kubelet notes FailedPreStopHook and sends SIGTERM, with the server still in
DNS. Where Triton is the pod's first process, that is its end; the chart's default command has a shell there, which
keeps it from Triton (`peer.objects`). That its author meant to wait for 60 s is seen from the readiness probe, which
looks for /tmp/shutdown."""

TRITON_GRACE_SECONDS = 60
"""`terminationGracePeriodSeconds` of its Triton pods."""

TRITON_EXIT_TIMEOUT_SECONDS = 60
"""`--exit-timeout-secs` of its Triton's default arguments."""

ENVOY_PRE_STOP: tuple[str, ...] = ()
"""Its Envoy pods have no preStop hook: SIGTERM comes at once, and Envoy exits on it at once."""

ENVOY_ARGUMENTS = ("--concurrency", "1", "--disable-hot-restart")
"""Two arguments that theirs does not have. One worker thread, as ours has by default, for theirs would start one for
each core of the node; and no shared memory of that node, which in a pod is the pod's own."""
