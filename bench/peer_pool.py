#!/usr/bin/python3
"""peer_pool.py - what pool_bench measures, with Python's two pools.

usage: peer_pool.py [-r REPETITIONS] [-w WORKERS] pool|futures NAME [AMOUNT] [NAME [AMOUNT]...]

pool is multiprocessing.Pool, futures is concurrent.futures.ProcessPoolExecutor, both with the default start method of
Linux, fork. Names, units and lines are those of pool_bench; amounts are smaller where Python would take too long, which
a rate does not show.
"""
import concurrent.futures
import gc
import getopt
import multiprocessing
import os
import signal
import sys
import time

MIB = 1 << 20
now = time.monotonic
n_repetitions = 3
n_workers = 2


# ---- tasks ---------------------------------------------------------------------------------------------------------

def nothing():
    pass


def increment(x):
    return x + 1


def echo(data):
    return data


def linger(_):
    time.sleep(0.002)
    return os.getpid()


def rest_until(instant):
    left = instant - now()
    if left > 0:
        time.sleep(left)


def rest_for(seconds):
    began_at = now()
    rest_until(began_at + seconds)
    return now() - began_at


def burn_for(seconds):
    began_at = now()
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return now() - began_at


def long_rest(seconds):
    time.sleep(seconds)
    return os.getpid()


def die_at_once(file):
    """Writes when, then dies by the signal: inside a task, so that it holds no lock of the pool."""
    with open(file, "w") as out:
        out.write(repr(now()))
    os.kill(os.getpid(), signal.SIGKILL)


# ---- the two pools, under the same four names ----------------------------------------------------------------------

class Pool:
    name = "pool"

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)
        self.imap = self.pool.imap

    def map(self, fn, items, chunk=None):
        return self.pool.map(fn, items, chunk)

    def apply(self, fn, *args):
        return self.pool.apply(fn, args)

    def apply_async(self, fn, *args):
        return self.pool.apply_async(fn, args)

    @staticmethod
    def get(future, limit=60):
        return future.get(limit)

    def destroy(self):
        self.pool.terminate()
        self.pool.join()


class Futures:
    name = "futures"

    def __init__(self, workers):
        self.workers = workers
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def map(self, fn, items, chunk=None):
        # Its own default is 1. For a fair picture it gets what multiprocessing.Pool would choose.
        if chunk is None:
            chunk = max(1, -(-len(items) // (4 * self.workers)))
        return list(self.pool.map(fn, items, chunksize=chunk))

    def apply(self, fn, *args):
        return self.pool.submit(fn, *args).result()

    def apply_async(self, fn, *args):
        return self.pool.submit(fn, *args)

    @staticmethod
    def get(future, limit=60):
        return future.result(limit)

    def destroy(self):
        self.pool.shutdown()


# ---- what the benchmarks share -------------------------------------------------------------------------------------

def say(metric, value, unit):
    print(f"{metric} {value:.9g} {unit}", flush=True)


def die(text):
    sys.exit(f"peer_pool.py: {text}")


def quantile(values, share):
    values = sorted(values)
    return values[min(int(share * len(values)), len(values) - 1)]


def find_workers(pool, workers):
    """The processes of all workers, once each has answered."""
    pids, limit = set(), now() + 10
    while len(pids) < workers:
        if now() > limit:
            die(f"only {len(pids)} of {workers} workers answered within 10 s")
        pids.update(pool.map(linger, range(2 * workers), 1))
    return sorted(pids)


def open_warm_pool(kind, workers):
    pool = kind(workers)
    find_workers(pool, workers)
    return pool


# ---- the benchmarks ------------------------------------------------------------------------------------------------

def map_ints(kind, metric, n, chunk):
    pool = open_warm_pool(kind, n_workers)
    xs = list(range(n))
    pool.map(increment, xs[:n // 10], chunk)
    for _ in range(n_repetitions):
        began_at = now()
        ys = pool.map(increment, xs, chunk)
        say(metric, n / (now() - began_at), "items/s")
        if len(ys) != n or ys[-1] != n or ys[n // 2] != n // 2 + 1:
            die("a result of map is wrong")
        del ys
    pool.destroy()


def map_adaptive(kind, n):
    map_ints(kind, "map10m", n, None)


def map_chunk1(kind, n):
    map_ints(kind, "map-chunk1", n, 1)


def apply(kind, n):
    pool = open_warm_pool(kind, n_workers)
    for _ in range(min(n, 1000)):
        pool.apply(nothing)
    for _ in range(n_repetitions):
        took = []
        for _ in range(n):
            began_at = now()
            pool.apply(nothing)
            took.append(1e6 * (now() - began_at))
        say("apply-median", quantile(took, 0.5), "us")
        say("apply-p99", quantile(took, 0.99), "us")
    pool.destroy()


def apply_async(kind, n):
    pool = open_warm_pool(kind, n_workers)
    for _ in range(n_repetitions):
        began_at = now()
        futures = [pool.apply_async(increment, i) for i in range(n)]
        results = [pool.get(future) for future in futures]
        say("apply-async", n / (now() - began_at), "items/s")
        if results != list(range(1, n + 1)):
            die("a result of apply_async is wrong")
        del futures, results
    pool.destroy()


def payload(kind, name, size, n):
    pool = open_warm_pool(kind, n_workers)
    items = [os.urandom(size) for _ in range(n)]
    for _ in range(n_repetitions):
        began_at = now()
        results = pool.map(echo, items)
        say(name, 1e-6 * n * size / (now() - began_at), "MB/s")
        if results != items:
            die(f"{name}: what came back is not what was sent")
        del results
    pool.destroy()


def payload_1m(kind, n):
    payload(kind, "payload-1m", MIB, n)


def payload_64m(kind, n):
    payload(kind, "payload-64m", 64 * MIB, n)


def updown(kind, workers):
    gc.disable()
    for i in range(n_repetitions):
        began_at = now()
        pool = kind(workers)
        pool.apply(nothing)
        up_at = now()
        pool.destroy()
        down_at = now()
        which = "again" if i else "first"
        say(f"updown{workers}-{which}-up", 1e3 * (up_at - began_at), "ms")
        say(f"updown{workers}-{which}-down", 1e3 * (down_at - up_at), "ms")
        say(f"updown{workers}-{which}-both", 1e3 * (down_at - began_at), "ms")
        del pool
    gc.enable()


def respawn(kind, n):
    """A worker killed while it waits for work takes the queue's lock with it, and the pool is stuck for good; so these
    die inside a task, which is lost. ProcessPoolExecutor breaks as a whole: it has no such time."""
    if kind is Futures:
        die("ProcessPoolExecutor does not replace workers")
    file = f"/dev/shm/peer_pool-{os.getpid()}"
    pool = open_warm_pool(kind, 1)
    for _ in range(n_repetitions):
        took = []
        for _ in range(n):
            pool.apply_async(die_at_once, file)
            pool.get(pool.apply_async(nothing), 20)
            with open(file) as told:
                took.append(1e3 * (now() - float(told.read())))
        say("respawn-median", quantile(took, 0.5), "ms")
        say("respawn-worst", max(took), "ms")
    os.unlink(file)
    pool.destroy()


def cpu_of(pid):
    """Seconds of processor time of all threads of a process: the clock that clock_getcpuclockid gives."""
    return time.clock_gettime((~pid << 3) | 2)


def idle(kind, seconds):
    pool = kind(2)
    pids = find_workers(pool, 2)
    time.sleep(0.2)
    began_at, main_used, used = now(), time.process_time(), {pid: cpu_of(pid) for pid in pids}
    busy = pool.apply(long_rest, seconds)
    share = 100 / (now() - began_at)
    say("idle-main", share * (time.process_time() - main_used), "%")
    for pid in pids:
        say("idle-waiting" if pid == busy else "idle-worker", share * (cpu_of(pid) - used[pid]), "%")
    pool.destroy()


def rss_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / MIB


def imap_from(kind, n):
    """imap's window is what its pipe holds, and results nobody reads pile up. ProcessPoolExecutor.map reads its whole
    input before it begins."""
    if kind is Futures:
        die("ProcessPoolExecutor has no imap")
    pool = open_warm_pool(kind, n_workers)
    rss, began_at = {}, now()
    for i, y in enumerate(pool.imap(increment, (i for i in range(n)), 1000)):
        if y != i + 1:
            die(f"imap: item {i} is wrong")
        if i in (n // 10, n // 2):
            rss[i] = rss_mib()
    rss[n] = rss_mib()
    say("imapfrom-rate", n / (now() - began_at), "items/s")
    say("imapfrom-rss10", rss[n // 10], "MiB")
    say("imapfrom-rss50", rss[n // 2], "MiB")
    say("imapfrom-rss100", rss[n], "MiB")
    say("imapfrom-growth", max(rss.values()) - rss[n // 10], "MiB")
    pool.destroy()


def pss_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return die(f"/proc/{pid}/smaps_rollup has no line Pss")


def worker_pss(kind, workers):
    for _ in range(n_repetitions):
        pool = kind(workers)
        pids = find_workers(pool, workers)
        time.sleep(0.2)
        say("worker-pss", max(pss_mib(pid) for pid in pids), "MiB")
        pool.destroy()


def map_times(kind, fn, items):
    pool = open_warm_pool(kind, n_workers)
    began_at = now()
    took = pool.map(fn, items)
    wall = now() - began_at
    pool.destroy()
    return wall, sum(took)


def tail(kind, n):
    ideal = 0.01 * -(-n // n_workers)
    for _ in range(n_repetitions):
        say("tail-rest", map_times(kind, rest_for, [0.01] * n)[0] / ideal, "x")
        say("tail-burn", map_times(kind, burn_for, [0.01] * n)[0] / ideal, "x")


def mixed(kind, n):
    items = [0.01 if i % 1000 == 500 else 0.00001 for i in range(n)]
    for _ in range(n_repetitions):
        wall, total = map_times(kind, burn_for, items)
        say("mixed", wall * n_workers / total, "x")


BENCHES = {
    "map10m": (map_adaptive, 1000000),
    "map-chunk1": (map_chunk1, 100000),
    "apply": (apply, 20000),
    "apply-async": (apply_async, 50000),
    "payload-1m": (payload_1m, 64),
    "payload-64m": (payload_64m, 8),
    "updown": (updown, 8),
    "respawn": (respawn, 10),
    "idle": (idle, 10),
    "imapfrom-rss": (imap_from, 1000000),
    "worker-pss": (worker_pss, 2),
    "tail": (tail, 200),
    "mixed": (mixed, 100000),
}


def main():
    global n_repetitions, n_workers
    try:
        options, args = getopt.gnu_getopt(sys.argv[1:], "r:w:")
        for option, value in options:
            if option == "-r":
                n_repetitions = int(value)
            else:
                n_workers = int(value)
        kind = {"pool": Pool, "futures": Futures}[args.pop(0)]
        if not args:
            raise IndexError
        while args:
            run, amount = BENCHES[args.pop(0)]
            if args and args[0].isdigit():
                amount = int(args.pop(0))
            run(kind, amount)
    except (getopt.GetoptError, KeyError, IndexError, ValueError):
        print(__doc__.split("\n\n")[1], "\nnames: ", " ".join(BENCHES), file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
