# SPDX-License-Identifier: BSD-3-Clause
"""The ordinary life of rq's queues. Argument: port. Silent if all is well."""
import datetime
import logging
import os
import sys
import time

from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.scheduler import RQScheduler

logging.disable(logging.CRITICAL)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def add(a, b):
    return a + b


def fail():
    raise ValueError("as asked")


def main():
    import rq_jobs  # the worker finds the functions there
    r = Redis(port=int(sys.argv[1]))
    q = Queue("jobs", connection=r)
    worker = SimpleWorker([q], connection=r)
    jobs = [q.enqueue(rq_jobs.add, i, i) for i in range(200)]
    bad = q.enqueue(rq_jobs.fail, retry=Retry(max=2))
    last = q.enqueue(rq_jobs.add, 1, 2, depends_on=jobs[-1])
    first = q.enqueue(rq_jobs.add, "a", "b", at_front=True, result_ttl=100)
    assert q.job_ids[0] == first.id and len(q) == 202
    assert worker.work(burst=True)
    assert [j.result for j in jobs] == [2 * i for i in range(200)]
    assert last.get_status() == "finished" and last.result == 3
    assert bad.get_status(refresh=True) == "failed" and "as asked" in bad.exc_info
    assert len(FinishedJobRegistry(queue=q)) == 202 and len(FailedJobRegistry(queue=q)) == 1
    assert 0 < r.ttl(first.key) <= 100
    FailedJobRegistry(queue=q).requeue(bad.id)
    assert q.job_ids == [bad.id]
    bad.delete()
    assert len(q) == 0 and not Job.exists(bad.id, connection=r)
    late = q.enqueue_in(datetime.timedelta(seconds=1), rq_jobs.add, 20, 22)
    assert late.id in ScheduledJobRegistry(queue=q).get_job_ids() and len(q) == 0
    scheduler = RQScheduler([q], connection=r, interval=1)
    scheduler.acquire_locks()
    end = time.monotonic() + 20
    while not len(q):
        assert time.monotonic() < end, "the job's time does not come"
        time.sleep(0.05)
        scheduler.enqueue_scheduled_jobs()
    worker.work(burst=True)
    assert late.result == 42
    q.enqueue(rq_jobs.add, 1, 1)
    assert q.empty() == 1 and q.delete() is None and q not in Queue.all(connection=r)


if __name__ == "__main__":
    main()
