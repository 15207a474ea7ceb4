"""SSH keys of the jobs, the tunnel pods and the bastion.

They are derived from their names, so that the site file of the dev cluster can name the public ones. They protect
nothing: all three ends are on this machine.
"""

import hashlib
import shutil

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devcluster.files import SECRET_MODE, write
from devcluster.slurm.folders import JOBS_UID, SLURM

JOBS, TUNNEL_HOST, BASTION_HOST = "jobs", "tunnel-host", "bastion-host"
JOBS_KEY_FILE = SLURM / "keys" / "jobs"
"""Private key of the jobs; their user alone reads it."""


def write_jobs_key() -> None:
    """Write the private key of the jobs, unless it is there."""
    if not JOBS_KEY_FILE.exists():
        write(JOBS_KEY_FILE, private_key(JOBS), SECRET_MODE)
    shutil.chown(JOBS_KEY_FILE, JOBS_UID)


def private_key(name: str) -> str:
    """Return a private key in the form of OpenSSH. Its text is another one each time."""
    key = _key(name).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return key.decode()


def public_key(name: str) -> str:
    """Return a public key in the form of OpenSSH, without a comment."""
    public = _key(name).public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"sonic-dev {name}".encode()).digest())
