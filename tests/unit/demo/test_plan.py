"""What a run enqueues: the same for the same seed, and one of each trouble."""

from __future__ import annotations

from collections import Counter

import pytest

from roger_actors.demo.enqueuing import Enqueuer, in_batches
from roger_actors.demo.log import Log, read
from roger_actors.demo.plan import Maker, Places, sources, tables, trouble
from roger_actors.errors import DuplicateJob, PublishUnconfirmed
from roger_actors.roger import Config


@pytest.fixture
def places(tmp_path) -> Places:
    return Places(tmp_path)


def test_the_same_seed_plans_the_same(places):
    plans = [Maker(places, 5).work(sources(5, 20)) for _ in range(2)]

    assert plans[0] == plans[1]


def test_the_work_is_over_files_that_are_there(places):
    files = sources(3, 200)

    assert len(files) == 200
    assert all(file.endswith(".py") for file in files)


def test_the_trouble_has_ten_jobs_of_one_queue_key_and_five_of_one_execution_key(places):
    records = [planned.record for planned in trouble(Maker(places, 1), places)]

    assert Counter(r.queue_key for r in records if r.queue_key) == {"unique-report": 10}
    assert Counter(r.execution_key for r in records if r.execution_key) == {"serial-account": 5}


def test_the_tables_are_a_configuration(places):
    config = Config.from_mapping(tables("demo", "embedded:x.db", places))

    assert set(config.partitions) == {"acme", "globex"}


def test_batches_have_one_partition_each_and_keep_its_order(places):
    work = Maker(places, 1).work(sources(1, 101))

    batches = in_batches(work, 20)

    assert all(len({each.partition for each in batch}) == 1 and len(batch) <= 20 for batch in batches)
    for tenant in ("acme", "globex"):
        flat = [each for batch in batches for each in batch if each.partition == tenant]
        assert flat == [each for each in work if each.partition == tenant]


class Answering:
    """A client that answers each enqueue with what it was given."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)

    def enqueue(self, record, partition):
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return record

    def enqueue_many(self, records, partition):
        return [self.answers.pop(0) or record for record in records]


def steps(places, client, planned):
    log = Log(places.enqueued)
    known = Enqueuer(client, log).enqueue(planned)
    log.close()
    return known, [entry.what for entry in read(places.enqueued)]


def test_an_enqueue_is_written_before_and_after(places):
    planned = Maker(places, 1).work(["x.py"])[0]

    assert steps(places, Answering(None), planned) == (True, ["intent", "accepted"])


def test_a_duplicate_is_refused(places):
    planned = Maker(places, 1).work(["x.py"])[0]
    error = DuplicateJob(partition="acme", queue_key="k", holder="another")

    assert steps(places, Answering(error), planned) == (True, ["intent", "refused"])


def test_a_duplicate_of_itself_was_accepted_before(places):
    planned = Maker(places, 1).work(["x.py"])[0]
    error = DuplicateJob(partition="acme", queue_key="k", holder=planned.record.id)

    assert steps(places, Answering(error), planned) == (True, ["intent", "accepted"])


def test_an_enqueue_that_was_not_confirmed_has_an_unknown_fate(places):
    planned = Maker(places, 1).work(["x.py"])[0]
    error = PublishUnconfirmed(queue="acme-default", message_id=planned.record.id, seconds=1.0)

    assert steps(places, Answering(error), planned) == (False, ["intent", "unknown"])
