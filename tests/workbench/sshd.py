"""An OpenSSH server of this machine's own on the loopback, with keys of its own, that ends with its test."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aat_workbench.detached import child_environment

__all__ = ["Sshd"]

PRIVILEGES = Path("/run/sshd")  # a folder that sshd wants where it runs as root


class Sshd:
    """The server; skips the test where there is none, or none can run.

    Attributes: ``host`` as ``--host`` takes it, ``options`` as ``AAT_SSH`` does, ``runs`` the folder of runs there.
    """

    def __init__(self, place: Path) -> None:
        program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
        if program is None or shutil.which("ssh") is None:
            pytest.skip("needs OpenSSH's server and client")
        if not Path("/proc/self/stat").exists():
            pytest.skip("finds the server's processes in /proc")
        self.place = place
        self.host = f"{getpass.getuser()}@127.0.0.1"
        self.runs = place / "there" / "runs"
        place.mkdir(exist_ok=True)
        (place / "there").mkdir()
        for name in ("host_key", "key", "other_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
        self.port = _free_port()
        known = (place / "host_key.pub").read_text()
        (place / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}")
        (place / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {place}/host_key\nAuthorizedKeysFile {place}/key.pub\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n"
        )
        self.options = self.options_with("key")
        command = [program, "-D", "-e", "-f", str(place / "sshd_config")]
        if os.geteuid() == 0 and not PRIVILEGES.exists():  # in a /run of its own
            inner = f"mount -t tmpfs tmpfs /run && mkdir -m 755 {PRIVILEGES} && exec {shlex.join(command)}"
            command = ["unshare", "-m", "sh", "-c", inner]
        self._command = command
        self.start()

    def options_with(self, key: str, known: str = "known_hosts") -> str:
        """ssh's options for a connection with the key of that name."""
        return (
            f"-F none -p {self.port} -i {self.place}/{key} -o IdentitiesOnly=yes -o IdentityAgent=none "
            f"-o UserKnownHostsFile={self.place}/{known} -o GlobalKnownHostsFile=none"
        )

    def start(self) -> None:
        """Begins to serve, again after ``stop``."""
        with (self.place / "sshd.log").open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        self._wait(self.place / "sshd.log")

    def _wait(self, log: Path) -> None:
        """Until somebody can log in, who has then done nothing."""
        deadline = time.monotonic() + 20
        while True:
            command = ["ssh", *shlex.split(self.options), "-o", "BatchMode=yes", self.host, "true"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            if done.returncode == 0:
                return
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                lines = [*log.read_text().splitlines(), *done.stderr.splitlines()]
                pytest.skip(f"no sshd can run here: {lines[-1] if lines else 'it says nothing'}")
            time.sleep(0.05)

    def remote(self) -> str:
        """What ``AAT_REMOTE`` has to say for this checkout to run there, on data and runs of its own."""
        there = self.place / "there"
        wanted = child_environment(self.runs)
        names = ("PYTHONPATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "AAT_RUNS")
        settings = {name: wanted[name] for name in names} | {"AAT_DATA": str(there / "data")}
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
        return f"cd {shlex.quote(str(there))} && {words} {shlex.quote(sys.executable)} -m aat_workbench.cli.start"

    def cut(self) -> int:
        """Kills every connection's process at the server's side; how many there were."""
        found = _descendants(self.process.pid)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def stop(self) -> None:
        """Cuts every connection and takes none."""
        if self.process.poll() is None:
            self.cut()
            self.process.kill()
        self.process.wait()


def _descendants(parent: int) -> list[int]:
    """sshd's own processes beneath ``parent``: the first stand for a connection, what they started is not among them."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = path.read_text()
            name, fields = text.partition("(")[2].rpartition(")")[0], text.rpartition(")")[2].split()
            if name.startswith("sshd"):
                parents[int(path.parent.name)] = int(fields[1])
    found = [pid for pid, above in parents.items() if above == parent]
    return found + [pid for pid, above in parents.items() if above in found]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
