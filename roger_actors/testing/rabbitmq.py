"""A private RabbitMQ node on loopback ports, for tests, benchmarks and `make test`.

Nothing of it is shared with a RabbitMQ of the machine: it has its own home, cookie, data directory,
epmd and ports, listens on 127.0.0.1 only, and loads no plugin. It can be killed, frozen, made to
raise alarms and asked any Erlang expression, which is what fault tests need.

    python -m roger_actors.testing.rabbitmq start DIR     (prints the URL, returns when it is ready)
    python -m roger_actors.testing.rabbitmq status DIR
    python -m roger_actors.testing.rabbitmq stop DIR

Process:
    Everything here is synchronous and blocks; a test on an event loop calls it before or around
    the loop, or through `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs

from roger_actors.errors import BrokerError

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
OPEN_FILES = 20_000
START_SECONDS = 60.0
PR_SET_PDEATHSIG = 1


class BrokerNotInstalled(BrokerError):
    """The programs of RabbitMQ are not there. Data: `detail`."""

    template = "RabbitMQ is not installed: {detail}; apt-get install rabbitmq-server"


class BrokerNotReady(BrokerError):
    """The private broker did not come up or did not do what it was told. Data: `detail`."""

    template = "the private RabbitMQ: {detail}"


@attrs.frozen
class Ports:
    """The three loopback ports of a node: AMQP, Erlang distribution and its epmd."""

    amqp: int
    distribution: int
    epmd: int


def free_ports() -> Ports:
    """Return three loopback ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(3):
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            probe.bind(("127.0.0.1", 0))
            found.append(int(probe.getsockname()[1]))
    return Ports(*found)


class RabbitNode:
    """One private broker in one directory; start it, hurt it, stop it.

    Args:
        directory: Where everything of it lies; made if missing, mode 0700.
        settings: More lines of `rabbitmq.conf`, e.g. `{"consumer_timeout": "10000"}` (milliseconds).
        dies_with_parent: Whether it is killed when the thread that started it ends.
        name: Its name in front of `@localhost`.
        shared: `epmd` (a port on which one runs already), `cookie` and `password` of a cluster.
    """

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        dies_with_parent: bool = True,
        name: str = "rabbit",
        shared: Mapping[str, int | str] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.settings = dict(settings or {})
        self.name = f"{name}@localhost"
        self._dies_with_parent = dies_with_parent
        self._shared = dict(shared or {})
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._state = self._load_state()

    def _load_state(self) -> dict[str, int | str]:
        path = self.directory / "state.json"
        if path.exists():
            state: dict[str, int | str] = json.loads(path.read_text())
            return state
        fresh = {"password": secrets.token_hex(8), "cookie": secrets.token_hex(16)}
        return attrs.asdict(free_ports()) | fresh | self._shared

    def _save_state(self) -> None:
        path = self.directory / "state.json"
        path.touch(0o600)
        path.write_text(json.dumps(self._state))

    @property
    def port(self) -> int:
        """The AMQP port on 127.0.0.1."""
        return int(self._state["amqp"])

    @property
    def pid(self) -> int:
        """Pid of the Erlang machine, 0 while there is none."""
        pid = int(self._state.get("pid", 0))
        return pid if pid and _is_alive(pid) else 0

    def url(self, vhost: str = "/") -> str:
        """Return the AMQP URL of a vhost, password included."""
        quoted = vhost.replace("/", "%2F")
        return f"amqp://roger:{self._state['password']}@127.0.0.1:{self.port}/{quoted}"

    def start(self, timeout: float = START_SECONDS) -> None:
        """Start it, with the data it had before, and return when AMQP is answered.

        Raises:
            BrokerNotInstalled: RabbitMQ is missing.
            BrokerNotReady: It ended or was silent for `timeout` seconds; carries the end of its log.
        """
        if not SERVER.exists() or not shutil.which("epmd"):
            raise BrokerNotInstalled(detail=f"no {SERVER} or no epmd")
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write_config()
        if not self._shared and not _is_alive(int(self._state.get("epmd_pid", 0))):
            self.start_epmd()
        self._server = self._spawn([str(SERVER)], "server")
        self._state["pid"] = self._server.pid
        self._save_state()
        self._wait_until_ready(time.monotonic() + timeout)

    def start_epmd(self) -> None:
        """Start the daemon through which nodes find each other, of its own or for a whole cluster."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._epmd = self._spawn(["epmd", "-address", "127.0.0.1", "-port", str(self._state["epmd"])], "epmd")
        self._state["epmd_pid"] = self._epmd.pid

    def _write_config(self) -> None:
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(0o600)
            cookie.write_text(str(self._state["cookie"]))
            cookie.chmod(0o400)
        (self.directory / "enabled_plugins").write_text("[].\n")
        lines = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "default_user": "roger",
            "default_pass": str(self._state["password"]),
            "disk_free_limit.absolute": "50MB",
            "log.file.level": "warning",
        }
        lines.update(self.settings)
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        (self.directory / "rabbitmq.conf").write_text(text)

    def _environment(self) -> dict[str, str]:
        home = str(self.directory)
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": home,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._state["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "true",  # exec the Erlang machine: its pid is the one we started
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_SCHEMA_DIR": f"{home}/schema",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{home}/generated",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_DIST_PORT": str(self._state["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _spawn(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.out").open("ab") as out:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_prepare_child(self._dies_with_parent),  # noqa: PLW1509  two system calls
            )

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.pid:
                raise BrokerNotReady(detail=f"ended at its start: {self._last_words()}")
            if self._greets():
                return
            time.sleep(0.05)
        raise BrokerNotReady(detail=f"not ready in time: {self._last_words()}")

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as probe:
                probe.settimeout(1.0)
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return probe.recv(1) == b"\x01"
        except OSError:
            return False

    def _last_words(self) -> str:
        files = [self.directory / "server.out", *sorted((self.directory / "log").glob("*.log"))]
        text = "".join(file.read_text(errors="replace")[-600:] for file in files if file.exists())
        return " ".join(text.split())[-600:]

    def eval(self, erlang: str, timeout: float = 10.0) -> str:
        """Evaluate an Erlang expression on the node and return its value as text.

        Args:
            erlang: The expression, without the closing full stop.
            timeout: Seconds.

        Raises:
            BrokerNotReady: The node did not answer or the expression failed.
        """
        command = [
            *("erl_call", "-c", str(self._state["cookie"]), "-e"),
            *("-address", f"127.0.0.1:{self._state['distribution']}"),
        ]
        try:
            done = subprocess.run(
                command,
                input=f"{erlang}.\n".encode(),
                capture_output=True,
                timeout=timeout,
                check=False,
                env=self._environment(),
            )
        except subprocess.TimeoutExpired as error:
            raise BrokerNotReady(detail=f"no answer to {erlang!r}") from error
        answer = done.stdout.decode(errors="replace")
        if done.returncode or not answer.startswith("{ok,"):
            raise BrokerNotReady(
                detail=f"{erlang!r} failed: {answer or done.stderr.decode(errors='replace')}"
            )
        return answer.strip()[len("{ok,") : -1].strip()

    def create_vhost(self, name: str) -> str:
        """Make a vhost that the node's user may do everything in, and return its URL."""
        quoted = json.dumps(name)
        self.eval(f"ok = rabbit_vhost:add(<<{quoted}>>, <<{quoted}>>)", 30.0)
        self.eval(
            "ok = rabbit_auth_backend_internal:set_permissions("
            f'<<"roger">>, <<{quoted}>>, <<".*">>, <<".*">>, <<".*">>, <<"roger">>)'
        )
        return self.url(name)

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost with all its queues; its connections are closed."""
        self.eval(f"rabbit_vhost:delete(<<{json.dumps(name)}>>, <<{json.dumps(name)}>>)", 60.0)

    @contextlib.contextmanager
    def vhost(self, label: str = "test") -> Iterator[str]:
        """Lend a fresh vhost; yields its URL and deletes it at the end."""
        name = f"{label}-{secrets.token_hex(4)}"
        url = self.create_vhost(name)
        try:
            yield url
        finally:
            if self.pid:
                self.delete_vhost(name)

    def close_connections(self, explanation: str = "closed by a test") -> None:
        """Close every AMQP connection from the broker's side, without a goodbye from the client."""
        self.eval(
            f"[rabbit_networking:close_connection(P, {json.dumps(explanation)})"
            " || P <- rabbit_networking:connections()]"
        )

    def raise_memory_alarm(self) -> None:
        """Make the broker believe that its memory is used up: publishers are blocked."""
        self.eval("rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})")

    def clear_memory_alarm(self) -> None:
        """End what `raise_memory_alarm` began."""
        self.eval("rabbit_alarm:clear_alarm({resource_limit, memory, node()})")

    def freeze(self) -> None:
        """Stop the whole node with SIGSTOP: it neither answers nor closes anything."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen node go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the node with SIGKILL; its data stays and `start` brings it back."""
        self._end_server(signal.SIGKILL, 10.0)

    def stop(self, timeout: float = 30.0) -> None:
        """End the node in order, its epmd too; after `timeout` seconds by SIGKILL."""
        self._end_server(signal.SIGTERM, timeout)
        _end(int(self._state.pop("epmd_pid", 0)), self._epmd, signal.SIGKILL, 5.0)
        self._epmd = None
        if self.directory.exists():
            self._save_state()

    def destroy(self) -> None:
        """End the node at once and remove its directory."""
        self.kill()
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end_server(self, number: signal.Signals, timeout: float) -> None:
        _end(int(self._state.pop("pid", 0)), self._server, number, timeout)
        self._server = None
        if self.directory.exists():
            self._save_state()


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return pid > 0 and state not in "ZX"


def _end(pid: int, child: subprocess.Popen[bytes] | None, number: signal.Signals, timeout: float) -> None:
    if not pid:
        return
    deadline = time.monotonic() + timeout
    for chosen, limit in ((number, deadline), (signal.SIGKILL, deadline + 10.0)):
        with contextlib.suppress(ProcessLookupError):
            if _is_alive(pid):
                os.kill(pid, chosen)
        while _is_alive(pid) and time.monotonic() < limit:
            time.sleep(0.01)
    if child is not None:
        child.wait(10.0)


def _prepare_child(dies_with_parent: bool) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY or os.geteuid() == 0 else min(OPEN_FILES, hard)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
        if dies_with_parent:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return prepare


def main(arguments: list[str]) -> int:
    """Run the small command line: start, stop or status of the node in a directory."""
    if len(arguments) != 2 or arguments[0] not in {"start", "stop", "status"}:
        print("usage: python -m roger_actors.testing.rabbitmq start|stop|status DIR", file=sys.stderr)
        return 2
    node = RabbitNode(Path(arguments[1]), dies_with_parent=False)
    if arguments[0] == "stop":
        node.stop()
        return 0
    if arguments[0] == "start" and not node.pid:
        node.start()
    print(node.url() if node.pid else "not running")
    return 0 if node.pid else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
