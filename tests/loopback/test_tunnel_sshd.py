"""The sshd of a tunnel pod, a real one, as the tunnel pod runs it: an ordinary user, and no file of the machine's."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.tunnel import AUTHORIZED_KEYS_FILE, HOST_KEY_FILE, SSH_PORT, SSH_USER
from components.virtual_node.sshd import FOLDER, USER_ID, host_key_file, secret_files
from testbed.child_process import ProcessError
from testbed.debian_programs import environment, unpack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network and mounts of its own")

PACKAGES = ("openssh-server", "openssh-client", "libwrap0")
SERVER = 8100
"""Port of the server in the job. It is another than the tunnel's, since here both are on one machine."""
SCRIPT = f"""\
ip link set lo up
mount --bind $files/passwd /etc/passwd
setpriv --reuid={USER_ID} --regid={USER_ID} --groups={USER_ID} --no-new-privs --inh-caps=-all --bounding-set=-all \\
  $sshd -D -e -f $files/sshd_config &
python3 -m http.server --bind 127.64.0.1 {SERVER} --directory $files/../served >/dev/null 2>&1 &
sleep 1
session() {{
  timeout "$1" $ssh -i $files/../job -F none -o UserKnownHostsFile=$files/../known_hosts -o BatchMode=yes \\
    -o ExitOnForwardFailure=yes -o LogLevel=ERROR -o HostKeyAlias=tunnel -p {SSH_PORT} "${{@:2}}" {SSH_USER}@127.0.0.1
}}
session 20 -N -R '*:8001:127.64.0.1:{SERVER}' &
for _ in $(seq 50); do
  answer=$(python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8001/answer").read().decode())' \\
    2>/dev/null) && break
  sleep 0.2
done
echo "answer=$answer"
session 5 -N -R '*:9000:127.64.0.1:{SERVER}'; echo "other-port=$?"
session 5 id; echo "shell=$?"
session 5 -N -L 7000:127.64.0.1:{SERVER} &
sleep 2
python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:7000/answer", timeout=2)' 2>/dev/null
echo "into-the-cluster=$?"
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openssh")
    try:
        unpack(PACKAGES, folder)
    except ProcessError as error:
        pytest.skip(str(error))
    return folder


def new_key(programs: Path, file: Path) -> str:
    """Make a key; give the first two words of its public half."""
    command = [str(programs / "usr/bin/ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)]
    subprocess.run(command, check=True, env=environment(programs))
    return file.with_suffix(".pub").read_text().strip()


@pytest.fixture(scope="module")
def outcome(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the outcome of each session, by name."""
    # The user of the tunnel runs the program: pytest's folders are root's alone.
    root = tmp_path_factory.mktemp("tunnel")
    for folder in (root, programs, *root.parents[:3]):
        folder.chmod(0o755)
    files = root / "files"
    (root / "served").mkdir()
    (root / "served" / "answer").write_text("served")
    files.mkdir()
    (root / "known_hosts").write_text(f"tunnel {new_key(programs, root / 'host')}\n")
    contents = {
        **secret_files(),
        HOST_KEY_FILE: host_key_file((root / "host").read_text().rstrip()),
        AUTHORIZED_KEYS_FILE: f"{new_key(programs, root / 'job')}\n",
    }
    for name, text in contents.items():
        (files / name).write_text(text.replace(FOLDER, str(files)))
        # As the kubelet mounts a Secret with `fsGroup`.
        os.chown(files / name, 0, USER_ID)
        (files / name).chmod(0o440)
    files.chmod(0o777)
    script = root / "script"
    script.write_text(SCRIPT)
    result = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", str(script)],
        env={
            **environment(programs),
            "files": str(files),
            "sshd": str(programs / "usr/sbin/sshd"),
            "ssh": str(programs / "usr/bin/ssh"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = [line.partition("=") for line in result.stdout.splitlines()]
    assert lines, result.stderr
    return {name: value for name, _, value in lines}


def test_a_job_forwards_a_port_of_its_server(outcome: Mapping[str, str]) -> None:
    assert outcome["answer"] == "served"


def test_no_other_port_is_forwarded(outcome: Mapping[str, str]) -> None:
    assert outcome["other-port"] == "255"


def test_the_key_of_a_job_opens_no_shell(outcome: Mapping[str, str]) -> None:
    assert outcome["shell"] == "255"


def test_a_job_reaches_nothing_of_the_cluster(outcome: Mapping[str, str]) -> None:
    assert outcome["into-the-cluster"] == "1"
