"""What a job class may say, and the record that `create` makes of it."""

from __future__ import annotations

import collections
import enum
import re

import pytest

from roger_actors.errors import InvalidJob
from roger_actors.roger.jobs import job
from roger_actors.roger.jobs.job import Job, JobRecord


class Square(Job):
    def perform(self, args):
        return args * args


class Resize(Job):
    queue_type = "images"
    retryable = True
    max_execution_time = 30
    retry_levels = (1, 2.5)
    retry_jitter = 0

    @classmethod
    def queue_key(cls, args):
        return f"resize-{args['id']}"

    @classmethod
    def execution_key(cls, args):
        return f"user-{args['user']}"

    def perform(self, args): ...


class Asks(Job):
    @classmethod
    def queue_type(cls, args):
        return args

    @classmethod
    def retryable(cls):
        return True

    @classmethod
    def max_execution_time(cls):
        return 5

    def perform(self, args): ...


# -- create ---------------------------------------------------------------------------------------


@pytest.mark.roger_line(1)
def test_a_record_has_the_name_of_its_class_its_arguments_and_a_string_id():
    record = Square.create(7)

    assert record.module == f"{__name__}.Square"
    assert record.args == 7
    assert re.fullmatch(r"[a-z2-7]{32}", record.id)


@pytest.mark.roger_line(1)
def test_a_class_that_says_nothing_has_the_defaults():
    record = Square.create(7, "an-id")

    assert record == JobRecord(id="an-id", module=f"{__name__}.Square", args=7)
    assert (record.queue_key, record.execution_key, record.queue_type) == (None, None, "default")
    assert (record.retry_count, record.queued_at, record.started_at) == (0, 0, 0)
    assert (record.max_execution_time, record.retryable, record.retry_levels) == (None, False, None)
    assert record.retry_jitter is None


@pytest.mark.roger_line(1)
def test_keys_type_and_limits_are_computed_when_the_record_is_made():
    record = Resize.create({"id": 7, "user": 3})

    assert (record.queue_key, record.execution_key, record.queue_type) == ("resize-7", "user-3", "images")
    assert (record.max_execution_time, record.retryable, record.retry_levels) == (30.0, True, (1.0, 2.5))
    assert record.retry_jitter == 0.0


def test_type_retryable_and_limit_may_be_class_methods():
    record = Asks.create("mails")

    assert (record.queue_type, record.retryable, record.max_execution_time) == ("mails", True, 5.0)


def test_no_two_records_have_the_same_random_id():
    assert len({Square.create(1).id for _ in range(1000)}) == 1000


def test_the_functions_of_the_module_ask_the_record():
    record = Resize.create({"id": 7, "user": 3})

    assert job.queue_type(record) == "images"
    assert job.retryable(record) is True


def test_a_record_is_published_persistent_under_its_id_and_partition():
    assert job.publish_opts(Square.create(1, "an-id"), "acme") == {
        "content_type": "application/json",
        "delivery_mode": 2,
        "message_id": "an-id",
        "app_id": "acme",
    }


@pytest.mark.roger_line(2)
def test_execute_returns_what_perform_returns():
    assert job.execute(Square, Square.create(7)) == 49


def test_perform_finds_its_record_on_itself():
    class Shows(Job):
        def perform(self, args):
            return self.record

    record = Shows.create(None)

    assert job.execute(Shows, record) is record


class Third(Job):
    """Takes `{"sum": …}`; its first version took a number, its second a list."""

    version = 3

    @classmethod
    def upcast(cls, args, from_version):
        assert from_version < cls.version
        return {"sum": args if from_version == 1 else sum(args)}

    def perform(self, args):
        return args["sum"], self.record


@pytest.mark.parametrize(("version", "args"), [(1, 6), (2, [1, 2, 3]), (3, {"sum": 6})])
def test_a_job_of_any_older_version_is_brought_to_the_class_s_own(version, args):
    record = JobRecord(id="an-id", module="third", args=args, version=version, queue_key="k")

    performed, seen = job.execute(Third, record)

    assert performed == 6
    assert seen == JobRecord(id="an-id", module="third", args={"sum": 6}, version=3, queue_key="k")


def test_a_record_says_which_version_it_was_made_for():
    assert (Square.create(1).version, Third.create({"sum": 1}).version) == (1, 3)


def test_a_class_below_one_with_an_upcast_has_it_too():
    class Fourth(Third):
        version = 4

    record = JobRecord(id="an-id", module="fourth", args=6, version=1)

    assert job.execute(Fourth, record)[0] == 6


def test_a_class_may_be_known_by_another_name():
    class Renamed(Square):
        job_name = "square"

    class Below(Renamed):
        pass

    assert Renamed.create(1).module == "square"
    assert Below.create(1).module.endswith("Below")


def test_a_class_in_main_is_refused_because_no_node_could_import_it():
    nameless = type("Script", (Square,), {"__module__": "__main__"})

    with pytest.raises(
        InvalidJob, match=r"is in __main__, which no node can import; move it or set job_name"
    ):
        nameless.create(1)


def test_the_id_must_be_a_string_of_printable_characters():
    for wrong in (7, "", "a\nb", "x" * 256):
        with pytest.raises(InvalidJob, match=r"id is .*, expected a string of 1 to 255 printable characters"):
            Square.create(1, wrong)


@pytest.mark.parametrize("key", [7, "", "a\0b", "x" * 256])
def test_a_queue_key_that_is_no_text_is_refused(key):
    class Keyed(Square):
        @classmethod
        def queue_key(cls, args):
            return args

    assert Keyed.create("k").queue_key == "k"
    with pytest.raises(InvalidJob, match=r"queue_key\(args\) is .*, expected a string of 1 to 255"):
        Keyed.create(key if key != "a\0b" else "a\0b")


@pytest.mark.parametrize(
    ("member", "answer", "words"),
    [
        ("queue_type", "no.dots", r"queue_type\(\) is 'no.dots', expected letters, digits and '_'"),
        ("queue_type", None, r"queue_type\(\) is None, expected letters"),
        ("retryable", 1, r"retryable\(\) is 1, expected True or False"),
        ("max_execution_time", 0.5, r"max_execution_time\(\) is 0.5, expected seconds from 1 to 31622400"),
    ],
)
def test_a_wrong_answer_of_a_class_method_is_refused_at_create(member, answer, words):
    wrong = type("Wrong", (Square,), {member: classmethod(lambda cls, *args: answer)})

    with pytest.raises(InvalidJob, match=words):
        wrong.create(1)


def test_creating_a_class_that_is_no_job_names_the_reason():
    with pytest.raises(InvalidJob, match=r"'Square': is no class; subclass roger_actors.Job"):
        job.create("Square", 1)
    with pytest.raises(InvalidJob, match=r"builtins.int: is no job class; subclass roger_actors.Job"):
        job.create(int, 1)
    with pytest.raises(InvalidJob, match=r"Job: defines no perform\(self, args\)"):
        job.create(Job, 1)


# -- definition -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("perform", 5, r"Bad: perform is 5, expected a method perform\(self, args\)"),
        ("perform", lambda self: 1, r"perform\(self\) cannot be called with \(self, args\)"),
        (
            "queue_type",
            5,
            r"queue_type is 5, expected letters, digits and '_', 100 characters at most, or @",
        ),
        ("queue_type", "no dots.", "queue_type is 'no dots.'"),
        ("queue_type", lambda self, args: "x", r"or @classmethod above def queue_type\(cls, args\)"),
        (
            "queue_type",
            classmethod(lambda cls: "x"),
            r"queue_type\(cls\) cannot be called with \(cls, args\)",
        ),
        ("queue_key", "key", r"queue_key is 'key', expected @classmethod above def queue_key\(cls, args\)"),
        ("queue_key", lambda self, args: "x", r"expected @classmethod above def queue_key\(cls, args\)"),
        ("execution_key", staticmethod(lambda: "x"), r"execution_key\(\) cannot be called with \(args\)"),
        ("retryable", "yes", "retryable is 'yes', expected True or False"),
        (
            "max_execution_time",
            0.5,
            "max_execution_time is 0.5, expected seconds from 1 to 31622400, or None",
        ),
        ("max_execution_time", "30", "max_execution_time is '30', expected seconds"),
        ("max_execution_time", float("inf"), "max_execution_time is inf, expected seconds"),
        ("max_execution_time", True, "max_execution_time is True, expected seconds"),
        ("retry_levels", (), r"retry_levels is \(\), expected a list of one or more seconds"),
        ("retry_levels", [1, -1], r"retry_levels is \[1, -1\], expected"),
        ("retry_levels", 5, "retry_levels is 5, expected"),
        ("retry_jitter", 1.5, "retry_jitter is 1.5, expected a number from 0 to 1, or None for the node's"),
        ("retry_jitter", True, "retry_jitter is True, expected"),
        ("retry_jitter", float("nan"), "retry_jitter is nan, expected"),
        ("version", 0, "version is 0, expected a whole number from 1 to"),
        ("version", True, "version is True, expected a whole number"),
        ("version", 2, r"version is 2, and there is no upcast\(cls, args, from_version\) for older jobs"),
        ("upcast", lambda self, args, from_version: args, r"expected @classmethod above def upcast\(cls"),
        ("upcast", classmethod(lambda cls, args: args), r"cannot be called with \(cls, args, from_version\)"),
        ("job_name", "", "job_name is '', expected a string of 1 to 255 printable characters"),
    ],
)
def test_a_class_that_could_not_work_is_refused_where_it_is_defined(member, value, words):
    with pytest.raises(InvalidJob, match=words):
        type("Bad", (Job,), {member: value})


def test_a_perform_that_yields_is_refused_because_it_would_never_run():
    with pytest.raises(InvalidJob, match="expected a method that does not yield"):

        class Yields(Job):
            def perform(self, args):
                yield args


def test_a_static_method_may_stand_where_the_class_is_not_needed():
    class Static(Square):
        @staticmethod
        def queue_type(args):
            return args

    assert Static.create("mails").queue_type == "mails"


# -- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        None,
        True,
        7,
        -1.5,
        "é\0\n",
        [],
        {},
        [[{"a": [None]}]],
        2**63,
        2**64 - 1,
        -(2**63),
        "1234567890123456789012",
    ],
)
def test_what_json_carries_arrives_as_it_was_given(args):
    assert Square.create(args).args == args


def test_what_compares_equal_after_its_way_may_travel():
    class Colour(enum.StrEnum):
        RED = "red"

    given = collections.OrderedDict(colour=Colour.RED)
    arrived = Square.create(given).args

    assert arrived == {"colour": "red"}
    assert type(arrived) is dict


def test_the_record_has_a_copy_of_its_arguments():
    given = {"ids": [1]}
    record = Square.create(given)

    given["ids"].append(2)

    assert record.args == {"ids": [1]}


_LOOP: list[object] = []
_LOOP.append(_LOOP)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"a": [1, (2, 3)]}, "args['a'][1] is a tuple, which would arrive as a list; use a list"),
        ({"a": {1: 2}}, "args['a'] has the key 1 of type int; JSON has strings"),
        ([float("nan")], "args[0] is nan, which JSON cannot carry; use None"),
        (float("inf"), "args is inf, which JSON cannot carry; use None"),
        ({"when": [b"x"]}, "args['when'][0] is of type bytes, which JSON cannot carry"),
        ({"s": {1}}, "args['s'] is of type set, which JSON cannot carry"),
        ([object], "args[0] is of type type, which JSON cannot carry"),
        (2**64, "args is an integer of more than 64 bits; use a string"),
        ([0, -(2**63) - 1], "args[1] is an integer of more than 64 bits; use a string"),
        (["\ud800"], "args[0] is a string with a lone surrogate, which is no text"),
        ({"\ud800": 1}, "args has the key '\\ud800', which is a string with a lone surrogate"),
        (_LOOP, "is nested deeper than 100 levels"),
    ],
)
def test_arguments_that_would_not_arrive_are_refused_with_the_path_to_them(args, words):
    with pytest.raises(InvalidJob) as caught:
        Square.create(args)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def nested(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def test_a_hundred_levels_of_nesting_travel_and_one_more_does_not():
    assert Square.create(nested(100)).args == nested(100)
    with pytest.raises(InvalidJob, match="nested deeper than 100 levels"):
        Square.create(nested(101))


def test_many_brackets_beside_each_other_or_in_strings_are_not_deep():
    args = [[], {}, "[" * 500, '\\"{' * 300] * 200

    assert Square.create(args).args == args
