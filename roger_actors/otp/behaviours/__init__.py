"""Behaviours made of the others: tasks, agents, partitions.

May import: servers, supervisors, `process`, and the runtime.

In reading order: `task` (one function, one process, one result), `task_stream` (many of them over the items
of an iterable), `task_supervisor` (under a supervisor).
"""

from roger_actors.otp.behaviours.task import Task
from roger_actors.otp.behaviours.task_process import TaskExit, TaskOk
from roger_actors.otp.behaviours.task_stream import StreamOptions
from roger_actors.otp.behaviours.task_supervisor import TaskSupervisor

__all__ = ["StreamOptions", "Task", "TaskExit", "TaskOk", "TaskSupervisor"]
