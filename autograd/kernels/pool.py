"""One pool of threads for compiled programs, in native code: no Python between a program's first and last instruction.

A program for several threads is a function ``void program(int64 *table, int64 thread, int64 threads)``. Every thread
runs the whole of it with its own number, takes its share of each split loop, and waits for the others at a barrier
between two steps of which one needs what the other made:

    pool().run(address, table, threads)     wakes the workers, is thread 0 itself, returns when all have finished
    pool().barrier_address                  of ``void barrier(int64 threads)``, for the program's table

A program must be right for *any* number of threads from 1 to the one asked for: it runs on one where the pool serves a
call of another Python thread, where workers cannot be started, and on systems without POSIX threads. All threads of a
program pass the same barriers; one thread alone passes them without waiting.

Who waits, spins for some microseconds and then sleeps, so that the partner of a thread that lost its core does not burn
another. (Giving way by ``sched_yield`` instead hands a busy stranger on the same core a whole time slice: on two cores
with one busy process it made a program of 0.1 ms four times slower in the mean.) While a program runs on several
threads, NumPy's and SciPy's OpenBLAS are held to one, since two pools that spin for the same cores make each other wait
for whole time slices. Workers do not survive a fork, so they are sent home before it; parent and child hire new ones
when they need some. They take no signals.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import re
import signal
import threading
import time
from functools import partial
from typing import Any

from autograd.kernels.threads import loaded

__all__ = ["Pool", "existing", "pool"]

SPINS = 512
"""Looks at a barrier, with a pause after each, before a thread sleeps: some 15 µs."""

IDLE_SPINS = 16384
"""Looks for the next program before a worker sleeps: some 500 µs, more than uncompiled code takes between two of them."""

STACK = 8 << 20
"""Bytes of a worker's stack."""

WORDS = {"ticket": 0, "phase": 64, "arrived": 128, "busy": 136, "program": 144, "table": 145, "limit": 146, "others": 147}
"""Where the native code has its variables, in words of 8 bytes; those that several threads write are 64 bytes apart."""

# The gates `ticket` and `phase` are 64 words each: a number that only grows at 0, how many sleep until it changes at 8, a
# mutex at 16, a condition at 32. The ticket says which call of the pool it is and, in its last 16 bits, how many threads
# take part, so that both are read at once.
NATIVE = """
@memory = global [160 x i64] zeroinitializer, align 128

declare i32 @pthread_mutex_lock(i64*)
declare i32 @pthread_mutex_unlock(i64*)
declare i32 @pthread_cond_wait(i64*, i64*)
declare i32 @pthread_cond_broadcast(i64*)

; Wait until the gate's number is no longer the old one; the new one.
define internal i64 @wait(i64* %gate, i64 %old, i64 %spins) {
entry:
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %pause ]
  %new = load atomic i64, i64* %gate acquire, align 8
  %same = icmp eq i64 %new, %old
  br i1 %same, label %again, label %open
open:
  ret i64 %new
again:
  %more = add i64 %looks, 1
  %few = icmp ult i64 %looks, %spins
  %others = load atomic i64, i64* @others monotonic, align 8
  %alone = icmp eq i64 %others, 0
  %spin = and i1 %few, %alone
  br i1 %spin, label %pause, label %sleep
pause:
  call void @pause()
  br label %look
sleep:
  %sleepers = getelementptr i64, i64* %gate, i64 8
  %mutex = getelementptr i64, i64* %gate, i64 16
  %condition = getelementptr i64, i64* %gate, i64 32
  %l = call i32 @pthread_mutex_lock(i64* %mutex)
  %before = atomicrmw add i64* %sleepers, i64 1 seq_cst
  br label %doze
doze:
  %number = load atomic i64, i64* %gate seq_cst, align 8
  %still = icmp eq i64 %number, %old
  br i1 %still, label %down, label %awake
down:
  %w = call i32 @pthread_cond_wait(i64* %condition, i64* %mutex)
  br label %doze
awake:
  %after = atomicrmw sub i64* %sleepers, i64 1 seq_cst
  %u = call i32 @pthread_mutex_unlock(i64* %mutex)
  ret i64 %number
}

; Add to the gate's number and wake who sleeps there. A sleeper counts itself before it looks, so one of both sees the other.
define internal void @open(i64* %gate, i64 %step) {
  %old = atomicrmw add i64* %gate, i64 %step seq_cst
  %sleepers = getelementptr i64, i64* %gate, i64 8
  %n = load atomic i64, i64* %sleepers seq_cst, align 8
  %none = icmp eq i64 %n, 0
  br i1 %none, label %done, label %wake
wake:
  %mutex = getelementptr i64, i64* %gate, i64 16
  %condition = getelementptr i64, i64* %gate, i64 32
  %l = call i32 @pthread_mutex_lock(i64* %mutex)
  %b = call i32 @pthread_cond_broadcast(i64* %condition)
  %u = call i32 @pthread_mutex_unlock(i64* %mutex)
  br label %done
done:
  ret void
}

; All threads of the program wait here for the last of them.
define void @barrier(i64 %threads) {
  %alone = icmp ule i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %now = load atomic i64, i64* @phase acquire, align 8
  %before = atomicrmw add i64* @arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %threads
  br i1 %last, label %release, label %stay
release:
  store atomic i64 0, i64* @arrived monotonic, align 8
  call void @open(i64* @phase, i64 1)
  ret void
stay:
  %next = call i64 @wait(i64* @phase, i64 %now, i64 SPINS)
  ret void
done:
  ret void
}

; Tell the workers what to run on how many threads. 0 sends them home.
define void @call(i64 %program, i64 %table, i64 %threads) {
  store i64 %program, i64* @program
  store i64 %table, i64* @table
  %old = load i64, i64* @ticket
  %number = lshr i64 %old, 16
  %following = add i64 %number, 1
  %shifted = shl i64 %following, 16
  %new = or i64 %shifted, %threads
  %step = sub i64 %new, %old
  call void @open(i64* @ticket, i64 %step)
  ret void
}

; A worker's life. Its record holds its number, from 1, and the ticket of the last call before it was hired.
define i64* @work(i64* %record) {
entry:
  %thread = load i64, i64* %record
  %place = getelementptr i64, i64* %record, i64 1
  %first = load i64, i64* %place
  br label %idle
idle:
  %seen = phi i64 [ %first, %entry ], [ %ticket, %mine ], [ %ticket, %notmine ]
  %spins = phi i64 [ 0, %entry ], [ IDLE_SPINS, %mine ], [ 0, %notmine ]
  %ticket = call i64 @wait(i64* @ticket, i64 %seen, i64 %spins)
  %threads = and i64 %ticket, 65535
  %member = icmp ult i64 %thread, %threads
  br i1 %member, label %called, label %notmine
notmine:
  br label %idle
called:
  %address = load i64, i64* @program
  %over = icmp eq i64 %address, 0
  br i1 %over, label %home, label %mine
mine:
  %table = load i64, i64* @table
  %program = inttoptr i64 %address to void (i64, i64, i64)*
  call void %program(i64 %table, i64 %thread, i64 %threads)
  call void @barrier(i64 %threads)
  br label %idle
home:
  ret i64* null
}

; Run a program on up to so many threads, of which this is one; on this one alone where the pool is taken.
define void @launch(i64 %address, i64 %table, i64 %wanted) {
  %program = inttoptr i64 %address to void (i64, i64, i64)*
  %small = icmp ule i64 %wanted, 1
  br i1 %small, label %alone, label %ask
ask:
  %pair = cmpxchg i64* @busy, i64 0, i64 1 acq_rel monotonic
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %team, label %alone
alone:
  call void %program(i64 %table, i64 0, i64 1)
  ret void
team:
  %limit = load i64, i64* @limit
  %few = icmp ult i64 %wanted, %limit
  %threads = select i1 %few, i64 %wanted, i64 %limit
  %one = icmp ule i64 %threads, 1
  br i1 %one, label %single, label %several
single:
  call void %program(i64 %table, i64 0, i64 1)
  br label %done
several:
  call void @call(i64 %address, i64 %table, i64 %threads)
  call void %program(i64 %table, i64 0, i64 %threads)
  call void @barrier(i64 %threads)
  br label %done
done:
  %was = atomicrmw and i64* @busy, i64 -2 release
  ret void
}

; Close the pool for programs; whether one is running still.
define i64 @close() {
  %old = atomicrmw or i64* @busy, i64 2 acq_rel
  %running = and i64 %old, 1
  ret i64 %running
}

; Open it again.
define void @reopen() {
  %old = atomicrmw and i64* @busy, i64 -3 acq_rel
  ret void
}
"""

PAUSES = {"x86_64": "@llvm.x86.sse2.pause(", "aarch64": "@llvm.aarch64.isb(i32 15", "arm64": "@llvm.aarch64.isb(i32 15"}
"""What tells a processor that a thread spins, by architecture."""

# For systems without POSIX threads.
ALONE = """
define void @barrier(i64 %threads) {
  ret void
}

define void @launch(i64 %address, i64 %table, i64 %wanted) {
  %program = inttoptr i64 %address to void (i64, i64, i64)*
  call void %program(i64 %table, i64 0, i64 1)
  ret void
}
"""


class Worker(ctypes.Structure):
    """What a worker is told when it is hired, and its thread."""

    _fields_ = [("number", ctypes.c_int64), ("ticket", ctypes.c_int64), ("thread", ctypes.c_size_t)]


class Pool:
    """The threads of this process for compiled programs; `pool` gives the one there is."""

    def __init__(self) -> None:
        self._threaded = os.name == "posix"
        self._engine = _compiled(NATIVE if self._threaded else ALONE)
        self.barrier_address: int = self._engine.get_function_address("barrier")
        """Of ``void barrier(int64 threads)``: a compiled program gets it in its table."""
        self._launch = self._native("launch", None, 3)
        self._lock = threading.RLock()  # of those who hire and send home
        self._ended = False
        self._workers: list[Worker] = []
        self._asked = 1 if self._threaded else 1 << 16  # for how many threads workers were hired already
        if self._threaded:
            self._call, self._close, self._reopen = (
                self._native("call", None, 3), self._native("close", ctypes.c_int64, 0), self._native("reopen", None, 0)
            )  # fmt: skip
            self._c = ctypes.CDLL(None)
            self._memory: int = self._engine.get_global_value_address("memory")
            self._others, self._counting = self._word("others"), threading.Lock()
            self._start_afresh()

    def _native(self, name: str, result: Any, arguments: int) -> Any:
        kind = ctypes.CFUNCTYPE(result, *[ctypes.c_int64] * arguments)
        return kind(self._engine.get_function_address(name))

    def _start_afresh(self) -> None:
        """Nobody waits, nobody works: at first, and in the child of a fork."""
        self._workers.clear()
        self._asked = self._word("limit").value = 1
        self._word("arrived").value = self._word("busy").value = self._word("others").value = 0
        for gate in ("ticket", "phase"):
            place = self._memory + 8 * WORDS[gate]
            ctypes.c_int64.from_address(place + 8 * 8).value = 0
            self._c.pthread_mutex_init(ctypes.c_void_p(place + 8 * 16), None)
            self._c.pthread_cond_init(ctypes.c_void_p(place + 8 * 32), None)

    def run(self, function: int, table: int, threads: int) -> None:
        """Call the native ``function(table, thread, n)`` on n ≤ threads threads and wait until all have returned.

        `function` and `table` are addresses. The GIL is free meanwhile. n is 1 while another call has the pool.
        """
        if threads <= 1:
            self._launch(function, table, 1)
            return
        if threads > self._asked:
            self._hire(threads)
        switches = loaded()
        for switch in switches:
            switch.enter()
        try:
            self._launch(function, table, threads)
        finally:
            for switch in switches:
                switch.leave()

    @property
    def workers(self) -> int:
        """How many threads the pool has beside its caller's."""
        return len(self._workers)

    def leave_to_others(self, calls: int) -> None:
        """So many more (or, where negative, less) calls of a library with threads of its own: meanwhile no worker looks out for
        the next program, for these threads need the processors."""
        if self._threaded:
            with self._counting:
                self._others.value += calls

    def _word(self, name: str) -> ctypes.c_int64:
        """A variable of the native code."""
        return ctypes.c_int64.from_address(self._memory + 8 * WORDS[name])

    def _closed(self) -> None:
        """Wait for the program that runs; those that start meanwhile run alone."""
        while self._close():
            time.sleep(1e-4)

    def _hire(self, threads: int) -> None:
        """Start workers until there are `threads`, with the caller's; fewer where the system gives no more."""
        with self._lock:
            try:
                self._closed()
                if not self._ended:
                    self._start(threads)
            finally:
                if not self._ended:
                    self._reopen()

    def _start(self, threads: int) -> None:
        old = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # which the workers inherit
        try:
            attributes = ctypes.create_string_buffer(256)
            self._c.pthread_attr_init(attributes)
            self._c.pthread_attr_setstacksize(attributes, ctypes.c_size_t(STACK))
            work = ctypes.c_void_p(self._engine.get_function_address("work"))
            while len(self._workers) + 1 < threads:
                worker = Worker(len(self._workers) + 1, self._word("ticket").value)
                self._workers.append(worker)
                place = ctypes.c_void_p(ctypes.addressof(worker) + Worker.thread.offset)
                if self._c.pthread_create(place, attributes, work, ctypes.byref(worker)):
                    self._workers.pop()
                    break
            self._c.pthread_attr_destroy(attributes)
            self._asked, self._word("limit").value = threads, len(self._workers) + 1
        except BaseException:
            self._send_home()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)

    def _send_home(self) -> None:
        """End the workers. The pool is closed for programs."""
        self._call(0, 0, (1 << 16) - 1)
        for worker in self._workers:
            if worker.thread:
                self._c.pthread_join(ctypes.c_size_t(worker.thread), None)
        self._workers.clear()
        self._asked = self._word("limit").value = 1

    def rest(self) -> None:
        """End the workers once the program that runs has ended; the next program hires new ones."""
        self.before_fork()
        self.after_fork()

    def end(self) -> None:
        """The interpreter ends: what still runs in other threads afterwards, runs alone."""
        if self._threaded:
            with self._lock:
                self._ended = True
                self._closed()
                self._send_home()

    def before_fork(self) -> None:
        """Workers do not survive a fork, and locks that they hold stay locked: end them first."""
        if self._threaded:
            self._lock.acquire()
            self._closed()
            self._send_home()

    def after_fork(self, child: bool = False) -> None:
        """Open for programs again."""
        if self._threaded:
            if child:
                self._start_afresh()
            if not self._ended:
                self._reopen()
            self._lock.release()


def _compiled(text: str) -> Any:
    """The machine code of the pool."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    constants = {"SPINS": SPINS, "IDLE_SPINS": IDLE_SPINS}
    pause = PAUSES.get(platform.machine())
    text += f"declare void {pause.removesuffix(' 15')})\n" if pause else ""
    text += f"define internal void @pause() {{\n{f'  call void {pause})' if pause else ''}\n  ret void\n}}\n"
    place = "getelementptr ([160 x i64], [160 x i64]* @memory, i64 0, i64 {})"
    text = re.sub(rf"@({'|'.join(WORDS)})\b", lambda found: place.format(WORDS[found[1]]), text)
    text = re.sub(r"\b(SPINS|IDLE_SPINS)\b", lambda found: str(constants[found[0]]), text)
    if llvm.llvm_version_info[0] >= 17:  # pointers have no types any more
        text = re.sub(r"(\[160 x i64\]|i64|void \(i64, i64, i64\))\*", "ptr", text)
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2, jit=True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


_pool: Pool | None = None
_making = threading.RLock()


def pool() -> Pool:
    """The pool of this process, made when it is first asked for (some 10 ms).

    >>> pool().barrier_address > 0
    True
    """
    global _pool
    if _pool is None:
        with _making:
            if _pool is None:
                made = Pool()
                atexit.register(made.end)
                _pool = made
    return _pool


def existing() -> Pool | None:
    """The pool, if it was asked for already."""
    return _pool


def _before_fork() -> None:
    _making.acquire()
    if _pool is not None:
        _pool.before_fork()


def _after_fork(child: bool = False) -> None:
    if _pool is not None:
        _pool.after_fork(child)
    _making.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=partial(_after_fork, True))
