"""Jobs as rows: promised, leased, ended, and what becomes of them when services die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from samplemind.errors import CursorError
from samplemind.features.levels import AnalysisLevel
from samplemind.library.database import Database
from samplemind.library.model import Job
from samplemind.service import homes, jobs, leases
from samplemind.service.jobs import JobView
from samplemind.service.leases import LEASE_S, MOST_DEATHS, End, Leased
from samplemind.service.problems import Problem
from tests.library.builders import NOW, add_file, digest, make_root

T = TypeVar("T")

BASIC, DETAILED = AnalysisLevel.BASIC, AnalysisLevel.DETAILED
OURS, THEIRS = "our service", "their service"


def write(database: Database, action: Callable[[Session], T]) -> T:
    with database.writing() as session:
        return action(session)


def submit(
    database: Database,
    sound: str,
    *,
    home: str = OURS,
    owner: str = "ann",
    level: AnalysisLevel = BASIC,
    now: float = NOW,
    most: int | None = None,
) -> JobView:
    wish: dict[str, Any] = {"home": home, "owner": owner, "level": level, "now": now, "most": most}
    return write(database, lambda session: jobs.submit(session, subject=digest(sound), **wish))


def submit_batch(
    database: Database, *sounds: str, home: str = OURS, owner: str = "ann", most: int | None = None
) -> JobView:
    wish: dict[str, Any] = {"home": home, "owner": owner, "level": BASIC, "now": NOW, "most": most}
    subjects = [digest(sound) for sound in sounds]
    return write(database, lambda session: jobs.submit_batch(session, subjects=subjects, **wish))


def lease(database: Database, home: str = OURS, *, most: int = 1, now: float = NOW) -> list[Leased]:
    return write(database, lambda session: leases.lease(session, home, kind="analysis", now=now, most=most))


def finish(database: Database, *ends: End, home: str = OURS, now: float = NOW) -> list[str]:
    return write(database, lambda session: leases.finish(session, home, ends, now))


def cancel(database: Database, job: JobView, owner: str | None = "ann") -> list[str]:
    return write(database, lambda session: jobs.cancel(session, job.ticket, owner, NOW))


def find(database: Database, job: JobView, owner: str | None = None) -> JobView:
    with database.reading() as session:
        found = jobs.find(session, job.ticket, owner)
    assert found is not None
    return found


def states(database: Database, *several: JobView) -> list[str]:
    return [find(database, job).state for job in several]


def test_a_job_is_there_as_soon_as_it_is_promised(database: Database) -> None:
    job = submit(database, "kick")
    assert find(database, job) == job
    assert (job.kind, job.state, job.subject, job.level) == ("analysis", "queued", digest("kick"), "basic")
    assert (job.created_at, job.started_at, job.ended_at, job.ended) == (NOW, None, None, False)


def test_what_is_asked_for_again_is_the_same_job_until_it_ends(database: Database) -> None:
    first = submit(database, "kick")
    assert submit(database, "kick") == first
    [leased] = lease(database)
    assert submit(database, "kick").ticket == first.ticket
    others = [
        submit(database, "snare"),
        submit(database, "kick", level=DETAILED),
        submit(database, "kick", owner="bob"),
    ]
    assert len({job.ticket for job in (first, *others)}) == 4
    finish(database, End(leased.id, "failed", "DecodeError", "damaged"))
    assert submit(database, "kick").ticket != first.ticket


def test_only_its_owner_sees_a_job(database: Database) -> None:
    job = submit(database, "kick", owner="ann")
    with database.reading() as session:
        assert jobs.find(session, job.ticket, "ann") == job
        assert jobs.find(session, job.ticket, None) == job
        assert jobs.find(session, job.ticket, "bob") is None
        assert jobs.listed(session, owner="bob") == ([], None)
    assert cancel(database, job, owner="bob") == []
    assert states(database, job) == ["queued"]


def test_the_oldest_is_leased_first_and_batches_wait_for_single_jobs(database: Database) -> None:
    submit_batch(database, "tom", "clap")
    for sound in ("kick", "snare"):
        submit(database, sound)
    order = [lease(database)[0].subject for _ in range(4)]
    assert order == [digest(sound) for sound in ("kick", "snare", "tom", "clap")]
    assert lease(database) == []


def test_small_files_of_one_level_are_leased_together(database: Database) -> None:
    with database.writing() as session:
        root = make_root(session)
        for sound, size in (("a", 10), ("b", 20), ("long", 50_000_000), ("c", 30)):
            add_file(session, None, sound, root, digest=digest(sound), size=size)
    for sound in ("a", "b", "long", "c"):
        submit(database, sound)
    submit(database, "d", level=DETAILED)
    groups = [[(job.subject, job.size) for job in lease(database, most=10)] for _ in range(4)]
    assert groups == [
        [(digest("a"), 10), (digest("b"), 20)],
        [(digest("long"), 50_000_000)],
        [(digest("c"), 30)],
        [(digest("d"), 0)],
    ]


def test_nobody_works_on_a_sound_twice_at_a_time(database: Database) -> None:
    for owner in ("ann", "bob"):
        submit(database, "kick", owner=owner)
    submit(database, "kick", level=DETAILED)
    [first] = lease(database, most=10)
    assert lease(database, most=10) == []
    finish(database, End(first.id, "done"))
    assert len(lease(database, most=10)) == 1


def test_each_change_raises_the_version(database: Database) -> None:
    job = submit(database, "kick")
    versions = [job.version]
    [leased] = lease(database)
    versions.append(find(database, job).version)
    assert finish(database, End(leased.id, "done"), now=NOW + 2) == [job.ticket]
    ended = find(database, job)
    versions.append(ended.version)
    assert versions == sorted(set(versions))
    assert (ended.state, ended.started_at, ended.ended_at) == ("done", NOW, NOW + 2)


def test_a_failed_job_says_why(database: Database) -> None:
    job = submit(database, "kick")
    [leased] = lease(database)
    finish(database, End(leased.id, "failed", "DecodeError", "no sample could be decoded"))
    ended = find(database, job)
    assert (ended.state, ended.error, ended.reason) == ("failed", "DecodeError", "no sample could be decoded")


def test_a_job_ends_once(database: Database) -> None:
    job = submit(database, "kick")
    [leased] = lease(database)
    assert finish(database, End(leased.id, "done"), home=THEIRS) == []
    assert cancel(database, job) == [job.ticket]
    assert finish(database, End(leased.id, "done")) == []
    assert cancel(database, job) == []
    assert states(database, job) == ["cancelled"]


def test_a_queued_job_that_is_cancelled_is_never_leased(database: Database) -> None:
    job = submit(database, "kick")
    cancel(database, job)
    assert lease(database) == []
    assert find(database, job).ended


def test_what_a_killed_service_had_in_hand_is_resumed_by_the_same(database: Database) -> None:
    job = submit(database, "kick")
    lease(database)
    write(database, lambda session: leases.resume(session, THEIRS, NOW))
    assert states(database, job) == ["running"]
    assert write(database, lambda session: leases.resume(session, OURS, NOW)) == [job.ticket]
    assert states(database, job) == ["queued"]
    assert len(lease(database)) == 1


def test_a_service_works_on_its_own_jobs_alone(database: Database) -> None:
    ours, theirs = submit(database, "kick"), submit(database, "snare", home=THEIRS)
    [taken] = lease(database, THEIRS, most=10)
    assert taken.ticket == theirs.ticket
    late = NOW + 10 * LEASE_S
    for _ in range(2):
        assert [job.ticket for job in lease(database, most=10)] == [ours.ticket]
        assert lease(database, most=10) == []
        write(database, lambda session: leases.give_back(session, OURS, late, [taken.id]))
        assert write(database, lambda session: leases.resume(session, OURS, late)) == [ours.ticket]
        assert states(database, theirs) == ["running"]
    with database.reading() as session:
        assert leases.held(session, OURS) == set()
        assert leases.held(session, THEIRS) == {taken.id}
        assert leases.next_asked(session, OURS, "analysis") == [(digest("kick"), "basic")]


def test_only_a_services_own_jobs_are_its_queue(database: Database) -> None:
    for sound in ("a", "b"):
        submit(database, sound, home=THEIRS)
    assert submit(database, "c", most=1).state == "queued"
    with database.reading() as session:
        assert (jobs.counts(session, OURS)["queued"], jobs.counts(session, THEIRS)["queued"]) == (1, 2)
        assert (jobs.waiting(session, OURS, "analysis"), jobs.waiting(session, THEIRS, "analysis")) == (1, 2)


def test_a_job_of_another_service_is_joined_while_that_one_lives(database: Database) -> None:
    kick, snare = submit(database, "kick", home=THEIRS), submit(database, "snare", home=THEIRS)
    [taken] = lease(database, THEIRS)
    assert taken.ticket == kick.ticket
    for theirs, sound in ((kick, "kick"), (snare, "snare")):
        assert submit(database, sound, now=NOW + LEASE_S - 1).ticket == theirs.ticket
    write(database, lambda session: leases.renew(session, THEIRS, NOW + LEASE_S - 1))
    assert submit(database, "kick", now=NOW + LEASE_S + 1).ticket == kick.ticket
    assert lease(database, most=10) == []


def test_a_job_of_a_service_that_is_gone_holds_nobody_up(database: Database) -> None:
    kick, snare = submit(database, "kick", home=THEIRS), submit(database, "snare", home=THEIRS)
    lease(database, THEIRS)
    gone = NOW + LEASE_S + 1
    own = [submit(database, sound, now=gone) for sound in ("kick", "snare")]
    assert {job.ticket for job in own}.isdisjoint({kick.ticket, snare.ticket})
    assert {job.ticket for job in lease(database, most=2, now=gone)} <= {job.ticket for job in own}
    # When it comes back nothing is mixed up: each goes on with its own.
    assert write(database, lambda session: leases.resume(session, THEIRS, gone)) == [kick.ticket]
    [again] = lease(database, THEIRS, now=gone)
    assert again.ticket == kick.ticket
    assert submit(database, "kick", now=gone).ticket == own[0].ticket


def test_what_only_another_service_keeps_is_no_job_here(database: Database) -> None:
    with database.writing() as session:
        homes.settle(session, OURS, "/ours")
        homes.settle(session, THEIRS, "/theirs")
        theirs, ours, scanned = (make_root(session, path) for path in ("/theirs", "/ours", "/theirs too"))
        add_file(session, None, "kick.wav", theirs, digest=digest("kick"))
        for root in (theirs, ours):
            add_file(session, None, "both.wav", root, digest=digest("both"))
        add_file(session, None, "scanned.wav", scanned, digest=digest("scanned"))
    for refused in (lambda: submit(database, "kick"), lambda: submit_batch(database, "both", "kick")):
        with pytest.raises(Problem) as problem:
            refused()
        assert (problem.value.status, problem.value.code) == (409, "kept-elsewhere")
        assert "another service" in problem.value.detail
    assert submit(database, "both").state == submit(database, "scanned").state == "queued"
    theirs_job = submit(database, "kick", home=THEIRS)
    with pytest.raises(Problem):
        submit(database, "kick")
    lease(database, THEIRS)
    assert submit(database, "kick").ticket == theirs_job.ticket
    with pytest.raises(Problem):
        submit(database, "kick", now=NOW + 2 * LEASE_S)


def test_a_data_folder_that_was_brought_back_has_its_jobs(database: Database) -> None:
    job, other = submit(database, "kick", home="before"), submit(database, "snare", home=THEIRS)
    for home, uploads in (("before", "/ours"), (THEIRS, "/theirs"), (OURS, "/ours"), (OURS, "/ours")):
        write(database, lambda session, home=home, uploads=uploads: homes.settle(session, home, uploads))
    assert [taken.ticket for taken in lease(database, most=10)] == [job.ticket]
    assert [taken.ticket for taken in lease(database, THEIRS, most=10)] == [other.ticket]
    write(database, lambda session: homes.settle(session, THEIRS, "/moved"))
    with database.reading() as session:
        elsewhere = homes.Elsewhere(session, OURS)
    assert "/moved/x.wav" in elsewhere
    assert not any(path in elsewhere for path in ("/theirs/x.wav", "/ours/x.wav", "/moved too/x.wav"))


def test_a_job_over_which_services_die_again_and_again_is_quarantined(database: Database) -> None:
    job = submit(database, "kick")
    for _ in range(MOST_DEATHS):
        assert states(database, job) == ["queued"]
        lease(database)
        write(database, lambda session: leases.resume(session, OURS, NOW))
    ended = find(database, job)
    assert (ended.state, ended.error) == ("quarantined", "QuarantinedError")
    assert ended.reason == "5 times a service died while this was being worked on"
    assert lease(database) == []


def test_what_is_given_back_is_no_death(database: Database) -> None:
    job = submit(database, "kick")
    for _ in range(2 * MOST_DEATHS):
        assert len(lease(database)) == 1
        write(database, lambda session: leases.give_back(session, OURS, NOW))
    assert states(database, job) == ["queued"]


def test_a_batch_counts_along(database: Database) -> None:
    batch = submit_batch(database, "a", "b", "c", "b")
    none = dict.fromkeys(("queued", "running", "done", "failed", "cancelled", "quarantined"), 0)
    seen = [find(database, batch)]
    first, second, third = (lease(database)[0] for _ in range(3))
    seen.append(find(database, batch))
    assert batch.ticket in finish(database, End(first.id, "done"), End(second.id, "failed", "DecodeError", "why"))
    seen.append(find(database, batch))
    finish(database, End(third.id, "quarantined", "CrashError", "why"), now=NOW + 9)
    seen.append(find(database, batch))
    assert [job.state for job in seen] == ["queued", "running", "running", "done"]
    assert [job.totals for job in seen] == [
        none | {"queued": 3},
        none | {"running": 3},
        none | {"running": 1, "done": 1, "failed": 1},
        none | {"done": 1, "failed": 1, "quarantined": 1},
    ]
    assert seen[-1].ended_at == NOW + 9
    assert [job.version for job in seen] == sorted({job.version for job in seen})


def test_a_batch_follows_its_parts_through_the_death_of_a_service(database: Database) -> None:
    batch = submit_batch(database, "a", "b")
    lease(database)
    assert batch.ticket in write(database, lambda session: leases.resume(session, OURS, NOW))
    totals = find(database, batch).totals
    assert totals is not None
    assert (totals["queued"], totals["running"]) == (2, 0)


def test_a_cancelled_batch_takes_its_parts_along(database: Database) -> None:
    batch = submit_batch(database, "a", "b", "c")
    other = submit(database, "d")
    lease(database)  # that is d
    [running] = lease(database)
    finish(database, End(running.id, "done"))
    [running] = lease(database)
    assert len(cancel(database, batch)) == 3  # two parts and itself
    assert finish(database, End(running.id, "done")) == []
    assert lease(database) == []
    ended = find(database, batch)
    assert ended.totals is not None
    assert (ended.state, ended.totals["done"], ended.totals["cancelled"]) == ("cancelled", 1, 2)
    assert states(database, other) == ["running"]


def test_the_parts_of_a_batch_are_listed_by_its_ticket(database: Database) -> None:
    batch = submit_batch(database, "a", "b")
    single = submit(database, "c")
    with database.reading() as session:
        own, _ = jobs.listed(session, owner="ann")
        parts, _ = jobs.listed(session, owner="ann", batch=batch.ticket)
        others, _ = jobs.listed(session, owner="bob", batch=batch.ticket)
    assert [job.ticket for job in own] == [single.ticket, batch.ticket]
    assert {job.subject for job in parts} == {digest("a"), digest("b")}
    assert others == []


def test_pages_of_jobs_are_without_gaps(database: Database) -> None:
    tickets = [submit(database, str(number)).ticket for number in range(5)]
    found, cursor = [], None
    with database.reading() as session:
        for _ in range(3):
            page, cursor = jobs.listed(session, owner=None, limit=2, cursor=cursor)
            found.append([job.ticket for job in page])
        assert cursor is None
        assert jobs.listed(session, owner=None, state="done") == ([], None)
        for wrong in ("x", "-1", "9" * 30, "²"):
            with pytest.raises(CursorError):
                jobs.listed(session, owner=None, cursor=wrong)
    newest = tickets[::-1]
    assert found == [newest[:2], newest[2:4], newest[4:]]


def test_a_full_queue_takes_nothing_new(database: Database) -> None:
    first = submit(database, "a", most=2)
    submit(database, "b", most=2)
    with pytest.raises(Problem) as full:
        submit(database, "c", most=2)
    assert (full.value.status, full.value.code) == (503, "queue-full")
    assert int(full.value.headers["Retry-After"]) > 0
    assert submit(database, "a", most=2) == first
    with pytest.raises(Problem):
        submit_batch(database, "d", "e", most=3)
    lease(database)
    assert submit(database, "c", most=2).state == "queued"
    with database.reading() as session:
        counted = jobs.counts(session, OURS)
    assert (counted["queued"], counted["running"]) == (2, 1)


def test_jobs_are_forgotten_a_month_after_their_end(database: Database) -> None:
    batch, queued = submit_batch(database, "a"), submit(database, "b")
    cancel(database, batch)
    for later, expected in ((jobs.KEPT_S - 1, {"b", "batch"}), (jobs.KEPT_S + 1, {"b"})):
        write(database, lambda session, later=later: jobs.forget(session, NOW + later))
        with database.reading() as session:
            own, _ = jobs.listed(session, owner="ann")
            parts, _ = jobs.listed(session, owner="ann", batch=batch.ticket)
        assert {"b" if job == queued else job.kind for job in own} == expected
        assert len(parts) == len(expected) - 1


def test_scans_of_the_command_line_are_left_alone(database: Database) -> None:
    with database.writing() as session:
        session.add(Job(kind="scan", state="running", subject="/sounds", level="basic", created_at=NOW, seen_at=NOW))
    job = write(
        database,
        lambda session: jobs.submit_scan(session, home=OURS, owner="ann", root="/sounds", level=BASIC, now=NOW),
    )
    assert job.state == "queued"
    write(database, lambda session: leases.resume(session, OURS, NOW + 10 * LEASE_S))
    [leased] = write(database, lambda session: leases.lease(session, OURS, kind="scan", now=NOW))
    assert leased.ticket == job.ticket
    with database.reading() as session:
        assert [view.ticket for view in jobs.listed(session, owner=None)[0]] == [job.ticket]


def test_levels_of_a_newer_version_are_left_for_it(database: Database) -> None:
    job = submit(database, "kick")
    write(database, lambda session: session.execute(update(Job).values(level="beyond")))
    assert lease(database) == []
    assert states(database, job) == ["queued"]
