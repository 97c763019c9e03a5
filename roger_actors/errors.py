"""Every exception this project raises, in one tree.

```
RogerActorsError
├── ConfigError (also ValueError)          key path, value, what was expected
│   └── InvalidConfig                      a whole configuration; carries every problem
├── ProcessError
│   ├── SeveralProcesses                   the name is one on several hosts
│   ├── NoProcess                          nobody under that pid or name
│   │   └── UnknownRegistry                no registry under that name
│   ├── NotRegistered                      the process does not have that key
│   ├── CallTimeout (also TimeoutError)    seconds waited; the server may still act
│   ├── ServerExited                       it died before replying; carries the reason
│   ├── CallingSelf                        a process called itself
│   ├── NameTaken                          carries the name and the holder
│   ├── StartFailed                        init refused or crashed; carries the reason
│   ├── CallbackFailed                     a function given to a system request raised
│   ├── BadReturn                          a callback returned no known shape
│   └── InvalidTask (also ValueError)      asked for by another than its owner, or twice
├── SupervisionError
│   ├── InvalidChildSpec                   which child, which field
│   ├── ChildAlreadyStarted                carries the pid of who has the id or name
│   ├── ChildAlreadyPresent                known, but not running
│   ├── ChildRunning
│   ├── ChildRestarting
│   ├── ChildNotFound
│   ├── SimpleOneForOne                    its children are known by pid, not by id
│   ├── ChildrenWithoutIds                 so are those of a DynamicSupervisor
│   ├── TooManyChildren
│   ├── ApplicationAlreadyStarted          one of that name runs on this host
│   └── ApplicationNotStarted
├── TransportError
│   ├── TransportDown                      the node is not there, or has ended
│   │   └── NodeStartFailed                it has never been up
│   │       └── NodeNameTaken              another node has its name
│   └── Undeliverable                      the message cannot be sent as it is
├── BrokerError
│   ├── ConnectionFailed                   never opened
│   ├── ConnectionLost                     was open
│   ├── ChannelClosed                      carries AMQP code and text
│   ├── ChannelLimit                       the broker allows too few per connection
│   ├── TopologyMismatch                   declared before with other settings
│   ├── QueueInUse                         not mended while it is used
│   ├── Unroutable                         no queue took the message
│   ├── PublishUnconfirmed                 the deadline passed without a confirm
│   ├── StorageFailed                      the embedded broker's file cannot be written
│   └── TablesTimeout (also TimeoutError)  the owner of the tables did not answer in time
└── JobError
    ├── InvalidTime (also ValueError)      a moment without a time zone, or too far away
    ├── InvalidJob                         a class that is no job, or arguments that cannot travel
    ├── UndecodableJob                     a payload that is no job of a known format
    │   └── NewerFormat                    of a format that only a newer release reads
    ├── UnknownJobClass                    well formed, but this node has no such class
    │   └── NewerJob                       it has, but an older version of it
    ├── JobTooLarge                        payload over the limit
    ├── JobNotFound                        no job of that id where it was looked for
    ├── DuplicateJob                       carries the queue key and the holder's id
    ├── PartitionNotRunning                not on this node
    ├── PartitionNotStarted                not on any node
    ├── JobTimeout                         ran longer than max_execution_time
    └── JobKilled                          ended with its worker host; carries how
```

An exception is for a caller; what links, monitors and supervisors see is an exit reason
(`roger_actors.otp.reason`). Each error takes named data, builds its own line, and survives pickling.
"""

from __future__ import annotations

from typing import Any


class RogerActorsError(Exception):
    """Base of everything this project raises.

    Subclasses declare their data as keyword arguments and a `template`, of which the message is built.
    """

    template = "{detail}"

    def __init__(self, **data: Any) -> None:
        self.data = data
        super().__init__(self.template.format(**data))

    def __getattr__(self, name: str) -> Any:
        """Return the datum called `name`."""
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the data, so that an error crosses processes unharmed."""
        return _rebuild, (type(self), self.data)


def _rebuild(kind: type[RogerActorsError], data: dict[str, Any]) -> RogerActorsError:
    return kind(**data)


class ConfigError(RogerActorsError, ValueError):
    """A setting is wrong. Data: `key` (path), `value`, `expected`; `kind`, where OTP has a word for it."""

    template = "{key}: got {value!r}, expected {expected}"

    def __str__(self) -> str:
        """Return the setting, what it is and should be, and OTP's word for that."""
        kind = self.data.get("kind")
        return super().__str__() if kind is None else f"{super().__str__()} ({kind})"


class InvalidConfig(ConfigError):
    """A configuration has wrong settings. Data: `source`, `problems` (one `ConfigError` for each)."""

    template = "{source}: {problems}"

    def __str__(self) -> str:
        """Return everything that is wrong, on one line."""
        told = "; ".join(str(problem) for problem in self.problems)
        return told if self.problems and self.problems[0].key == self.source else f"{self.source}: {told}"


class ProcessError(RogerActorsError):
    """Base of what can go wrong between a process and its caller."""


class SeveralProcesses(ProcessError):
    """Several hosts have a process of that name. Data: `name`, `found` (the processes as text)."""

    template = "{name} is {found}; say which, by its pid or as {name}@HOST"


class NoProcess(ProcessError):
    """Nobody lives under that pid or name. Data: `process`."""

    template = "no process {process}"


class UnknownRegistry(NoProcess):
    """There is no registry under that pid or name, or none that this host can use so. Data: `process`."""

    template = "no registry {process}; for one of another host use lookup((name, host), key)"


class NotRegistered(ProcessError):
    """A process does not have a key, whoever else has. Data: `registry`, `key`, `process`."""

    template = "{process} is not registered under {key!r} in {registry}"


class CallTimeout(ProcessError, TimeoutError):
    """A call was not answered in time; the server may still act on it. Data: `process`, `seconds`."""

    template = "call to {process} was not answered within {seconds} s; it may still be carried out"


class ServerExited(ProcessError):
    """The server died before it answered. Data: `process`, `reason`."""

    template = "{process} exited before it answered: {reason}"


class CallingSelf(ProcessError):
    """A process called itself and would have waited for ever. Data: `process`."""

    template = "process {process} called itself; handle the request directly or cast"


class NameTaken(ProcessError):
    """The name is registered already. Data: `name`, `holder`."""

    template = "name {name!r} is taken by {holder}"


class StartFailed(ProcessError):
    """A process could not start: its init refused, crashed or took too long.

    Data: `what`, `reason`; from a supervisor of children with ids also `child`, as in its reports.
    """

    template = "{what} did not start: {reason}"


class CallbackFailed(ProcessError):
    """A function given to a process that runs raised, or what it gave is refused; nothing has changed.

    Data: `callback`, `reason`.
    """

    template = "{callback} failed in the process that was asked: {reason}"


class BadReturn(ProcessError):
    """A callback returned something it may not. Data: `callback`, `value`."""

    template = "{callback} returned {value!r}, which is none of its allowed results"


class InvalidTask(ProcessError, ValueError):
    """A task cannot be asked for its result here. Data: `task` (its pid), `detail`."""

    template = "task {task} {detail}"


class SupervisionError(RogerActorsError):
    """Base of what a supervisor refuses."""


class InvalidChildSpec(SupervisionError, ValueError):
    """A child specification is wrong. Data: `child`, `field`, `value`, `expected`."""

    template = "child {child!r}: {field} is {value!r}, expected {expected}"


class ChildAlreadyStarted(SupervisionError):
    """A running process has the child's id or name. Data: `child`, `pid`."""

    template = "child {child!r} is already started as {pid}"


class ChildAlreadyPresent(SupervisionError):
    """The child is known and not running; restart or delete it. Data: `child`."""

    template = "child {child!r} is already present; restart_child or delete_child it"


class ChildRunning(SupervisionError):
    """The child is running; terminate it first. Data: `child`."""

    template = "child {child!r} is running; terminate_child it first"


class ChildRestarting(SupervisionError):
    """The child's restart is being tried again and again. Data: `child`."""

    template = "child {child!r} is restarting; terminate_child it first"


class ChildNotFound(SupervisionError):
    """The supervisor knows no such child. Data: `child`."""

    template = "no child {child!r}"


class SimpleOneForOne(SupervisionError):
    """A `simple_one_for_one` supervisor was asked for a child by id, or for what needs one. Data: `child`."""

    template = "{child!r}: children of a simple_one_for_one supervisor have no ids; terminate them by pid"


class ChildrenWithoutIds(SupervisionError):
    """A `DynamicSupervisor` was asked for what needs a child's id. Data: `request`."""

    template = (
        "{request} is for supervisors whose children have ids; a DynamicSupervisor knows its by pid: "
        "use its which_children and terminate_child"
    )


class TooManyChildren(SupervisionError):
    """A dynamic supervisor is full. Data: `limit`."""

    template = "the supervisor has its maximum of {limit} children"


class ApplicationAlreadyStarted(SupervisionError):
    """An application of that name runs on this host. Data: `application`."""

    template = "application {application!r} is already started on this host"


class ApplicationNotStarted(SupervisionError):
    """No application of that name runs on this host. Data: `application`."""

    template = "application {application!r} is not started on this host"


class TransportError(RogerActorsError):
    """Base of what can go wrong between hosts."""


class TransportDown(TransportError):
    """The node is not there, or has ended. Data: `node`, `detail`."""

    template = "node {node!r} is down: {detail}"


class NodeStartFailed(TransportDown):
    """A node did not come up: its roles, or a child of its tree, did not start. Data: `node`, `detail`."""

    template = "node {node} did not start: {detail}"


class NodeNameTaken(NodeStartFailed):
    """Another node of this name is alive on this broker. Data: `node`, `detail` (who has the name)."""

    template = "node {node} did not start: its name is taken by {detail}; end that one or choose another name"


class Undeliverable(TransportError):
    """A message cannot be sent as it is. Data: `type`, `detail`."""

    template = "a message of type {type} cannot be sent to another host: {detail}"


class BrokerError(RogerActorsError):
    """Base of what can go wrong with the message broker."""


class ConnectionFailed(BrokerError):
    """The broker could not be reached. Data: `broker` (no password), `detail`."""

    template = "cannot connect to {broker}: {detail}"


class ConnectionLost(BrokerError):
    """A connection that was open has ended. Data: `broker`, `detail`."""

    template = "lost the connection to {broker}: {detail}"


class ChannelClosed(BrokerError):
    """The broker closed a channel. Data: `code`, `text`."""

    template = "the broker closed the channel: {code} {text}"


class ChannelLimit(BrokerError):
    """The broker allows too few channels per connection. Data: `broker`, `allowed`, `needed`."""

    template = "{broker} allows {allowed} channels per connection, {needed} are needed: raise its channel_max"


class TopologyMismatch(BrokerError):
    """A queue exists with other settings. Data: `name`, `setting` (one of them), `wanted`, `found`."""

    template = "queue {name!r} exists with other settings: {setting} is {found}, wanted {wanted}; mend it"


class QueueInUse(BrokerError):
    """A queue cannot be mended while it is used. Data: `queue`, `detail`."""

    template = "queue {queue!r} cannot be mended: {detail}"


class Unroutable(BrokerError):
    """No queue took the message. Data: `queue`."""

    template = "queue {queue!r} does not exist; start the partition with this queue first"


class PublishUnconfirmed(BrokerError):
    """The broker did not confirm in time; the message may or may not be there. Data: `queue`, `seconds`."""

    template = "publishing to {queue!r} was not confirmed within {seconds} s; it may or may not have arrived"


class StorageFailed(BrokerError):
    """The embedded broker's file cannot be written (disk full …). Data: `broker`, `detail`."""

    template = "cannot write to {broker}: {detail}"


class TablesTimeout(BrokerError, TimeoutError):
    """The owner of the tables did not answer in time. Data: `broker`, `seconds`."""

    template = "the tables on {broker} did not answer within {seconds} s; is a node of this system running?"


class JobError(RogerActorsError):
    """Base of what can go wrong with a job."""


class InvalidTime(JobError, ValueError):
    """When a job is to start cannot be meant so. Data: `name` (the argument), `value`, `expected`."""

    template = "{name} is {value}, expected {expected}"


class InvalidJob(JobError):
    """A class is no job, or its arguments cannot travel. Data: `job`, `detail`."""

    template = "{job}: {detail}"


class UndecodableJob(JobError):
    """A payload is no job. Data: `detail`."""

    template = "payload is no job: {detail}"


class NewerFormat(UndecodableJob):
    """A payload is in a format that only a newer release reads. Data: `detail`."""


class UnknownJobClass(JobError):
    """A well-formed job names a class that this node does not have. Data: `name`."""

    template = "no job class is registered as {name!r} on this node"


class NewerJob(UnknownJobClass):
    """A job is of a newer version of its class than this node has. Data: `name`, `version`, `known`."""

    template = "job class {name!r} has version {known} on this node, and the job needs version {version}"


class JobTooLarge(JobError):
    """A payload is over the limit. Data: `job`, `size`, `limit` (bytes)."""

    template = "{job}: payload of {size} bytes is over the limit of {limit}; store the data elsewhere"


class JobNotFound(JobError):
    """There is no job of that id where it was looked for. Data: `job` (its id), `where`."""

    template = "{job} is not in {where}"


class DuplicateJob(JobError):
    """The queue key is taken. Data: `partition`, `queue_key`, `holder` (job id)."""

    template = "partition {partition!r}: queue key {queue_key!r} is taken by job {holder}"


class PartitionNotRunning(JobError):
    """The partition is not started on this node. Data: `partition`."""

    template = "partition {partition!r} is not running on this node"


class PartitionNotStarted(JobError):
    """There are nodes, and none of them has the partition. Data: `partition`.

    Start it, or look for a mistake in its name.
    """

    template = "no node has the partition {partition!r}; start it, or look for a mistake in its name"


class JobTimeout(JobError):
    """A job ran longer than it may. Data: `job`, `seconds`."""

    template = "job {job} ran longer than its max_execution_time of {seconds} s"


class JobKilled(JobError):
    """A job ended with its worker host. Data: `job`, `detail`."""

    template = "job {job} did not end by itself: {detail}"
