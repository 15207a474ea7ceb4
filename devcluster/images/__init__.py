"""The cluster's images: built on this machine, from package registries, without any image registry.

    archives = ensure_images(toolchain, progress)       # image reference -> docker-archive, for `ctr images import`
    root = triton_root(toolchain, progress)             # the Triton image's files, to run it without a cluster

Each image has a folder here with its Containerfile; `table` lists them all.
"""

from devcluster.images.build import ensure_images
from devcluster.images.host import chroot_command, triton_root

__all__ = ["chroot_command", "ensure_images", "triton_root"]
