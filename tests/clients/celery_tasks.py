# SPDX-License-Identifier: BSD-3-Clause
"""Tasks of celery with broker and results here. Argument: port. Silent if all is well."""
import os
import subprocess
import sys

from celery import Celery, chain, chord, group

HERE = os.path.dirname(os.path.abspath(__file__))
URL = "redis://127.0.0.1:%s/" % os.environ.get("STET_CELERY_PORT", sys.argv[-1])
app = Celery("celery_tasks", broker=URL + "0", backend=URL + "1")
app.conf.update(result_expires=60, worker_hijack_root_logger=False, task_default_retry_delay=0,
                broker_connection_retry_on_startup=True)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=2)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task
def fail():
    raise ValueError("as asked")


def use():
    from celery_tasks import add, fail, stubborn, total
    assert add.delay(2, 3).get(timeout=20) == 5
    assert group(add.s(i, i) for i in range(100))().get(timeout=20) == [2 * i for i in range(100)]
    assert chord((add.s(i, 1) for i in range(20)), total.s())().get(timeout=20) == 210
    assert chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=20) == 113
    assert stubborn.delay().get(timeout=20) == 2
    try:
        fail.delay().get(timeout=20)
        raise SystemExit("a failure was not told")
    except ValueError as e:
        assert str(e) == "as asked"
    late = add.apply_async((4, 4), countdown=1)
    assert not late.ready() and late.get(timeout=20) == 8


def main():
    env = {**os.environ, "STET_CELERY_PORT": sys.argv[1], "PYTHONPATH": HERE}
    sys.path.insert(0, HERE)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "solo",
         "--loglevel", "ERROR", "--without-mingle"], env=env, cwd="/tmp",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        use()
    finally:
        worker.terminate()
        said = worker.communicate(timeout=20)[1]
    assert b"Traceback" not in said.replace(b"as asked", b"") or b"as asked" in said, said


if __name__ == "__main__":
    main()
