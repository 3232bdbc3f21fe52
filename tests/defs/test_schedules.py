from datetime import UTC, datetime

import dagster as dg
import pytest

from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.schedules import unattended_keys

AT = datetime(2026, 8, 3, 3, 0, tzinfo=UTC)


def _tick(instance, at=AT):
    (schedule,) = build_definitions().schedules
    job = build_definitions().resolve_job_def(schedule.job_name)
    assert job is not None
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
    return schedule(context)


def _write(write, chain, partitions, timezone=None):
    zone = f", timezone: {timezone}" if timezone else ""
    write("a.maml.md", chain(head=f"{partitions}schedule: {{cron: '0 3 * * *'{zone}}}\n"))


def test_unpartitioned_asks_for_one_run(write, chain, instance):
    _write(write, chain, "")
    (request,) = _tick(instance)
    assert request.partition_key is None
    assert request.run_key == AT.isoformat()


def test_static_asks_for_each_key(write, chain, instance):
    _write(write, chain, "partitions: {static: ['0.735', '1.40']}\n")
    found = _tick(instance)
    assert [request.partition_key for request in found] == ["0.735", "1.40"]
    assert len({request.run_key for request in found}) == 2


def test_daily_asks_for_the_latest_complete_day(write, chain, instance):
    _write(write, chain, "partitions: {daily: '2026-07-01'}\n")
    assert [request.partition_key for request in _tick(instance)] == ["2026-08-02"]


def test_hourly_asks_for_the_latest_complete_hour(write, chain, instance):
    _write(write, chain, "partitions: {hourly: '2026-07-01-00:00'}\n")
    assert [request.partition_key for request in _tick(instance)] == ["2026-08-03-02:00"]


def test_a_day_ends_in_the_partitions_own_timezone(write, chain, instance):
    _write(write, chain, "partitions: {daily: '2026-07-01', timezone: America/Los_Angeles}\n")
    assert [request.partition_key for request in _tick(instance)] == ["2026-08-01"]


def test_dynamic_asks_for_the_keys_that_were_added(write, chain, instance):
    _write(write, chain, "partitions: {dynamic: batch}\n")
    assert isinstance(_tick(instance), dg.SkipReason)
    instance.add_dynamic_partitions("batch", ["x", "y"])
    assert {request.partition_key for request in _tick(instance)} == {"x", "y"}


def test_nothing_is_complete_on_the_first_day(instance):
    partitions = dg.DailyPartitionsDefinition("2026-08-03")
    assert unattended_keys(partitions, instance, AT) == []


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_cron_and_timezone_are_the_documents(write, chain, zone):
    _write(write, chain, "", zone)
    (schedule,) = build_definitions().schedules
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", zone)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
