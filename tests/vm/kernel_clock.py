"""The system clock through adjtimex(): set, stepped, given leap seconds and steered by hand."""
import collections
import ctypes
import os
import time

ADJ_FREQUENCY, ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 0x2, 0x4, 0x8, 0x10
ADJ_TAI, ADJ_SETOFFSET, ADJ_NANO, ADJ_TICK = 0x80, 0x100, 0x2000, 0x4000
STA_INS, STA_UNSYNC, STA_NANO = 0x10, 0x40, 0x2000
USUAL_TICK = 10000
SECOND = 10**9
DAY = 86400

# Greatest that the kernel keeps, us.
UNKNOWN_ERROR = 16000000

State = collections.namedtuple("State", "status maxerror_us esterror_us freq tai")


class _Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
                ("constant", ctypes.c_long), ("precision", ctypes.c_long), ("tolerance", ctypes.c_long),
                ("seconds", ctypes.c_long), ("fraction", ctypes.c_long), ("tick", ctypes.c_long),
                ("pps", ctypes.c_long * 8), ("tai", ctypes.c_int), ("reserved", ctypes.c_int * 11)]


_libc = ctypes.CDLL(None, use_errno=True)


def _adjtimex(modes=0, **fields):
    timex = _Timex(modes=modes, **fields)
    if _libc.adjtimex(ctypes.byref(timex)) < 0:
        error = ctypes.get_errno()
        raise OSError(error, "adjtimex: %s" % os.strerror(error))
    return State(timex.status, timex.maxerror, timex.esterror, timex.freq, timex.tai)


def read():
    return _adjtimex()


def step(ns):
    """Sets the clock by so much, at once."""
    seconds, fraction = divmod(ns, SECOND)
    _adjtimex(ADJ_SETOFFSET | ADJ_NANO, seconds=seconds, fraction=fraction)


def set_tai(seconds):
    """TAI less UTC."""
    _adjtimex(ADJ_TAI, constant=seconds)


def insert_leap_second():
    """At the end of the UTC day. What else the kernel knows of the clock stays as it is."""
    _adjtimex(ADJ_STATUS, status=read().status | STA_INS)


def set_before_midnight(seconds):
    """So long before the end of a UTC day."""
    tomorrow = (time.time_ns() // SECOND // DAY + 1) * DAY
    time.clock_settime_ns(time.CLOCK_REALTIME, (tomorrow - seconds) * SECOND)


def neglect():
    """As a machine has it that just started: nobody steers, nothing is known."""
    _adjtimex(ADJ_FREQUENCY | ADJ_TICK | ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, tick=USUAL_TICK,
              status=STA_UNSYNC, maxerror=UNKNOWN_ERROR, esterror=UNKNOWN_ERROR)
    set_tai(0)
