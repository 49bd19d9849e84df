"""Losses, duplicates and reordering, over a link that this test controls packet by packet.

A lost packet's record carries the time that its receiver computed. Both sides' receivers are checked to the
last bit against the schedule of RFC 4656 section 5 computed here, so both sides have the same schedule.
"""

import capture
import harness
import netns
import owamp
import raw

PACKETS = 30
SLOTS = [(owamp.EXPONENTIAL, owamp.SECOND // 64)]
OPTIONS = ("-c", PACKETS, "-i", "0.015625e", "-L", 0.5, "-z", 0.3, "-E", 0.1)


class Script:
    """What a direction of the wire does with the test packets, by their order; other packets pass."""

    def __init__(self, fate):
        self.count = 0
        self.fate = fate

    def __call__(self, packet):
        if not capture.parse(packet):
            return [packet]
        self.count += 1
        return self.fate(self.count - 1, packet)


def drop_most(index, packet):
    return [packet] if index % 3 == 1 else []


def drop_all(index, packet):
    del index, packet
    return []


def double(index, packet):
    return [packet] * (1 + index % 2)


class Swap:
    """Holds back every fourth packet until the next has passed."""

    def __init__(self):
        self.held = []

    def __call__(self, index, packet):
        if index % 4 == 0:
            self.held = [packet]
            return []
        released, self.held = self.held, []
        return [packet] + released


class Loss(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Wire())
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)

    def measure(self, fate, *arguments, address=None):
        """Both directions under the same fate. Returns the run and what owping saved."""
        self.net.to_server = Script(fate() if isinstance(fate, type) else fate)
        self.net.to_client = Script(fate() if isinstance(fate, type) else fate)
        directory = self.directory()
        run = self.owping(self.net.client, "--records", *OPTIONS, "-T", directory + "/to", "-F",
                          directory + "/from",
                          *arguments, address or self.net.v4)
        return run, [raw.Saved(directory + "/to"), raw.Saved(directory + "/from")]

    def check_lost(self, saved, test, lost):
        due = owamp.schedule(saved.sid, saved.start, SLOTS, PACKETS)
        self.assertEqual(sorted(record.seq for record in saved.records), list(range(PACKETS)))
        self.assertEqual(sorted(record.seq for record in saved.records if record.lost), lost)
        for record in saved.records:
            if record.lost:
                self.assertEqual(record.send_time, due[record.seq],
                                 "scheduled time of packet %d" % record.seq)
                self.assertEqual(record.ttl, 255)
        self.assertEqual(test["summary"]["lost"], len(lost))
        self.assertEqual(test["summary"]["received"], PACKETS - len(lost))
        self.assertEqual(test["summary"]["missing_records"], 0)

    def test_scheduled_times(self):
        lost = [seq for seq in range(PACKETS) if seq % 3 != 1]
        key = self.key_options(harness.ALICE)
        for letter in "OAE":
            for address in (self.net.v4, self.net.v6):
                with self.subTest(mode=letter, address=address):
                    run, files = self.measure(drop_most, "-A", letter, *([] if letter == "O" else key),
                                              address=address)
                    self.assert_status(run, 0)
                    for saved, test in zip(files, run.document["tests"]):
                        self.assertEqual(test["mode"], owamp.MODE_NAMES[letter])
                        self.check_lost(saved, test, lost)

    def test_everything_lost(self):
        run, files = self.measure(drop_all)
        self.assert_status(run, 0)
        for saved, test in zip(files, run.document["tests"]):
            self.check_lost(saved, test, list(range(PACKETS)))

    def test_duplicates(self):
        run, files = self.measure(double)
        self.assert_status(run, 0)
        for saved, test in zip(files, run.document["tests"]):
            self.assertEqual(test["summary"]["duplicates"], PACKETS // 2)
            self.assertEqual(test["summary"]["received"], PACKETS)
            seqs = [record.seq for record in saved.records]
            for seq in range(PACKETS):
                self.assertEqual(seqs.count(seq), 1 + seq % 2)

    def test_reordering(self):
        run, files = self.measure(Swap)
        self.assert_status(run, 0)
        # 1 0 2 3, 5 4 6 7, ... as they arrive; the last of the 30 in a group of two.
        order = [seq + (1, -1, 0, 0)[seq % 4] for seq in range(PACKETS)]
        for saved, test in zip(files, run.document["tests"]):
            self.assertEqual([record.seq for record in saved.records], order)
            self.assertEqual(test["reordering"]["reordered"], (PACKETS + 2) // 4)


if __name__ == "__main__":
    harness.main(netns.wire_unavailable)
