"""The threads of compiled programs: the pool, its barrier, forks, the end of the interpreter, the number of threads, and
what BLAS is told meanwhile. The programs are toys, in the IR of Numba's back end, of the kind that the compiler makes."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.errors import ArgumentError
from autograd.kernels import blas, threads

ROOT = Path(__file__).resolve().parents[1]
llvm = pytest.importorskip("llvmlite.binding")

from autograd.kernels.pool import pool  # noqa: E402  it needs llvmlite

needs_posix = pytest.mark.skipif(os.name != "posix", reason="threads of POSIX")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

# table: the barrier, the number of rounds, x (float64, n), n, a place for a sum by each thread, the sum of all.
# In each round every thread sums its share of x; after a barrier thread 0 adds the sums up into the total and adds 1
# to x[0]; after another barrier the next round starts. At the end the table knows the number of threads.
SUMS = """
define void @program(i64* %table, i64 %thread, i64 %threads) {
entry:
  %barrier.at = getelementptr i64, i64* %table, i64 0
  %barrier.word = load i64, i64* %barrier.at
  %barrier = inttoptr i64 %barrier.word to void (i64)*
  %rounds.at = getelementptr i64, i64* %table, i64 1
  %rounds = load i64, i64* %rounds.at
  %x.at = getelementptr i64, i64* %table, i64 2
  %x.word = load i64, i64* %x.at
  %x = inttoptr i64 %x.word to double*
  %n.at = getelementptr i64, i64* %table, i64 3
  %n = load i64, i64* %n.at
  %sums.at = getelementptr i64, i64* %table, i64 4
  %sums.word = load i64, i64* %sums.at
  %sums = inttoptr i64 %sums.word to double*
  %total.at = getelementptr i64, i64* %table, i64 5
  %total.word = load i64, i64* %total.at
  %total = inttoptr i64 %total.word to double*
  %used.at = getelementptr i64, i64* %table, i64 6
  %next = add i64 %thread, 1
  %low = mul i64 %n, %thread
  %high = mul i64 %n, %next
  %first = udiv i64 %low, %threads
  %last = udiv i64 %high, %threads
  %mine = getelementptr double, double* %sums, i64 %thread
  %leader = icmp eq i64 %thread, 0
  br label %round
round:
  %k = phi i64 [ 0, %entry ], [ %k.next, %end ]
  %more = icmp ult i64 %k, %rounds
  br i1 %more, label %loop, label %out
loop:
  %i = phi i64 [ %first, %round ], [ %i.next, %body ]
  %s = phi double [ 0.0, %round ], [ %s.next, %body ]
  %inside = icmp ult i64 %i, %last
  br i1 %inside, label %body, label %summed
body:
  %item.at = getelementptr double, double* %x, i64 %i
  %item = load double, double* %item.at
  %s.next = fadd double %s, %item
  %i.next = add i64 %i, 1
  br label %loop
summed:
  store double %s, double* %mine
  call void %barrier(i64 %threads)
  br i1 %leader, label %gather, label %end
gather:
  %t = phi i64 [ 0, %summed ], [ %t.next, %gather ]
  %part.at = getelementptr double, double* %sums, i64 %t
  %part = load double, double* %part.at
  %have = load double, double* %total
  %with = fadd double %have, %part
  store double %with, double* %total
  %t.next = add i64 %t, 1
  %left = icmp ult i64 %t.next, %threads
  br i1 %left, label %gather, label %bump
bump:
  %old = load double, double* %x
  %new = fadd double %old, 1.0
  store double %new, double* %x
  store i64 %threads, i64* %used.at
  br label %end
end:
  call void %barrier(i64 %threads)
  %k.next = add i64 %k, 1
  br label %round
out:
  ret void
}
"""


COMPILING = threading.Lock()


def program() -> int:
    """The address of the program."""
    with COMPILING:
        return _engine().get_function_address("program")


@cache
def _engine() -> Any:
    """What owns the machine code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    text = SUMS
    if llvm.llvm_version_info[0] >= 17:
        for kind in ("i64*", "double*", "void (i64)*"):
            text = text.replace(kind, "ptr")
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2, jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    return engine


class Call:
    """Arguments of a program and what it must answer."""

    def __init__(self, n: int, rounds: int, seed: int = 0):
        self.x = np.arange(n, dtype=float) + seed
        self.rounds, self.address = rounds, program()
        self.sums, self.total = np.zeros(64), np.zeros(1)
        arrays = [self.x.ctypes.data, n, self.sums.ctypes.data, self.total.ctypes.data, 0]
        self.table = (ctypes.c_int64 * 7)(pool().barrier_address, rounds, *arrays)

    def run(self, count: int) -> int:
        """Run on `count` threads and check; how many it had."""
        n, start = len(self.x), float(self.x.sum())
        self.total[0] = 0
        pool().run(self.address, ctypes.addressof(self.table), count)
        r = self.rounds
        assert self.total[0] == r * start + r * (r - 1) / 2
        assert self.x.sum() == start + r and len(self.x) == n
        return int(self.table[6])


@pytest.fixture(autouse=True)
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.delenv("WENGERT_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads._default.cache_clear()
    yield
    threads._default.cache_clear()


# ---- the pool


@needs_posix
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shares_and_barriers(count: int) -> None:
    assert Call(1000, 500).run(count) == count
    assert Call(1, 3).run(count) == count  # more threads than work


@needs_posix
def test_many_launches() -> None:
    call = Call(8, 1)
    for _ in range(10_000):
        assert call.run(2) == 2


@needs_posix
def test_fewer_threads_than_the_pool_has() -> None:
    Call(10, 1).run(4)
    call = Call(100, 3)
    for k in range(300):
        assert call.run(1 + k % 4) == 1 + k % 4
    assert pool().workers >= 3


def test_one_pool() -> None:
    assert pool() is pool()


@needs_posix
def test_calls_of_several_python_threads() -> None:
    """One at a time has the pool; the others run alone, at the same time."""
    failures: list[BaseException] = []
    used: set[int] = set()

    def work(seed: int) -> None:
        try:
            call = Call(500, 20, seed)
            used.update(call.run(2) for _ in range(200))
        except BaseException as e:
            failures.append(e)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not failures
    assert 2 in used and used <= {1, 2}


@needs_posix
def test_rest_sends_the_workers_home() -> None:
    Call(10, 1).run(3)
    pool().rest()
    assert pool().workers == 0
    assert Call(10, 1).run(2) == 2
    assert pool().workers == 1


@needs_posix
def test_a_call_while_the_pool_is_closed_runs_alone() -> None:
    call = Call(100, 5)
    call.run(2)
    pool().before_fork()
    try:
        answers: list[int] = []
        other = threading.Thread(target=lambda: answers.append(call.run(1)))
        other.start()
        other.join()
        assert answers == [1]
    finally:
        pool().after_fork()
    assert call.run(2) == 2


@needs_posix
def test_workers_take_no_signals() -> None:
    """So that an interrupt reaches the main thread, and a blocking call there notices."""
    Call(10, 1).run(3)
    status = Path("/proc/self/task")
    if not status.exists():
        pytest.skip("no /proc")
    blocked = 0
    for task in status.iterdir():
        mask = next(line for line in (task / "status").read_text().splitlines() if line.startswith("SigBlk"))
        blocked += bool(int(mask.split()[1], 16) >> (signal.SIGINT - 1) & 1)
    assert blocked >= 2


# ---- fork, exit


def in_child(results: Any) -> None:
    results.put([Call(1000, 50).run(2) for _ in range(20)])


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # OpenBLAS's threads, since Python 3.12
def test_fork() -> None:
    """The workers are gone in the child; it hires its own. The parent's go on."""
    call = Call(100, 10)
    assert call.run(3) == 3
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=in_child, args=(results,))
    child.start()
    answer = results.get()
    child.join()
    assert child.exitcode == 0
    assert answer == [2] * 20
    assert call.run(3) == 3


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_while_a_program_runs() -> None:
    """The fork waits for the program."""
    call, stop = Call(1000, 50), threading.Event()

    def work() -> None:
        while not stop.is_set():
            call.run(2)

    other = threading.Thread(target=work)
    other.start()
    codes = []
    for _ in range(5):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                Call(100, 10).run(2)
                code = 0
            finally:
                os._exit(code)
        codes.append(os.waitpid(pid, 0)[1])
    stop.set()
    other.join()
    assert codes == [0] * 5


def ends(code: str) -> str:
    """The output of a new Python process that runs `code`, which must end by itself and well."""
    start = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\nfrom test_threads import *\n"
    command = [sys.executable, "-W", "error", "-X", "faulthandler", "-c", start + textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@needs_posix
def test_the_interpreter_ends_while_workers_wait_and_another_thread_runs_programs() -> None:
    code = """
        ready = threading.Event()

        def work():
            call = Call(1000, 50)
            while True:
                call.run(2)
                ready.set()

        threading.Thread(target=work, daemon=True).start()
        ready.wait()
        Call(10, 1).run(3)
        print("end")
    """
    assert ends(code) == "end\n"


@needs_posix
def test_an_interrupt_waits_for_the_program_only() -> None:
    code = """
        call = Call(1000, 200)
        try:
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
            while True:
                pool().run(call.address, ctypes.addressof(call.table), 2)
        except KeyboardInterrupt:
            print("interrupted", Call(100, 3).run(2))
    """
    assert ends(code) == "interrupted 2\n"


# ---- BLAS


def settings() -> list[int]:
    return [switch._get() for switch in threads.loaded()]


@needs_posix
def test_blas_is_held_to_one_thread_while_a_program_runs_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.linalg  # noqa: F401  brings an OpenBLAS of its own

    if not threads.loaded():
        pytest.skip("no OpenBLAS here")
    before, during = settings(), []
    launch = pool()._launch

    def look(*arguments: int) -> None:
        during.append(settings())
        launch(*arguments)

    monkeypatch.setattr(pool(), "_launch", look)
    assert Call(10, 1).run(2) == 2
    assert during == [[1] * len(before)]
    assert settings() == before
    Call(10, 1).run(1)  # alone: as the user left it
    assert during[1] == before


def fake() -> tuple[threads.Switch, list[int]]:
    """A switch on a library that has 8 threads."""
    now = [8]
    return threads.Switch(lambda: now[0], lambda n: now.__setitem__(0, n)), now


def test_the_smallest_bound_counts() -> None:
    switch, now = fake()
    for most, then in ((4, 4), (1, 1), (6, 1)):
        switch.enter(most)
        assert now == [then]
    for most, then in ((1, 4), (4, 6), (6, 8)):
        switch.leave(most)
        assert now == [then]
    switch.enter(16)  # a bound, not a wish
    assert now == [8]
    switch.leave(16)
    switch.enter(2)
    switch.after_fork()  # who was inside is not in the child
    assert now == [8]


def test_the_users_number_bounds_eager_products(monkeypatch: pytest.MonkeyPatch) -> None:
    switch, now = fake()
    seen: list[int] = []

    def matmul(a: Any, b: Any) -> Any:
        seen.append(now[0])
        return a

    monkeypatch.setattr(blas, "single", lambda package: switch)
    monkeypatch.setattr(blas.numpy, "matmul", matmul)
    large, small = np.ones((256, 256), np.float32), np.ones((32, 32), np.float32)
    middle = np.ones((128, 128), np.float32)
    for a in (large, middle, small):
        blas.matmul(a, a)
    ag.set_num_threads(4)
    for a in (large, middle, small):
        blas.matmul(a, a)
    assert seen == [8, 1, 8, 4, 1, 8]
    assert now == [8]


# ---- the number of threads


def test_set_and_get() -> None:
    assert ag.get_num_threads() >= 1
    ag.set_num_threads(3)
    assert ag.get_num_threads() == 3
    ag.set_num_threads(np.int64(1))
    assert ag.get_num_threads() == 1
    assert type(ag.get_num_threads()) is int


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", None, True, 1025])
def test_a_bad_number(n: Any) -> None:
    before = ag.get_num_threads()
    with pytest.raises(ArgumentError, match=r"1 to 1024.*got|got.*1 to 1024"):
        ag.set_num_threads(n)
    assert ag.get_num_threads() == before


@needs_posix
def test_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def number(**variables: str) -> int:
        for name in ("WENGERT_NUM_THREADS", "OMP_NUM_THREADS"):
            monkeypatch.setenv(name, variables.get(name[:3], ""))
        threads._default.cache_clear()
        return ag.get_num_threads()

    monkeypatch.setattr(threads, "_processors", lambda: 6)
    assert number() == 6
    assert number(OMP="4") == 4
    assert number(OMP="4,2") == 4
    assert number(OMP="16") == 6
    assert number(OMP="nonsense") == 6
    assert number(WEN="12", OMP="4") == 12
    for text in ("0", "many", "-3", "1.5"):
        with pytest.raises(ArgumentError, match="WENGERT_NUM_THREADS"):
            number(WEN=text)


def test_processors() -> None:
    assert 1 <= threads._processors() <= (os.cpu_count() or 1)


def test_neither_scipy_nor_a_compiler_is_loaded_for_the_setting() -> None:
    show = "print(ag.get_num_threads(), *[name in sys.modules for name in ('scipy', 'llvmlite')])"
    code = f"import sys, autograd as ag; ag.set_num_threads(2); {show}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["2", "False", "False"]


def test_workers_do_not_look_out_while_another_library_has_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    others, seen = pool()._word("others"), []
    product = np.matmul
    monkeypatch.setattr(blas.numpy, "matmul", lambda a, b: seen.append(others.value) or product(a, b))
    wide = np.ones((256, 512), np.float32)
    assert blas.matmul(wide, np.ones((512, 256), np.float32)).sum() == 512 * 256 * 256
    with pytest.raises(ValueError):
        blas.matmul(wide, np.ones((500, 512), np.float32))
    blas.matmul(np.ones((4, 4)), np.ones((4, 4)))
    assert seen == [1, 1, 0] and others.value == 0
