"""A few threads for one kernel on the CPU, with neither Python nor the system between them.

A kernel that is worth sharing is cut into parts, each of which writes elements of its own, so the result does
not depend on who computes which.  The thread that calls it posts a job in a mailbox, an array of 64-bit words,
takes parts until none is left, and waits for those that helpers took.  It takes them from the front and helpers
from the back, so that a core mostly has the same elements.  Helpers watch the mailbox for some milliseconds
after each job, then sleep until the next.  One that the system keeps from running delays nobody: it is only
waited for once it has claimed a part.

Where others use the cores too, a helper may lose its core in the middle of a part, for milliseconds.  Whoever
waits gives way to it after a while.  And it keeps books: what was waited beyond a part's time is a debt, which
what help gains pays off.  Once the debt is more than a time slice of the system, help does not pay, and the
calling thread works alone for a term, which doubles each time and shrinks by what is gained beyond all debts.
So busy processes beside cost little more than they cost one thread, and a moment's disturbance no more than
itself; bench/NOTES.md has figures.

A job is the address of a compiled function ``part(number, parts, words)`` and a word for it to read: where the
arguments lie that the kernel has put aside for it (:func:`share`).
"""

from __future__ import annotations

import atexit
import os
import platform
import threading
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, compiler

from .compile import OPTIONS, device, function, intrinsic, kernel

#: Where things lie in the mailbox; a word that some watch while others write has a cache line of its own.
_JOB, _CLAIM, _FINISHED, _ASLEEP = 0, 8, 16, 24
_PART, _PARTS, _ALONE, _DEBT, _TERM, WORDS = 32, 33, 34, 35, 36, 40
_SIZE = 64

#: Of a claim: how many parts are taken from the front, and from the back; the bits above are the job's number.
_COUNT_BITS, _FRONT, _BACK = 12, 1, 1 << 12
_PATIENCE = 1 << 24  # ticks without a job, some milliseconds, before a helper goes to sleep
_LOOK_BITS = 7  # of the ticks that a look takes at least, where no clock says it
_POLITE = 2_000  # looks before whoever waits gives way to others at each further one
#: Ticks, some 0.1 ms, 6 ms and 0.4 s: the most of a gain, of a debt and of a term.
_LARGE, _BEARABLE, _MOST = 1 << 18, 1 << 24, 1 << 30
_END = -1  # in place of a job: the process ends
_MOST_THREADS = 8  # a product for a mini-batch of 32 has no work for more
_LEAST_ELEMENTS = 1 << 16  # of which one thread takes some 20 us


_X86 = platform.machine() in ("x86_64", "AMD64")
#: LLVM's name for it: elsewhere a program may not read it, or there is none.
_CLOCK = "llvm.readcyclecounter" if _X86 else None


class Pool:
    """The mailbox and the threads that watch it; they are started with the first job."""

    def __init__(self):
        self.threads = min(numba.config.NUMBA_NUM_THREADS, _MOST_THREADS)  # pyright: ignore[reportAttributeAccessIssue]
        self.parts = 1 if self.threads == 1 else 4 * self.threads  # whoever is late takes fewer
        self.mailbox = np.zeros(_SIZE, np.int64)
        self._process, self._helpers, self._wake = None, [], threading.Event()

    def parts_of(self, elements: int) -> int:
        """Into how many parts to cut one pass over so many elements: one, where no help could come in time."""
        return self.parts if elements >= _LEAST_ELEMENTS else 1

    def ready(self) -> np.ndarray:
        """The mailbox, with helpers that watch it."""
        if self._process != os.getpid():
            self._start()
        elif self.asleep and not self.mailbox[_ALONE]:
            self._wake.set()
        return self.mailbox

    @property
    def asleep(self) -> int:
        """How many helpers do not watch the mailbox."""
        return self.mailbox[_ASLEEP]

    def _start(self) -> None:
        """Begin anew, also in the child of a fork, which has no threads but the one that forked."""
        self._process, self._wake = os.getpid(), threading.Event()
        self.mailbox[:] = 0
        self.mailbox[_ASLEEP] = self.threads - 1
        self._helpers = [threading.Thread(target=self._help, daemon=True) for _ in range(self.threads - 1)]
        for helper in self._helpers:
            helper.start()
        atexit.register(self.stop)

    def _help(self) -> None:
        while self.mailbox[_JOB] != _END:
            _watch(self.mailbox, _PATIENCE)
            self._wake.wait()
            self._wake.clear()

    def stop(self) -> None:
        """Have the helpers leave compiled code, which the interpreter unloads at its end."""
        if self._process != os.getpid():
            return
        self.mailbox[_JOB] = _END
        for helper in self._helpers:
            while helper.is_alive():
                self._wake.set()
                helper.join(0.01)
        self._process = None


#: The one pool of a process: kernels follow one another.
POOL = Pool()


@kernel
def _watch(mailbox, patience):
    """Help with every job until none has come for a while."""
    _add(mailbox, _ASLEEP, -1)
    seen, looks, since = 0, 0, _ticks()
    while max(_ticks() - since, looks << _LOOK_BITS) < patience:
        job = _load(mailbox, _JOB)
        if job == _END:
            break
        if job == seen:
            looks += 1
            _wait(looks)
            continue
        _take_parts(mailbox, job, _BACK)
        seen, looks, since = job, 0, _ticks()
    _add(mailbox, _ASLEEP, 1)


@function
def run(mailbox, address, parts):
    """Compute all parts of the job whose words are in the mailbox; returns when all are done."""
    if mailbox[_ALONE] > 0:
        _run_alone(mailbox, address, parts)
        return
    mailbox[_PART], mailbox[_PARTS] = address, parts
    job = mailbox[_JOB] + 1
    _store(mailbox, _FINISHED, 0)
    _store(mailbox, _CLAIM, job << 2 * _COUNT_BITS)
    _store(mailbox, _JOB, job)
    begun = _ticks()
    mine = _take_parts(mailbox, job, _FRONT)
    ended, looks = _ticks(), 0
    while _load(mailbox, _FINISHED) < parts:
        looks = min(looks + 1, _POLITE + 1)
        _wait(looks)
    _judge(mailbox, parts, mine, ended - begun, _ticks() - ended)


@function
def _run_alone(mailbox, address, parts):
    begun = _ticks()
    for number in range(parts):
        _call(address, number, parts, mailbox)
    mailbox[_ALONE] = max(0, mailbox[_ALONE] - max(1, _ticks() - begun))


@function
def _judge(mailbox, parts, mine, computing, waiting):
    """Whether to go on alone, after a job of which this thread did ``mine`` parts, and then waited.

    Help counts half: a helper that is now on its core, now off it, gains as much as it loses, and of two
    threads each is slower than one.
    """
    if mine in (0, parts):
        return  # how long a part takes is not known, or nobody helped
    helped = computing * (parts - mine) // mine  # too long if this thread was off its core itself
    late = max(0, waiting - computing // mine)  # another's last part may take as long as one of this thread's
    debt, term = mailbox[_DEBT] + late - min(helped // 2, _LARGE), mailbox[_TERM]
    if debt > _BEARABLE:
        debt, term = 0, min(max(2 * term, _BEARABLE), _MOST)
        mailbox[_ALONE] = term
    elif debt < 0:
        debt, term = 0, max(0, term + debt)
    mailbox[_DEBT], mailbox[_TERM] = debt, term


@function
def _take_parts(mailbox, job, end):
    """Compute parts of a job from one end until all are claimed, or the mailbox holds another one; how many."""
    mine = 0
    while True:
        address, parts = mailbox[_PART], mailbox[_PARTS]  # another job's, perhaps: then the claim fails
        claim = _load(mailbox, _CLAIM)
        front, back = claim & (_BACK - 1), claim >> _COUNT_BITS & (_BACK - 1)
        if claim >> 2 * _COUNT_BITS != job or front + back >= parts:
            return mine
        if _claim(mailbox, _CLAIM, claim, end):
            _call(address, front if end == _FRONT else parts - 1 - back, parts, mailbox)
            _add(mailbox, _FINISHED, 1)
            mine += 1


@function
def _wait(looks):
    """Between two looks at a word: shortly, and from some look on with others before this thread."""
    if looks > _POLITE:
        _give_way()
    else:
        _pause()


@device
def share(mailbox, parts, body, arguments):
    """Compute ``body(number, parts, *arguments)`` for each number below ``parts``, by whoever has time.

    Parameters
    ----------
    body : compiled too; an error in it is not reported.
    arguments : a tuple of arrays and numbers.
    """
    mailbox[WORDS] = _put_aside(arguments)
    address = _part(body, arguments)
    if parts == 1:  # nobody could help
        _call(address, 0, parts, mailbox)
    else:
        run(mailbox, address, parts)


# What a job is made of ------------------------------------------------------------------------------------


@intrinsic
def _put_aside(typing, arguments):
    """The address of a copy of a tuple on this function's stack; its arrays are as if nobody owned them.

    Who takes an array owns it for a while, and counts: a word that all threads would write.
    """

    def build(context, builder, signature, values):
        bare = values[0]
        for i, kind in enumerate(signature.args[0].types):
            if isinstance(kind, types.Array):
                array = context.make_array(kind)(context, builder, builder.extract_value(bare, i))
                array.meminfo, array.parent = (
                    cgutils.get_null_value(p.type) for p in (array.meminfo, array.parent)
                )
                bare = builder.insert_value(bare, array._getvalue(), i)
        place = cgutils.alloca_once_value(builder, bare)
        return builder.ptrtoint(place, ir.IntType(64))

    return types.int64(arguments), build


@intrinsic
def _part(typing, body, arguments):
    """The address of a function ``part(number, parts, words)``: ``body`` with the tuple at words[0]."""
    called = types.void(types.intp, types.intp, *arguments.types)

    def build(context, builder, signature, values):
        compiled = _compile_beside(context, body.dispatcher.py_func, called)
        word, kind = ir.IntType(64), context.get_value_type(arguments)
        called_by = ir.FunctionType(ir.VoidType(), [word, word, word.as_pointer()])
        part = ir.Function(builder.module, called_by, builder.module.get_unique_name("part"))
        part.linkage = "internal"
        inner = ir.IRBuilder(part.append_basic_block())
        number, parts, words = part.args
        place = inner.inttoptr(inner.load(words), kind.as_pointer())
        given = [inner.load(cgutils.gep_inbounds(inner, place, 0, i)) for i in range(len(arguments.types))]
        context.call_internal_no_propagate(inner, compiled.fndesc, called, [number, parts, *given])
        inner.ret_void()
        return builder.ptrtoint(part, word)

    return types.int64(body, arguments), build


def _compile_beside(context, body, called):
    """Compile a function into the library of the kernel that is being compiled.

    In a library of its own, as Numba would have it, it is optimised and made machine code of twice.
    """
    flags: Any = compiler.Flags()
    flags.error_model = OPTIONS["error_model"]
    flags.nrt = True  # as for any kernel: views are made of arrays
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    typing, library = context.typing_context, context.active_code_library
    return compiler.compile_internal(typing, context, library, body, called.args, called.return_type, flags, {})


# What several threads read and write ----------------------------------------------------------------------


def _word(context, builder, array_type, array, index):
    """A pointer to an element of an int64 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def _load(typing, words, index):
    """words[index], and all that was written before whoever stored it did."""

    def build(context, builder, signature, arguments):
        pointer = _word(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(words, types.intp), build


@intrinsic
def _store(typing, words, index, value):
    def build(context, builder, signature, arguments):
        builder.store_atomic(
            arguments[2], _word(context, builder, signature.args[0], *arguments[:2]), "seq_cst", 8
        )
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), build


@intrinsic
def _add(typing, words, index, value):
    def build(context, builder, signature, arguments):
        pointer = _word(context, builder, signature.args[0], *arguments[:2])
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(words, types.intp, types.int64), build


@intrinsic
def _claim(typing, words, index, seen, more):
    """Add to a word if it still is what was seen; whether it was."""

    def build(context, builder, signature, arguments):
        pointer, (seen, more) = _word(context, builder, signature.args[0], *arguments[:2]), arguments[2:]
        swapped = builder.cmpxchg(pointer, seen, builder.add(seen, more), "seq_cst", "seq_cst")
        return builder.extract_value(swapped, 1)

    return types.boolean(words, types.intp, types.int64, types.int64), build


@intrinsic
def _call(typing, address, number, parts, mailbox):
    """Call the part at an address; it reads the mailbox's words."""

    def build(context, builder, signature, arguments):
        address, number, parts, mailbox = arguments
        word = ir.IntType(64)
        part = ir.FunctionType(ir.VoidType(), [number.type, parts.type, word.as_pointer()])
        words = _word(context, builder, signature.args[3], mailbox, ir.Constant(word, WORDS))
        builder.call(builder.inttoptr(address, part.as_pointer()), [number, parts, words])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, mailbox), build


@intrinsic
def _pause(typing):
    """Tell the core that this is a loop that waits."""

    def build(context, builder, signature, arguments):
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), build


@intrinsic
def _give_way(typing):
    """Let a thread that waits for this core have it."""

    def build(context, builder, signature, arguments):
        if os.name == "posix":  # sched.h
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), build


@intrinsic
def _ticks(typing):
    """A clock that costs some ten nanoseconds; its unit is the machine's.  Zero where there is none."""

    def build(context, builder, signature, arguments):
        word = ir.IntType(64)
        if not _CLOCK:
            return word(0)
        kind = ir.FunctionType(word, [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, _CLOCK), [])

    return types.int64(), build
