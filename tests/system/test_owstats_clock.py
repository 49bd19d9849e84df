"""owstats clock: the clock's timeline, against rows that are known."""
import sys
import unittest

import owstats_helper as helper
from archive_model import MINUTE, NOW, SECOND

CLOCK = "time_ns, program, source, synchronized, bound_ns, step_ns, drift_ppb, steered_by, alarm, leap, tai_utc"
BEGIN = NOW // MINUTE * MINUTE
CONTRADICTION = "ptp says +0.3 us, gps says +3.0 s: they contradict each other"

# What the clock said minute by minute, and what has to be said of it.
ROWS = [
    ("ptp", 1, 3200, 0, "ptp4l or phc2sys", None, 0),
    ("ptp", 1, 4100, 0, "ptp4l or phc2sys", None, 0),
    ("none", 0, 5000004100, 5000000000, "ptp4l or phc2sys", None, 0),
    ("ptp", 1, 3300, 0, "ptp4l or phc2sys", None, 0),
    ("chrony", 1, 812345, 0, "chronyd", None, 0),
    ("chrony", 0, 3000000000, 0, "chronyd", CONTRADICTION, 0),
    ("chrony", 1, 812345, 0, "chronyd", None, 0),
    ("chrony", 1, 812345, 0, "chronyd", None, 1),
    ("chrony", 1, 812345, -1500, "chronyd", None, 1),
]
TEXTS = {
    2: "was set by +5 s; NOT synchronized any more; bound from no source instead of PTP",
    3: "synchronized; bound from PTP instead of no source",
    4: "bound from NTP instead of PTP; steered by chronyd",
    5: "NOT synchronized any more; ALARM: " + CONTRADICTION,
    6: "synchronized; the alarm is over",
    7: "a leap second will be inserted at the end of the day",
    8: "was set by -1.5 us",
}


class Clock(helper.OwstatsTest):
    def setUp(self):
        self.archive = self.archive_of([])
        for minute, (source, synchronized, bound, step, steered, alarm, leap) in enumerate(ROWS):
            self.insert("clock (%s)" % CLOCK, (BEGIN + minute * MINUTE, "owampd", source, synchronized, bound, step, 7,
                                               steered, alarm, leap, 37))
        names = "clock_id, program, name, source, state, used, contradicted, steers, offset_ns, bound_ns, age_ns, reason"
        for minute, row in ((0, ("eth0", "ptp", "valid", 1, 0, 1, -310, 3200, 5, "used: smallest bound")),
                            (0, ("ntp", "chrony", "absent", 0, 0, 0, None, None, None, "is chronyd running?")),
                            (4, ("ntp", "chrony", "valid", 1, 0, 1, 20000, 812345, 9, "used: it is the only one"))):
            self.insert("clock_sources (%s)" % names, (minute + 1, "owampd", *row))

    def insert(self, table, values):
        db = helper.sqlite3.connect(self.archive, isolation_level=None)
        self.addCleanup(db.close)
        db.execute("INSERT INTO %s VALUES (%s)" % (table, ",".join("?" * len(values))), values)

    def test_json(self):
        document = self.ask(self.archive, "clock")
        self.assertEqual([(event["time_ns"], event["text"]) for event in document["events"]],
                         [(BEGIN + minute * MINUTE, text) for minute, text in TEXTS.items()])
        step = document["events"][0]
        self.assertEqual(step, {
            "time_ns": BEGIN + 2 * MINUTE, "program": "owampd", "step_ns": 5000000000, "source_before": "ptp",
            "source": "none", "synchronized_before": True, "synchronized": False, "bound_before_ns": 4100,
            "bound_ns": 5000004100, "alarm": None, "steered_by": "ptp4l or phc2sys", "leap": 0, "text": TEXTS[2]})
        self.assertEqual(document["sources"], [
            {"program": "owampd", "name": "eth0", "source": "ptp", "state": "valid", "used": True,
             "contradicted": False, "steers": True, "offset_ns": -310, "bound_ns": 3200, "age_ns": 5,
             "reason": "used: smallest bound", "time_ns": BEGIN},
            {"program": "owampd", "name": "ntp", "source": "chrony", "state": "valid", "used": True,
             "contradicted": False, "steers": True, "offset_ns": 20000, "bound_ns": 812345, "age_ns": 9,
             "reason": "used: it is the only one", "time_ns": BEGIN + 4 * MINUTE}])

    def test_range(self):
        for since, until, minutes in ((BEGIN + 3 * MINUTE, BEGIN + 5 * MINUTE, [3, 4]), (BEGIN, BEGIN + MINUTE, [])):
            events = self.ask(self.archive, "clock", "--since", helper.time_text(since, 0), "--until",
                              helper.time_text(until, 0))["events"]
            self.assertEqual([event["time_ns"] for event in events], [BEGIN + minute * MINUTE for minute in minutes])

    def test_text(self):
        lines = self.text(self.archive, "clock").splitlines()
        self.assertEqual(lines[0].split()[:4], ["program", "source", "by", "state"])
        self.assertIn("*ntp", lines[2])
        self.assertTrue(lines[2].endswith("used: it is the only one"), lines[2])
        self.assertIn("20 us", lines[2])
        self.assertIn("0.813 ms", lines[2])
        self.assertEqual([line.split(None, 4)[-1] for line in lines[-len(TEXTS):]], list(TEXTS.values()))
        nothing = self.text(self.archive, "clock", "--until", helper.time_text(BEGIN + SECOND, 0))
        self.assertTrue(nothing.endswith("no change of this host's clock in that time\n"))

    def test_csv(self):
        rows = self.rows(self.archive, "clock")
        self.assertEqual([row["text"] for row in rows], list(TEXTS.values()))
        self.assertEqual(rows[0]["time"], helper.time_text(BEGIN + 2 * MINUTE, 9))
        self.assertEqual(rows[3]["alarm"], CONTRADICTION)
        self.assertEqual(self.rows(self.archive, "clock", "--until", helper.time_text(BEGIN + SECOND, 0)), [])

    def test_nothing_there(self):
        self.assertEqual(self.text(self.archive_of([]), "clock"), "no change of this host's clock in that time\n")

    def test_usage(self):
        self.fails(2, "clock: nothing is expected at 'x'", "clock", "x", archive=self.archive)
        self.fails(2, "clock: there is no --step here", "clock", "--step", "1h", archive=self.archive)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)
