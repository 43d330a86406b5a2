"""Delivery to sinks that refuse rows, or whole kinds of them."""

from __future__ import annotations

import pytest
from delivery_box import ALARM, Box, event
from hypothesis import given
from hypothesis import strategies as st

from sensorml.interfaces import Delivered, NoAnswer, Refused, Retry
from sensorml.storage.retry_policy import Batch, RetryPolicy, Status


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path / "journal.db")
    yield box
    box.journal.close()


async def test_one_bad_row_is_set_aside_and_all_others_are_sent(box):
    box.journal.append({"event": [event(n) for n in range(1, 101)]})
    box.server.refused = {37}
    status = await box.run()
    assert [row[0] for _, row in box.server.taken] == [
        n for n in range(1, 101) if n != 37
    ]
    assert status == Status(sent=99, set_aside=1)
    [told] = box.events
    assert "row 37 of event" in told["detail"]
    assert "field type conflict" in told["detail"]
    assert box.offset() == 100
    assert box.server.sends < 25


async def test_many_refused_rows_are_reported_at_powers_of_ten(box):
    box.journal.append({"event": [event(n) for n in range(1, 121)]})
    box.server.refused = set(range(1, 121))
    box.journal.append({"event": [event(n) for n in range(121, 200)]})
    status = await box.run()
    assert status.set_aside == 120
    assert len(box.events) == 3
    assert len(box.letters) == 120


async def test_a_batch_that_is_too_large_is_sent_in_smaller_ones(box):
    box.journal.append({"event": [event(n) for n in range(100)]})
    box.server.largest = 30
    status = await box.run()
    assert [row[0] for _, row in box.server.taken] == list(range(100))
    assert status.set_aside == 0


async def test_a_time_out_halves_the_batch_and_it_grows_slowly_again(box):
    sizes = []

    def send(kind, rows):
        sizes.append(len(rows))
        if len(rows) > 30:
            return NoAnswer("not within timeout_s = 10", timed_out=True)
        box.server.taken += [(kind, row[:-1]) for row in rows]
        return Delivered()

    box.server.send = send
    box.journal.append({"event": [event(n) for n in range(400)]})
    status = await box.run(waits=10)
    assert [row[0] for _, row in box.server.taken] == list(range(400))
    assert sizes[:5] == [100, 50, 25, 27, 29]
    assert max(sizes[2:]) <= 33
    assert status.state == "ok"


async def test_when_all_rows_of_a_kind_are_refused_they_are_kept(box):
    box.server.refused = set(range(10, 3000))
    box.journal.append({"event": [event(n) for n in range(10, 2735)], "alarm": [ALARM]})
    status = await box.run(waits=65)
    assert status.state == "refused"
    assert "field type conflict" in status.reason
    assert status.set_aside == 0
    assert box.letters == []
    assert box.offset() == 0
    assert [kind for kind, _ in box.server.taken] == ["alarm"]
    assert box.server.sends < 30
    box.server.refused = set()
    status = await box.run()
    assert status == Status(sent=2725)


async def test_a_run_of_refused_rows_passes_when_the_newest_is_accepted(box):
    box.server.refused = set(range(50))
    box.journal.append({"event": [event(n) for n in range(100)]})
    status = await box.run()
    assert status == Status(sent=50, set_aside=50)
    assert box.offset() == 100
    assert [x.last_id for x in box.letters] == list(range(1, 51))


async def test_a_run_that_the_server_counts_passes_in_one_step(box):
    def send(kind, rows):
        box.server.sends += 1
        old = [row for row in rows if row[0] < 5000]
        box.server.taken += [(kind, row[0]) for row in rows if row[0] >= 5000]
        if old:
            return Refused(f"beyond retention dropped={len(old)}", len(old))
        return Delivered()

    box.server.send = send
    box.journal.append({"event": [event(n) for n in range(6000)]})
    status = await box.run()
    assert {n for _, n in box.server.taken} == set(range(5000, 6000))
    assert (status.sent, status.set_aside) == (1000, 5000)
    assert sum(x.rows for x in box.letters) == 5000
    assert box.server.sends < 120  # two for each batch of 100


async def test_a_refused_row_at_the_end_waits_for_a_proof(box):
    box.server.refused = {2}
    box.journal.append({"event": [event(1), event(2)]})
    status = await box.run()
    assert (status.state, status.sent, status.set_aside) == ("refused", 1, 0)
    assert box.offset() == 1
    box.journal.append({"event": [event(3)]})
    status = await box.run()
    assert (status.state, status.sent, status.set_aside) == ("ok", 1, 1)
    assert box.letters[0].first_id == 2
    assert box.offset() == 3


async def test_a_row_that_is_not_utf_8_is_set_aside_and_no_other(box):
    box.journal.append({"event": [event(n) for n in range(1, 21)]})
    box.journal._connection().execute(
        "UPDATE event SET detail = CAST(x'66ff66' AS TEXT) WHERE id IN (1, 7, 20)"
    )
    status = await box.run()
    sent = [row[0] for _, row in box.server.taken]
    assert sent == [n for n in range(1, 21) if n not in {1, 7, 20}]
    assert status == Status(sent=17, set_aside=3)
    assert [x.first_id for x in box.letters] == [1, 7, 20]
    assert "checksum" in box.letters[0].reason
    assert box.offset() == 20


@given(
    st.integers(1, 64),
    st.sets(st.integers(0, 198), max_size=20),
    st.lists(st.booleans(), max_size=50),
)
def test_every_row_that_is_not_refused_is_taken_once(batch, bad, outages):
    policy = RetryPolicy(batch_rows=batch, jitter=lambda: 0.0)
    taken, letters, offset, stored, outages = [], [], 0, 0, list(outages)
    for _ in range(10_000):
        rows = list(range(200))[offset : offset + policy.limit("event")]
        if not rows:
            break
        sent = Batch("event", len(rows), rows[0] + 1, rows[-1] + 1)
        if outages and outages.pop():
            outcome = NoAnswer("away")
        else:
            outcome = Refused("bad") if bad.intersection(rows) else Delivered()
        step = policy.after(sent, outcome)
        while step is not None:
            if step.sent_to is not None:
                offset = step.sent_to
            stored = step.stored_to or stored
            letters += [x.first_id - 1 for x in step.letters]
            prove, step = step.try_newest, None
            if prove:
                step = policy.after_newest(Batch("event", 1, 200, 200), Delivered())
        taken += rows if isinstance(outcome, Delivered) else []
        assert policy.limit("event") in range(1, batch + 1)
    assert stored == 200
    # A row may be sent twice where a suspicion was dropped in an outage.
    assert sorted(set(taken)) == [n for n in range(200) if n not in bad]
    assert sorted(letters) == sorted(bad)
    assert policy.status.set_aside == len(bad)


@given(st.integers(0, 200), st.floats(0, 1))
def test_the_wait_grows_to_its_limit_and_stays_there(failures, chance):
    policy = RetryPolicy(batch_rows=1, longest_wait_s=60.0, jitter=lambda: chance)
    one = Batch("event", 1, 1, 1)
    for _ in range(failures):
        policy.after(one, Retry("down"))
    wait_s = policy.after(one, Retry("down")).wait_s
    ceiling = min(2.0 ** min(failures, 10), 60.0)
    assert ceiling / 2 <= wait_s <= ceiling
