"""Sessions between owampd and owping on one machine, whose clock changes while they run.

A hardware clock on TAI that nothing of that moves vouches for UTC, so that it is known how wrong the system clock
is. Both ends have the same system clock: what is odd about their packets comes from what they make of it.
"""
import contextlib
import sqlite3

import vm_case
import harness
import kernel_clock
import netns

TAI_UTC = 37
SECOND = 10**9
MILLISECOND = 10**6
INTERVAL = SECOND // 10

CLOCK = 'phc "card" { device = "/dev/ptp0"\n timescale = tai\n accuracy = 1us\n }'


class Direction:
    """The packets of one direction in the order in which they were sent; of each the record in the document."""

    def __init__(self, document, unit):
        self.document = document
        self.records = sorted(document["records"], key=lambda record: record["seq"])
        # By how many units the sender's clock was ahead of the schedule, which was made before all that.
        self.shifts = [self._shift(record, unit) for record in self.records]

    def _shift(self, record, unit):
        """How far from a multiple of the unit it is is how late the packet was: less than half of one."""
        due = self.document["start_time_ns"] + (record["seq"] + 1) * INTERVAL
        return (record["send_time_ns"] - due + unit // 20) // unit

    def synchronized(self, end):
        """A digit each packet."""
        return "".join("01"[record[end + "_synchronized"]] for record in self.records)

    def changes(self):
        """The places of the packets that were the first after the clock had changed."""
        return [at for at in range(1, len(self.shifts)) if self.shifts[at] != self.shifts[at - 1]]


class SessionCase(vm_case.VmCase):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def load_card(self):
        """It has the right time from then on, whatever becomes of the system clock."""
        kernel_clock.set_tai(TAI_UTC)
        self.module("owphc", offset_ns=TAI_UTC * SECOND)

    def begin(self, packets):
        """A session in each direction, with ten packets a second."""
        self.packets = packets
        files = self.directory()
        self.archives = {"owampd": files + "/owampd.db", "owping": files + "/owping.db"}
        self.server = self.owampd(self.net.server, conf='archive = "%s"\nclock {\n%s\n}\n' % (
            self.archives["owampd"], CLOCK), limits=harness.GENEROUS)
        self.server.wait_log(r"clock: synchronized: ")
        self.sent_before = self.space.datagrams_sent()
        self.client = self.start(
            self.space, "owping", "--clock-config", self.clock_config(CLOCK), "--archive", self.archives["owping"],
            "--records", "-c", packets, "-i", "0.1f", "-L", 2, "-E", 0.5, self.net.v4)

    def wait_packets(self, count):
        """Of each direction."""
        harness.until(lambda: self.space.datagrams_sent() - self.sent_before >= 2 * count,
                      "%d packets sent" % count)

    def end(self, unit):
        """The run, and its directions; everything arrived, and none of it was refused."""
        run = self.client.end(harness.PATIENCE + self.packets // 10)
        self.assert_status(run, 0)
        directions = [Direction(test, unit) for test in run.document["tests"]]
        for direction in directions:
            summary = direction.document["summary"]
            self.assertEqual({name: summary[name] for name in ("sent", "received", "lost", "skipped", "duplicates",
                                                               "unknown")},
                             {"sent": self.packets, "received": self.packets, "lost": 0, "skipped": 0,
                              "duplicates": 0, "unknown": 0})
            self.assertEqual([record["seq"] for record in direction.records], list(range(self.packets)))
        discarded = directions[1].document["health"]["receive"]["discarded"]
        self.assertEqual(set(discarded.values()), {0})
        self.server.wait_count(r"session [0-9a-f]{32} (finished|ended): ", 2)
        self.server.end(self)  # then its archive is complete
        return run, directions

    def check_delays(self, direction, step):
        """Packets in flight while the clock changed have the change in their delay, others have nothing of it."""
        odd = [record["delay_ns"] for record in direction.records if abs(record["delay_ns"]) > SECOND // 2]
        self.assertLessEqual(len(odd), len(direction.changes()))
        for delay in odd:
            self.assertLess(abs(abs(delay) - step), SECOND // 2)

    def rows(self, program, sql):
        with contextlib.closing(sqlite3.connect(self.archives[program])) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql)]
