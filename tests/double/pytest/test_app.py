# SPDX-License-Identifier: BSD-3-Clause
"""The fixture `stet` is a server after a reset; time stands still unless a test moves it, and no test sleeps."""
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from app import Cache, DelayedQueue, Lock, RateLimiter, charge, work


@pytest.fixture
def client(stet):
    stet.test("CLOCK", "FREEZE")
    with redis.Redis(port=stet.port, decode_responses=True) as client:
        yield client


@pytest.fixture
def advance(stet):
    return lambda ms: stet.test("CLOCK", "ADVANCE", ms)


def test_the_cache_computes_again_once_the_time_to_live_is_over(client, advance):
    values = iter(["v1", "v2"])
    cache = Cache(client, 60000)
    assert cache.get("k", lambda: next(values)) == "v1"
    advance(59999)
    assert cache.get("k", lambda: next(values)) == "v1"
    advance(1)
    assert cache.get("k", lambda: next(values)) == "v2"


def test_the_rate_limiter_allows_so_many_calls_per_window(client, advance):
    limiter = RateLimiter(client, 2, 1000)
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]
    assert limiter.allows("b")
    advance(1000)
    assert limiter.allows("a")


def test_a_charge_whose_answer_is_lost_is_counted_once(client, stet):
    stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 1, "CLOSE", "AFTER")
    assert charge(client, 7, 100) == 100
    assert stet.call("GET", "total") == "100"


def test_a_plain_counter_cannot_know(client, stet):
    stet.test("FAULT", "ADD", "COMMAND", "incrby", "TIMES", 1, "CLOSE", "AFTER")  # redis-py's incr() sends INCRBY
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert stet.call("GET", "n") == "1"


def test_a_charge_that_the_server_refuses_is_tried_again(client, stet):
    stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 2, "ERROR", "BUSY try later")
    assert charge(client, 7, 100) == 100
    stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 3, "ERROR", "BUSY try later")
    with pytest.raises(redis.ResponseError, match="try later"):
        charge(client, 8, 100)


def test_a_lock_that_has_expired_is_not_released_by_its_former_holder(client, advance):
    a, b = Lock(client, "lock", 1000), Lock(client, "lock", 1000)
    assert a.acquire() and not b.acquire()
    advance(1000)
    assert b.acquire()
    assert not a.release()
    assert b.release()


def test_a_job_comes_out_once_its_delay_is_over(client, advance):
    queue = DelayedQueue(client)
    queue.add("mail", 24 * 3600 * 1000)
    queue.add("ping", 1000)
    assert queue.take_due() == []
    advance(1000)
    assert queue.take_due() == ["ping"]
    advance(24 * 3600 * 1000)
    assert queue.take_due() == ["mail"]


def test_a_worker_waits_until_there_is_a_job(client, stet):
    with ThreadPoolExecutor() as threads:
        job = threads.submit(work, client, 0)
        stet.test("WAIT", "BLOCKED", "jobs")
        stet.call("RPUSH", "jobs", "one")
        assert job.result() == "one"


def test_a_worker_gives_up_after_its_timeout(client, stet, advance):
    with ThreadPoolExecutor() as threads:
        job = threads.submit(work, client, 30)
        stet.test("WAIT", "BLOCKED", "jobs")
        advance(30000)
        assert job.result() is None


def test_parameters_come_from_the_ini_file(stet):
    assert stet.call("CONFIG", "GET", "maxmemory")[1] == "104857600"
