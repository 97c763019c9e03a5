"""Plays scenarios on our supervisors: the same parts as in Erlang, and nothing shared with them.

Modules in reading order: `collector`, `tree`, `player`.
"""

from .player import play

__all__ = ["play"]
