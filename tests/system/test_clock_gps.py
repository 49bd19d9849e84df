"""The sources gps and shm: a real gpsd with receivers that the test plays, and shared memory segments.

The receivers tell the time of CLOCK_REALTIME itself, so the true offset is 0, or what a test adds. gpsd and the
segments are in an IPC namespace of the test's own: gpsd makes segments whenever root starts it.
"""
import calendar
import ctypes
import os
import pty
import re
import socket
import struct
import threading
import time
import tty

import clock_case
import harness
import netns

CLONE_NEWIPC = 0x08000000

PORT = 2947

# After the second's beginning, as receivers at 9600 baud are.
DELAY = 0.15

# A gpsd may take its time over a device.
GPSD_PATIENCE = 90

_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p
_libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
_libc.shmdt.argtypes = [ctypes.c_void_p]


def sentence(text):
    """NMEA 0183: a checksum at the end."""
    checksum = 0
    for char in text:
        checksum ^= ord(char)
    return "$%s*%02X\r\n" % (text, checksum)


def sentences(seconds, fix):
    """What a receiver says of a second since 1970."""
    then = time.gmtime(seconds)
    clock = time.strftime("%H%M%S.00", then)
    status, quality, mode, satellites = ("A", 1, 3, 9) if fix else ("V", 0, 1, 0)
    return "".join(map(sentence, (
        "GPRMC,%s,%s,4807.0380,N,01131.0000,E,0.02,084.4,%s,,,A" % (clock, status, time.strftime("%d%m%y", then)),
        "GPGGA,%s,4807.0380,N,01131.0000,E,%d,%02d,0.9,545.4,M,46.9,M,," % (clock, quality, satellites),
        "GPGSA,A,%d,04,05,09,12,24,25,29,31,32,,,,1.6,0.9,1.3" % mode,
        "GPZDA,%s,%s,00,00" % (clock, time.strftime("%d,%m,%Y", then)))))


class Receiver:
    """Speaks each second, DELAY after its beginning; a subclass knows to whom."""

    def __init__(self):
        self.says = "fix"  # "no fix", "nothing"
        self.wrong_s = 0  # what it is off by
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        second = calendar.timegm(time.gmtime()) + 1
        while not self._quit.wait(max(second + DELAY - time.time(), 0)):
            if self.says != "nothing":
                # Stalled machines: of the second in which it speaks.
                second = max(second, int(time.time() - DELAY))
                self.write(sentences(second + self.wrong_s, self.says == "fix").encode())
            second += 1

    def close(self):
        self._quit.set()
        self._thread.join(harness.PATIENCE)


class Terminal(Receiver):
    """At the other end of a pseudo-terminal."""

    def __init__(self):
        super().__init__()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)
        self._thread.start()

    def write(self, data):
        os.write(self._master, data)

    def close(self):
        super().close()
        os.close(self._master)
        os.close(self._slave)


class Server(Receiver):
    """Behind TCP, in a namespace; to all who are connected."""

    def __init__(self, space):
        super().__init__()
        self._peers = []
        self._listener = space.call(lambda: socket.create_server(("127.0.0.1", 0)))
        self.device = "tcp://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        self._thread.start()

    def _accept(self):
        try:
            while True:
                self._peers.append(self._listener.accept()[0])
        except OSError:
            pass

    def write(self, data):
        for peer in list(self._peers):
            try:
                peer.sendall(data)
            except OSError:
                self._peers.remove(peer)

    def close(self):
        super().close()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            peer.close()


class Segment:
    """A writer of NTP's shared memory, as gpsd does it: mode 1, ten times a second."""

    LAYOUT = struct.Struct("@iiqiqiiiiiII8i0q")
    COUNT, VALID = 4, 48

    def __init__(self, unit, permissions, offset_s=0.0):
        self.offset_s = offset_s  # of CLOCK_REALTIME, as the segment tells it
        self._id = _libc.shmget(0x4E545030 + unit, self.LAYOUT.size, 0o1000 | permissions)
        if self._id < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        self._address = _libc.shmat(self._id, None, 0)
        self._count = 0
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _put(self, offset, value):
        ctypes.c_int32.from_address(self._address + offset).value = value

    def _write(self):
        received = time.time_ns()
        told = received - int(self.offset_s * 1e9)
        image = self.LAYOUT.pack(1, self._count + 1, told // 10**9, told % 10**9 // 1000, received // 10**9,
                                 received % 10**9 // 1000, 0, -20, 3, 0, told % 10**9, received % 10**9, *[0] * 8)
        self._put(self.VALID, 0)
        self._put(self.COUNT, self._count + 1)
        ctypes.memmove(self._address, image, len(image))
        self._count += 2
        self._put(self.COUNT, self._count)
        self._put(self.VALID, 1)

    def _run(self):
        while not self._quit.wait(0.1):
            self._write()

    def stop(self):
        self._quit.set()
        self._thread.join(harness.PATIENCE)

    def remove(self):
        self.stop()
        _libc.shmctl(self._id, 0, None)
        _libc.shmdt(self._address)


class GpsCase(clock_case.ClockCase):
    def setUp(self):
        super().setUp()
        self.space = self.keep(netns.Namespace())

    def gpsd(self, receiver, port=PORT):
        return self.daemon(self.space, "gpsd", "-N", "-n", "-S", port, receiver.device)

    def assert_contains(self, source, true_s, what):
        """The interval of the source, an offset and an error around it."""
        self.assertLessEqual(source["offset_ns"] - source["error_ns"], true_s * 1e9, what)
        self.assertGreaterEqual(source["offset_ns"] + source["error_ns"], true_s * 1e9, what)


GPS = 'gps "g" { serial_offset = 150ms }'


class Gpsd(GpsCase):
    def start(self):
        """A receiver, its gpsd, and looks at it, of which one was valid."""
        self.receiver = self.keep(Terminal())
        self.process = self.gpsd(self.receiver)
        looks = self.watch(self.space, GPS)
        looks.wait_state("g", "valid", seconds=GPSD_PATIENCE)
        return looks

    def wait_text(self, looks, pattern, **options):
        """Not valid any more, and why. What it said last may still count, and grow old."""
        return looks.wait_source("g", lambda source: source["state"] in ("absent", "doubtful", "holdover") and
                                 re.search(pattern, source["text"]), pattern, seconds=GPSD_PATIENCE, **options)

    def test_fix(self):
        looks = self.start()
        looks.wait_for(lambda look: look["synchronized"], "synchronized")
        look = looks.next(3)[-1]
        source = look["sources"]["g"]
        self.assertEqual((look["synchronized"], look["disagreement"], look["alarm"]), (True, False, None))
        self.assertEqual((look["source"], source["source"], source["state"]), ("gps-serial",) * 2 + ("valid",))
        self.assertTrue(source["used"])
        self.assert_contains(source, 0, source)
        # The configured error is the least there can be of it.
        self.assertGreaterEqual(source["error_ns"], 500000000)
        self.assertGreaterEqual(look["bound_ns"], 500000000)
        self.assertLess(source["age_ns"], 6 * 10**9)
        self.assertIn("3D fix of %s" % self.receiver.device, source["text"])

    def test_no_fix(self):
        looks = self.start()
        self.receiver.says = "no fix"
        self.wait_text(looks, r"no fix \(mode 1\)")
        self.receiver.says = "fix"
        looks.wait_state("g", "valid", seconds=GPSD_PATIENCE)

    def test_never_a_fix(self):
        receiver = self.keep(Terminal())
        receiver.says = "no fix"
        self.gpsd(receiver)
        looks = self.watch(self.space, GPS)
        look = self.wait_text(looks, r"no fix \(mode 1\)")
        self.assertEqual(look["sources"]["g"]["state"], "doubtful")
        self.assertEqual((look["synchronized"], look["source"]), (False, "none"))

    def test_silent(self):
        looks = self.start()
        self.receiver.says = "nothing"
        self.wait_text(looks, r"nothing of .* has come from gpsd for \d+ s: the receiver is silent, or gpsd hangs")
        # Longer than gpsd is believed to be there without an answer.
        self.wait_text(looks, r"nothing of .* has come from gpsd for (1[4-9]|2\d) s: ")
        self.assertFalse([look for look in looks.all() if "closed" in look["sources"]["g"]["text"]])
        self.receiver.says = "fix"
        looks.wait_state("g", "valid", seconds=GPSD_PATIENCE)

    def test_killed(self):
        looks = self.start()
        self.process.kill()
        self.wait_text(looks, r"nothing listens at 127\.0\.0\.1:2947: is gpsd running\?")
        self.gpsd(self.receiver)
        looks.wait_state("g", "valid", seconds=GPSD_PATIENCE)

    def test_hangs(self):
        looks = self.start()
        self.process.signal(clock_case.signal.SIGSTOP)
        self.wait_text(looks, r"gpsd at 127\.0\.0\.1:2947 has not answered for \d+ s")
        self.process.signal(clock_case.signal.SIGCONT)
        looks.wait_state("g", "valid", seconds=GPSD_PATIENCE)

    def test_another_device(self):
        receiver = self.keep(Terminal())
        self.gpsd(receiver)
        looks = self.watch(self.space, 'gps "g" { device = /dev/ttyS77 } gps "h" { device = %s }' % receiver.device)
        look = looks.wait_state("h", "valid", seconds=GPSD_PATIENCE)
        source = look["sources"]["g"]
        self.assertEqual((source["state"], source["text"]), (
            "doubtful", "gpsd has no receiver /dev/ttyS77, only %s" % receiver.device))

    def test_wrong_time(self):
        """Two receivers, of which one comes to be off by 3 s: nobody can tell which."""
        right, wrong = self.keep(Terminal()), self.keep(Terminal())
        self.gpsd(right)
        self.gpsd(wrong, PORT + 1)
        looks = self.watch(self.space, 'gps "right" { serial_offset = 150ms } '
                                       'gps "wrong" { port = %d  serial_offset = 150ms }' % (PORT + 1))
        looks.wait_for(lambda look: look["synchronized"] and all(
            source["state"] == "valid" for source in look["sources"].values()), "both", seconds=GPSD_PATIENCE)
        # The receiver is 3 s ahead, the clock 3 s behind it.
        wrong.wrong_s = 3
        look = looks.wait_for(lambda look: look["disagreement"], "disagreement", seconds=GPSD_PATIENCE)
        self.assertFalse(look["synchronized"])
        self.assertRegex(look["alarm"], r"right says .*wrong says -.*contradict")
        self.assertTrue(look["sources"]["right"]["contradicted"])
        self.assertTrue(look["sources"]["wrong"]["contradicted"])
        look = looks.wait_for(lambda look: look["sources"]["wrong"]["offset_ns"] < -2 * 10**9, "what it says",
                              seconds=GPSD_PATIENCE)
        # Whichever is wrong, the bound holds.
        self.assertGreaterEqual(look["bound_ns"], 2 * 10**9)
        self.assertFalse(look["synchronized"])
        wrong.wrong_s = 0
        looks.wait_for(lambda look: look["synchronized"] and not look["disagreement"], "agreement again",
                       seconds=GPSD_PATIENCE)

    def test_shared_memory(self):
        """What gpsd writes itself, of a receiver that is no terminal; as root, whose segment it is."""
        receiver = self.keep(Server(self.space))
        self.gpsd(receiver)
        looks = self.watch(self.space, 'gps "g" { serial_offset = 150ms } shm "s" { unit = 0  error = 0.5s }')
        look = looks.wait_for(lambda look: all(source["state"] == "valid" for source in look["sources"].values()),
                              "both", seconds=GPSD_PATIENCE)
        self.assertFalse(look["disagreement"])
        source = look["sources"]["s"]
        self.assert_contains(source, 0, source)
        # gpsd 3.22 says so of any time, however late the receiver's messages come.
        self.assertIn("unit 0 (precision 2^-20 s)", source["text"])


class SharedMemory(GpsCase):
    def test_written(self):
        looks = self.watch(self.space, 'shm "s" { unit = 2  error = 1ms }')
        look = looks.wait_state("s", "absent")
        self.assertIn("there is no segment of unit 2 ", look["sources"]["s"]["text"])
        segment = Segment(2, 0o666)
        self.addCleanup(segment.remove)
        look = looks.wait_for(lambda look: look["synchronized"] and look["source"] == "shm", "synchronized")
        self.assert_contains(look["sources"]["s"], 0, look)
        self.assertGreaterEqual(look["bound_ns"], 1000000)
        segment.stop()
        looks.wait_source("s", lambda source: "nobody has written to unit 2 for " in source["text"], "stale")

    def test_offset(self):
        """The clock is 2.5 ms ahead, says the segment."""
        segment = Segment(3, 0o666, 0.0025)
        self.addCleanup(segment.remove)
        looks = self.watch(self.space, 'shm "s" { unit = 3  error = 10us }')
        look = looks.wait_for(lambda look: look["synchronized"], "synchronized")
        self.assertEqual(look["sources"]["s"]["offset_ns"], 2500000)
        self.assertGreaterEqual(look["bound_ns"], 2500000)

    def test_created_anew(self):
        segment = Segment(4, 0o666, 0.001)
        looks = self.watch(self.space, 'shm "s" { unit = 4 }')
        looks.wait_state("s", "valid")
        segment.remove()
        segment = Segment(4, 0o666, 0.002)
        self.addCleanup(segment.remove)
        looks.wait_source("s", lambda source: source["state"] == "valid" and source["offset_ns"] == 2000000, "new")

    def test_permission(self):
        reason = clock_case.nobody_unavailable()
        if reason:
            self.skipTest(reason)
        private, public = Segment(0, 0o600), Segment(2, 0o666)
        self.addCleanup(private.remove)
        self.addCleanup(public.remove)
        looks = self.watch(self.space, 'shm "private" { unit = 0 } shm "public" { unit = 2 }',
                           wrapper=clock_case.as_nobody())
        look = looks.wait_state("public", "valid")
        source = look["sources"]["private"]
        self.assertEqual(source["state"], "absent")
        self.assertEqual(source["text"], "unit 0 may be read by its owner only, as gpsd's 0 and 1: "
                         "start as root when it is there, or use 2 and up")


def no_ipc_namespace():
    """Enters one of the test's own: threads and processes started from now on are in it."""
    if _libc.unshare(CLONE_NEWIPC) != 0:
        return "no IPC namespace: %s" % os.strerror(ctypes.get_errno())
    return None


if __name__ == "__main__":
    harness.main(harness.missing("gpsd"), no_ipc_namespace)
