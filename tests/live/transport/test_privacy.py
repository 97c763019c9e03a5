"""Nobody else can reach a node, and nothing of one process leaks into another."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from transport_driver import Puppets
from transport_processes import about

from roger_actors.transport.thespian import UnixNode
from roger_actors.transport.thespian.linux import descendants

NOBODY = 65534


def listening_inodes() -> set[str]:
    """Return the inodes of every listening TCP and bound UDP socket of this machine."""
    found = set()
    for name, states in (("tcp", ("0A",)), ("tcp6", ("0A",)), ("udp", ("07", "01")), ("udp6", ("07", "01"))):
        lines = (
            Path(f"/proc/net/{name}").read_text().splitlines()[1:]
            if Path(f"/proc/net/{name}").exists()
            else []
        )
        found |= {line.split()[9] for line in lines if line.split()[3] in states}
    return found


def sockets_of(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def knock_as_nobody(path: Path) -> str:
    """Ask at a socket as another user, from a forked child; return what came of it."""
    request = json.dumps([0, "role_of", 0]).encode()
    hello = (3 << 29).to_bytes(4, "little")
    frame = (4 + len(request) | 4 << 29).to_bytes(4, "little") + bytes(4) + request
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.write(write, _knock(path, hello + frame).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as stream:
        return stream.read()


def _knock(path: Path, data: bytes) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5.0)
        try:
            sock.connect(str(path))
            sock.sendall(data)
            return "closed" if sock.recv(100) == b"" else "answered"
        except ConnectionError:
            return "closed"
        except OSError as error:
            return type(error).__name__


def test_no_process_of_a_node_listens_on_tcp_or_udp(puppets: Puppets, node: UnixNode) -> None:
    hosts = puppets.start(count=3)
    puppets.tell(hosts[0], "send", hosts[1], 1000)
    admin = about(node)["admin"]

    pids = [admin, *descendants(admin)]

    assert len(pids) == 5
    for pid in pids:
        assert not sockets_of(pid) & listening_inodes()


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@as_root
def test_another_user_cannot_even_connect(puppets: Puppets, node: UnixNode) -> None:
    (host,) = puppets.start()

    for name in ("admin", "h0", f"h{host}"):
        assert knock_as_nobody(node.directory / name) == "PermissionError"


@as_root
def test_another_user_who_can_connect_is_closed_unheard(puppets: Puppets, node: UnixNode) -> None:
    (host,) = puppets.start()
    for directory in (node.directory, node.directory.parent):
        directory.chmod(0o755)

    for name in ("admin", "h0", f"h{host}"):
        (node.directory / name).chmod(0o777)
        assert knock_as_nobody(node.directory / name) == "closed"
    assert puppets.start()


def test_a_process_that_claims_to_be_a_host_is_closed(puppets: Puppets, node: UnixNode) -> None:
    (first, second) = puppets.start(count=2)
    claim = str(node.directory / f"h{first}").encode()

    with socket.socket(socket.AF_UNIX) as impostor:
        impostor.settimeout(5.0)
        impostor.connect(str(node.directory / f"h{second}"))
        impostor.sendall((3 << 29 | len(claim)).to_bytes(4, "little") + claim)

        assert impostor.recv(1) == b""
    assert puppets.seen(second, 0) == []


def test_a_process_that_claims_to_be_the_root_and_sends_a_pickle_is_closed(
    puppets: Puppets, node: UnixNode
) -> None:
    (host,) = puppets.start()
    claim = str(node.directory / "h0").encode()
    bomb = b"cos\n_exit\n(I9\ntR."

    with socket.socket(socket.AF_UNIX) as impostor:
        impostor.settimeout(5.0)
        impostor.connect(str(node.directory / f"h{host}"))
        impostor.sendall((3 << 29 | len(claim)).to_bytes(4, "little") + claim)
        impostor.sendall((1 << 29 | len(bomb)).to_bytes(4, "little") + bomb)

        assert _is_closed(impostor)
    assert puppets.tell(host, "role_of", 0) == "root"


def _is_closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_host_has_no_descriptor_of_the_root_or_of_an_older_host(puppets: Puppets, node: UnixNode) -> None:
    hosts = puppets.start(count=5)

    described = puppets.tell(hosts[-1], "describe")

    targets = [target for fd, target in described["descriptors"].items() if int(fd) > 2]
    # its listener, the root's connection, asyncio's own pair; and the directory that is being listed
    assert sum(target.startswith("socket:") for target in targets) == 4
    assert sum(target == "anon_inode:[eventpoll]" for target in targets) == 1
    assert not [target for target in targets if "pidfd" in target or "lock" in target or "pipe" in target]


def test_a_host_has_one_thread_and_crashes_for_real(puppets: Puppets) -> None:
    (host,) = puppets.start()

    described = puppets.tell(host, "describe")

    assert described["threads"] == 1
    assert described["session"] == described["pid"]


def test_a_child_that_a_job_forks_has_none_of_its_sockets(puppets: Puppets) -> None:
    first, second = puppets.start(count=2)
    puppets.tell(first, "send", second, 1)

    assert puppets.tell(first, "fork_in_thread") == []


def test_a_child_that_a_job_forks_can_be_terminated_without_its_host(puppets: Puppets) -> None:
    (host,) = puppets.start()

    assert puppets.tell(host, "terminate_a_fork") == 15

    assert puppets.tell(host, "role_of", 0) == "root"
