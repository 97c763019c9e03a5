"""What supervisors do, inside their own processes.

May import `gen_server` and below. Modules: `restart` (decisions), `children` (start one, stop one), `report`
(what is logged), `acting` (exits, restarts and requests of a Supervisor), `dynamic` and `simple_one_for_one`
(children known by pid), `code_change` (new flags and specs).
"""

from roger_actors.otp.supervision.acting import TRY_AGAIN, Child, State, forgetful, start_refused

__all__ = ["TRY_AGAIN", "Child", "State", "forgetful", "start_refused"]
