"""Programs of the development cluster, found on PATH or built.

    toolchain = Toolchain()
    toolchain.ensure(["etcd", "kube-apiserver"], progress)
    toolchain.build_in_background(["keda-operator"])
    subprocess.Popen([toolchain.path("kube-apiserver"), ...])
    toolchain.wait("keda-operator", progress)

`python -m devcluster.toolchain` lists every tool and where it comes from.
"""

from devcluster.toolchain.toolchain import Toolchain

__all__ = ["Toolchain"]
