"""Ctrl-C in a preview reaches the process that asks the cluster, which then ends without a trace of Python."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from fit.__main__ import INTERRUPTED
from stacks.resolve import ROOT
from testbed.polling import eventually
from tests.support.kubeconfigs import write_kubeconfig


def test_an_interrupted_question_prints_no_trace(tmp_path: Path) -> None:
    kubectl, started, kubeconfig = tmp_path / "kubectl", tmp_path / "started", tmp_path / "config"
    kubectl.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 60\n")  # a stand-in that never serves
    kubectl.chmod(0o755)
    write_kubeconfig(kubeconfig, "sonic-dev")
    variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(kubeconfig)}
    variables.pop("SONIC_KUBE_CONTEXT", None)
    # A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that.
    with_sigint = ["env", "--default-signal=INT", sys.executable, "-m", "fit", "dev"]
    with subprocess.Popen(with_sigint, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True) as process:
        eventually(started.exists, "kubectl is started")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert (process.returncode, said) == (INTERRUPTED, "")
