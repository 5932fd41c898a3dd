"""Python's multiprocessing, measured as package gauge measures Go.

    python3 peer.py JOB

prints one sample as a line of JSON; JOB is JSON, too. A work that is measured with
processes of its own starts them by fork, Python's own default on Linux for most of
its life, except that "start" is measured as METHOD says.
"""

import ctypes
import json
import math
import multiprocessing
import os
import signal
import sys
import time

BURST = 20_000  # ns
now = time.monotonic_ns


def die_with_parent():
    """Has the kernel end this process when its parent dies."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def pin(job, nth):
    cpus = job.get("cpus")
    if cpus:
        os.sched_setaffinity(0, {cpus[nth % len(cpus)]})


def quantile(values, q):
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def repeat(once, n, budget):
    took = []
    begin = last = now()
    while not took or last - begin < budget:
        for _ in range(n):
            once()
        t = now()
        took.append(t - last)
        last = t
    return took


def latency(once, job):
    budget = job["budget"]
    begin, n = now(), 0
    while n == 0 or now() - begin < budget / 5:
        once()
        n += 1
    cost = (now() - begin) // n
    n = max(1, BURST // max(cost, 1))
    bursts = repeat(once, n, budget * 3 / 5)
    singles = repeat(once, 1, budget / 5) if n > 1 else bursts
    return {"figure": quantile(bursts, 0.5) / n, "p99": quantile(singles, 0.99), "count": n * len(bursts)}


def events(once, job):
    once()
    took = []
    begin = now()
    while len(took) < 3 or now() - begin < job["budget"]:
        took.append(once())
    return {"figure": quantile(took, 0.5), "p99": quantile(took, 0.99), "count": len(took)}


class Meter:
    """Counts what passes in a window of time. Of an operation that is only partly in
    the window that part counts."""

    def __init__(self, job, opens=None):
        self.last = now()
        self.opens = opens or self.last + job["budget"] // 4
        self.closes = self.opens + job["budget"]
        self.counted = 0.0
        self.took = []

    def tick(self):
        t = now()
        inside = min(t, self.closes) - max(self.last, self.opens)
        if inside > 0:
            took = t - self.last
            self.counted += inside / took
            self.took.append(took)
        self.last = t
        return t < self.closes

    def tally(self):
        if not self.counted:
            return 0, 0, 0
        return self.counted * 1e9 / (self.closes - self.opens), 1e9 / quantile(self.took, 0.99), self.counted


def opening(job, processes):
    """When the window of so many processes opens, which are to be started now."""
    return now() + job["budget"] // 4 + processes * 10_000_000


def start(target, *args):
    p = multiprocessing.Process(target=target, args=args, daemon=True)
    p.start()
    return p


def total(tallies):
    rate, slow, count = (sum(column) for column in zip(*tallies))
    return rate, slow, math.ceil(count)


# Pipe


def echo(job, conn):
    die_with_parent()
    pin(job, 1)
    while True:
        conn.send_bytes(conn.recv_bytes())


def round_trip(job):
    mine, theirs = multiprocessing.Pipe()
    start(echo, job, theirs)
    pin(job, 0)
    message = bytes(job["size"])

    def once():
        mine.send_bytes(message)
        mine.recv_bytes()

    return latency(once, job)


def write(job, conn):
    die_with_parent()
    pin(job, 1)
    message = bytes(job["size"])
    while True:
        conn.send_bytes(message)


def one_way(job):
    reader, writer = multiprocessing.Pipe(duplex=False)
    start(write, job, writer)
    pin(job, 0)
    meter = Meter(job)
    while meter.tick():
        reader.recv_bytes()
    rate, slow, count = total([meter.tally()])
    return {"figure": rate, "p99": slow, "count": count}


# Queue


def produce(job, nth, queue):
    die_with_parent()
    pin(job, nth)
    message = bytes(job["size"])
    while True:
        queue.put(message)


def consume(job, nth, queue, opens, tallies):
    die_with_parent()
    pin(job, nth)
    meter = Meter(job, opens)
    while meter.tick():
        queue.get()
    tallies.send(meter.tally())


def queue(job):
    producers, consumers = job["producers"], job["consumers"]
    messages = multiprocessing.Queue(min(job["capacity"], 32767))
    ends, opens = [], opening(job, producers + consumers)
    for nth in range(producers):
        start(produce, job, nth, messages)
    for nth in range(consumers):
        reader, writer = multiprocessing.Pipe(duplex=False)
        start(consume, job, producers + nth, messages, opens, writer)
        ends.append(reader)
    rate, slow, count = total([end.recv() for end in ends])
    return {"figure": rate, "p99": slow, "count": count}


# Lock


def mutex_alone(job):
    lock = multiprocessing.Lock()
    pin(job, 0)

    def once():
        with lock:
            pass

    return latency(once, job)


def contend(job, nth, lock, number, opens, tallies):
    die_with_parent()
    pin(job, nth)
    meter = Meter(job, opens)
    while meter.tick():
        with lock:
            number.value += 1
    tallies.send(meter.tally())


def mutex_contended(job):
    lock, number, ends = multiprocessing.Lock(), multiprocessing.RawValue("q"), []
    opens = opening(job, job["workers"])
    for nth in range(job["workers"]):
        reader, writer = multiprocessing.Pipe(duplex=False)
        start(contend, job, nth, lock, number, opens, writer)
        ends.append(reader)
    rate, slow, count = total([end.recv() for end in ends])
    return {"figure": 1e9 / rate, "p99": 1e9 / slow, "count": count} if count else {"figure": 0}


def hold(lock, held):
    die_with_parent()
    lock.acquire()
    held.send(True)
    signal.pause()


def takeover(job):
    lock = multiprocessing.Lock()
    reader, writer = multiprocessing.Pipe(duplex=False)
    holder = start(hold, lock, writer)
    reader.recv()
    holder.kill()
    holder.join()
    patience = 0.5
    if lock.acquire(timeout=patience):
        raise RuntimeError("the lock of a dead process can be had")
    return {"never": True, "note": f"still locked after {patience} s"}


# Pool


def double(n):
    return 2 * n


def pin_worker(job):
    die_with_parent()
    pin(job, 1)


def call(job):
    with multiprocessing.Pool(1, pin_worker, (job,)) as pool:
        pin(job, 0)
        return latency(lambda: pool.apply(double, (21,)), job)


def map_tasks(job):
    with multiprocessing.Pool(job["workers"], die_with_parent) as pool:
        n = 200
        pool.map(double, range(n), chunksize=job.get("chunk"))
        while True:
            begin = now()
            pool.map(double, range(n), chunksize=job.get("chunk"))
            took = now() - begin
            if took > job["budget"] / 2:
                return {"figure": n * 1e9 / took, "count": n}
            n *= 2


def fill(size):
    picture = bytes([7]) * size
    return now(), picture


def bitmap(job):
    with multiprocessing.Pool(1, pin_worker, (job,)) as pool:
        pin(job, 0)

        def once():
            filled, picture = pool.apply(fill, (job["size"],))
            assert len(picture) == job["size"]
            return now() - filled

        return events(once, job)


def idle(job):
    with multiprocessing.Pool(job["workers"], die_with_parent) as pool:
        pool.map(double, range(100), chunksize=1)
        pids = [p.pid for p in multiprocessing.active_children()] + [os.getpid()]
        used = lambda: sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)
        time.sleep(0.02)
        begin, before = now(), used()
        time.sleep(max(job["budget"] / 1e9, 0.2))
        return {"figure": (used() - before) / (now() - begin), "count": len(pids)}


def answer(conn):
    conn.send(True)


def start_process(job, method):
    context = multiprocessing.get_context(method)

    def once():
        begin = now()
        reader, writer = context.Pipe(duplex=False)
        p = context.Process(target=answer, args=(writer,), daemon=True)
        p.start()
        reader.recv()
        took = now() - begin
        p.join()
        return took

    return events(once, job)


WORKS = {
    "round-trip": round_trip,
    "one-way": one_way,
    "queue": queue,
    "mutex-alone": mutex_alone,
    "mutex-contended": mutex_contended,
    "takeover": takeover,
    "call": call,
    "map": map_tasks,
    "bitmap": bitmap,
    "idle": idle,
    "start": lambda job: start_process(job, METHOD),
}


def main():
    job = json.loads(sys.argv[1])
    multiprocessing.set_start_method("fork")
    print(json.dumps(WORKS[job["work"]](job)), flush=True)
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(0)  # no join of feeder threads that nobody reads from


METHOD = sys.argv[2] if len(sys.argv) > 2 else "fork"

if __name__ == "__main__":
    main()
