"""Behaviours made of the others: tasks, agents, partitions.

May import: servers, supervisors, `process`, and the runtime.

In reading order: `task` (one function, one process, one result), `task_stream` (many of them over the items
of an iterable), `task_supervisor` (under a supervisor), `agent` (a state), `partition_supervisor` (one child
many times).
"""

from roger_actors.otp.behaviours.agent import Agent
from roger_actors.otp.behaviours.partition_supervisor import PartitionSupervisor
from roger_actors.otp.behaviours.task import Task
from roger_actors.otp.behaviours.task_process import TaskExit, TaskOk
from roger_actors.otp.behaviours.task_stream import StreamOptions
from roger_actors.otp.behaviours.task_supervisor import TaskSupervisor

__all__ = [
    "Agent",
    "PartitionSupervisor",
    "StreamOptions",
    "Task",
    "TaskExit",
    "TaskOk",
    "TaskSupervisor",
]
