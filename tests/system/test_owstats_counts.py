"""What owstats counts: skip ranges, early ends, sessions under way, made by hand."""
import sys
import unittest

import archive_model as model
import owstats_helper as helper
from owstats_helper import time_text

HOUR, MINUTE, SECOND, NOW = model.HOUR, model.MINUTE, model.SECOND, model.NOW
PARIS, TOKYO = model.PARIS, model.TOKYO


class Counting(helper.OwstatsTest):
    def records(self, seqs, lost=(), delay=5000000):
        """Each later than the one before."""
        def record(seq):
            sent = model.to_ntp(NOW + seq * SECOND)
            received = None if seq in lost else sent + (delay * (seq + 1) << 32) // SECOND
            return model.Record(seq, sent, received, 0, model.FINE, model.FAIR, 255)
        return [record(seq) for seq in seqs]

    def show(self, content, *statements, **columns):
        session = model.Session(1, (PARIS, TOKYO), NOW, content, **columns)
        archive = self.archive_of([session])
        self.change(archive, *statements)
        found = self.ask(archive, "show", session.sid)["session"]
        return {key: found[key] for key in ("sent", "received", "lost", "skipped", "unknown", "missing_records")}

    def counts(self, sent, received, lost, skipped=0, unknown=0, missing=0):
        return {"sent": sent, "received": received, "lost": lost, "skipped": skipped, "unknown": unknown,
                "missing_records": missing}

    def test_skips(self):
        """A lost record within a skip range does not count, nor does the range."""
        found = self.show(self.records(range(8), lost=(2, 3)),
                          "INSERT INTO skip_ranges VALUES (1, 3, 4), (1, 8, 9)", packets=10, next_seq=10)
        self.assertEqual(found, self.counts(6, 5, 1, skipped=4))

    def test_early_end(self):
        """Sent, says the sender, but the receiver had to drop the records of the last two."""
        found = self.show(self.records(range(5), lost=(1,)), packets=10, next_seq=7)
        self.assertEqual(found, self.counts(5, 4, 1, unknown=2))

    def test_no_record(self):
        """A receiver that knows nothing of a packet in the middle has lost it; a writer may have lost the record."""
        content = self.records((0, 1, 3, 4))
        self.assertEqual(self.show(content, packets=5), self.counts(5, 4, 1, missing=1))
        self.assertEqual(self.show(content, packets=5, records_lost=1), self.counts(4, 4, 0, unknown=1))
        self.assertEqual(self.show(content, packets=9, outcome="broken"), self.counts(4, 4, 0, unknown=1))

    def test_ranges_count_the_same(self):
        """What does not count for a session counts nowhere."""
        content = self.records(range(9), lost=(2, 3, 8))
        archive = self.archive_of([model.Session(1, (PARIS, TOKYO), NOW, content, packets=10, next_seq=8)])
        self.change(archive, "INSERT INTO skip_ranges VALUES (1, 3, 4)")
        found = [self.ask(archive, "summary", PARIS, TOKYO)["directions"][0],
                 self.ask(archive, "timeline", PARIS, TOKYO)["steps"][0], self.ask(archive)["sessions"][0]]
        for counts in found:
            self.assertEqual((counts["sent"], counts["received"], counts["lost"]), (6, 5, 1))
        for arguments in ((PARIS, TOKYO), ("%032x" % 0x123456789ABCDEF0123456789,)):
            found = self.ask(archive, "histogram", *arguments)
            self.assertEqual((found["received"], found["lost"]), (5, 1))

    def dropped(self, *seqs):
        """Ten packets, of which 2 and 8 are lost and these dropped."""
        records = self.records(range(10), lost=(2, 8, *seqs))
        return [record._replace(dropped=1, send_error=1) if record.seq in seqs else record for record in records]

    def test_dropped(self):
        """At the receiver's own socket: nowhere a loss, and said to be what it is."""
        session = model.Session(1, (PARIS, TOKYO), NOW, self.dropped(3, 4, 7), health={
            "sent": 10, "send_lateness_p50_ns": 1234, "send_lateness_p999_ns": 56789, "kernel_stamps": 5,
            "kernel_gap_max_ns": 7000000, "socket_drops": 4, "hardware_stamped": 6, "send_errors": 1,
            "send_error_text": "\033No"})
        archive = self.archive_of([session])
        note = "3 packets were dropped at the receiver's own socket: not counted as lost"
        for pruned in (False, True):
            shown = self.ask(archive, "show", session.sid)
            summed = self.ask(archive, "summary", PARIS, TOKYO)
            timeline = self.ask(archive, "timeline", PARIS, TOKYO, "--step", "1h")
            for found in (shown["session"], summed["directions"][0], timeline["steps"][0],
                          self.ask(archive)["sessions"][0]):
                self.assertEqual((found["sent"], found["received"], found["lost"], found["dropped"],
                                  found["lost_percent"]), (10, 5, 2, 3, 20))
            drawn = self.ask(archive, "histogram", session.sid)
            self.assertEqual((drawn["lost"], drawn["dropped"]), (2, 3))
            drawn = self.ask(archive, "histogram", PARIS, TOKYO)
            self.assertEqual((drawn["lost"], drawn["dropped"]), (2, 3))
            for document in (shown, summed):
                self.assertIn(note, document["notes"])
            self.assertEqual([episode["first_seq"] for episode in shown["session"]["loss_episodes"]], [2, 8])
            self.assertEqual(shown["session"]["missing_records"], 0)
            self.check_dropped_text(archive, session.sid, note)
            self.prune(archive, 1)

    def check_dropped_text(self, archive, sid, note):
        text = self.text(archive, "show", sid, "--minutes")
        self.assertIn("\n10 sent, 2 lost (20.000%), 3 dropped, 0 duplicates, 0 reordered\n", text)
        self.assertIn("note: " + note, text)
        for words, value in (("left after the scheduled time, P50", "~1.23 us"),
                             ("left after the scheduled time, P99.9", "~56.8 us"),
                             ("packets of which the kernel told when they left", "5"),
                             ("from the time stamp to the kernel's, max", "7 ms"),
                             ("datagrams dropped at our own socket", "4"),
                             ("packets with the interface's time stamp", "6"), ("why the last of them", "?No")):
            self.assertRegex(text, r"(?m)^  %s +%s$" % (words, value.replace("?", r"\W?").replace(".", r"\.")))
        self.assertRegex(text, r"(?m)^minute +sent +lost +drop +dup ")
        self.assertRegex(text, r"(?m)^20\S+ +10 +2 +3 +0 +0 ")
        self.assertIn("10 sent, 5 received, 2 lost (20.000%), 3 dropped, 0 duplicates",
                      self.text(archive, "summary", PARIS, TOKYO))
        self.assertIn("5 packets received, 2 lost, 3 dropped at the receiver's own socket\n",
                      self.text(archive, "histogram", sid))
        for command in (("list",), ("timeline", PARIS, TOKYO, "--step", "1h")):
            self.assertIn("\ndrop: at the receiver's own socket, not counted as lost\n", self.text(archive, *command))

    def test_one_dropped(self):
        session = model.Session(1, (PARIS, TOKYO), NOW, self.dropped(5))
        archive = self.archive_of([session])
        self.assertEqual(self.ask(archive, "show", session.sid)["notes"],
                         ["1 packet was dropped at the receiver's own socket: not counted as lost"])

    def test_none_dropped(self):
        session = model.Session(1, (PARIS, TOKYO), NOW, self.dropped())
        archive = self.archive_of([session])
        self.assertEqual(self.ask(archive, "show", session.sid)["notes"], [])
        for command in (("show", session.sid), ("summary", PARIS, TOKYO), ("list",)):
            text = self.text(archive, *command)
            self.assertNotIn("dropped", text)
            self.assertNotIn("drop:", text)

    def test_dropped_and_no_record(self):
        """A record that says dropped is none of a loss."""
        content = [record for record in self.dropped(3, 4, 7) if record.seq != 5]
        self.assertEqual(self.show(content, packets=10), self.counts(10, 4, 3, missing=1))

    def test_dropped_and_skipped(self):
        """What was never sent was not dropped; what arrived after all, neither."""
        content = self.dropped(3, 4, 7)
        content.append(content[1]._replace(receive=None, duplicate=1, dropped=1))
        found = self.show(content, "INSERT INTO skip_ranges VALUES (1, 4, 5)", packets=10)
        self.assertEqual(found, self.counts(8, 4, 2, skipped=2))

    def test_worst_without_losses(self):
        """It is the slowest minute then."""
        content = self.records(range(150))
        archive = self.archive_of([model.Session(1, (PARIS, TOKYO), NOW, content)])
        found = self.ask(archive, "summary", PARIS, TOKYO)["directions"][0]
        self.assertEqual((found["worst_minute_ns"], found["worst_minute_lost"]), (NOW + 2 * MINUTE, 0))

    def test_whole_hours_bring_sessions(self):
        """A range that becomes larger has all sessions of what it became."""
        first = model.Session(1, (PARIS, TOKYO), NOW, self.records(range(10)), end_ns=NOW + 10 * MINUTE)
        late = NOW + 55 * MINUTE
        shift = 3300 << 32
        second = model.Session(2, (PARIS, TOKYO), late, [
            record._replace(send=record.send + shift, receive=record.receive + shift)
            for record in self.records(range(7))])
        for pruned, since, until, sent in ((1, 0, 50, 10), (2, 50, 60, 7)):
            archive = self.archive_of([first, second])
            arguments = ("summary", PARIS, TOKYO, "--since", time_text(NOW + since * MINUTE, 0), "--until",
                         time_text(NOW + until * MINUTE, 0))
            found = self.ask(archive, *arguments)["directions"][0]
            self.assertEqual((found["sessions"], found["sent"]), (1, sent))
            self.assertEqual((found["begin_ns"], found["end_ns"]), (NOW + since * MINUTE, NOW + until * MINUTE))
            self.prune(archive, pruned)
            found = self.ask(archive, *arguments)["directions"][0]
            self.assertEqual((found["sessions"], found["sent"]), (2, 17))
            self.assertEqual((found["begin_ns"], found["end_ns"]), (NOW, NOW + HOUR))

    def test_running(self):
        found = self.show(self.records((0, 1, 3)), packets=100, outcome="running", end_ns=None, records=0)
        self.assertEqual(found, self.counts(3, 3, 0, unknown=1))

    def test_running_text(self):
        session = model.Session(1, (PARIS, TOKYO), NOW, self.records(range(3)), packets=100, outcome="running",
                                end_ns=None, records=0)
        archive = self.archive_of([session])
        text = self.text(archive, "show", session.sid)
        self.assertIn("outcome    running\n", text)
        self.assertIn("note: the session is running", text)
        self.assertIn("running", self.text(archive))

    def test_due_summaries(self):
        """What is derived is not there yet: the packets are."""
        content = self.records(range(50), lost=(7,))
        session = model.Session(1, (PARIS, TOKYO), NOW, content, outcome="broken", summaries_due=1, records=9999999)
        archive = self.archive_of([session])
        self.change(archive, "DELETE FROM minutes", "DELETE FROM histograms")
        found = self.ask(archive)["sessions"][0]
        self.assertEqual((found["sent"], found["lost"], found["percentiles_from"]), (50, 1, "packets"))

    def test_text_of_others(self):
        """Nothing that a file says gets at the terminal."""
        session = model.Session(1, (PARIS, TOKYO), NOW, self.records(range(3)), reason="\033]0;x\007 \u009b31m",
                                identity="\r\033[2J")
        archive = self.archive_of([session])
        self.change(archive, "UPDATE endpoints SET name = char(27) || '[31mred' WHERE address = '%s'" % PARIS)
        for arguments in (("show", session.sid), ("list",)):
            text = self.text(archive, *arguments)
            self.assertFalse([c for c in text if c != "\n" and (ord(c) < 32 or 0x7f <= ord(c) < 0xa0)])


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)
