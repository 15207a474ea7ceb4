"""The programs that the development cluster runs: what is on PATH is used, what is missing is built.

    toolchain = Toolchain()
    toolchain.ensure(["etcd", "kube-apiserver"], progress)
    toolchain.build_in_background(["keda-operator"])
    subprocess.Popen([toolchain.path("kube-apiserver"), ...])
    toolchain.wait("keda-operator", progress)

`python -m devcluster.toolchain` lists every tool and where it comes from.
"""

from devcluster.toolchain.toolchain import Toolchain

__all__ = ["Toolchain"]
