"""The clock is set by 5 s, back and forth, while sessions run."""
import re

import vm_case
import kernel_clock
from session import MILLISECOND, SECOND, SessionCase

STEP = 5 * SECOND
PACKETS = 140


class Step(SessionCase):
    def step(self, ns, words):
        mark = self.server.mark()
        kernel_clock.step(ns)
        self.server.wait_log(r"warning: clock: this host's clock was set by %s$" % re.escape(words), mark)

    def check_direction(self, direction):
        self.assertEqual(sorted(set(direction.shifts)), [-1, 0])
        back, forth = direction.changes()
        self.assertEqual(direction.shifts, [0] * back + [-1] * (forth - back) + [0] * (PACKETS - forth))
        self.check_delays(direction, STEP)
        for end in "send", "receive":
            synchronized = direction.synchronized(end)
            # Off from the first packet after each step on, and on again before the next one.
            self.assertRegex(synchronized[:back], "1$")
            self.assertRegex(synchronized[back:forth], "^0+1+$")
            self.assertRegex(synchronized[forth:], "^0+1+$")
            for record, shift in zip(direction.records, direction.shifts):
                self.assertGreaterEqual(record[end + "_error_ns"], -shift * STEP)
            # Not for ever: when the clock is right again, the bound is as small as it was.
            self.assertLess(direction.records[-1][end + "_error_ns"], 10 * MILLISECOND)

    def check_archive(self, program, sessions, wanted):
        steps = [row["step_ns"] for row in self.rows(program, "SELECT step_ns FROM clock WHERE step_ns <> 0"
                                                              " ORDER BY step_ns")]
        self.assertEqual(len(steps), len(wanted), steps)
        for step, one in zip(steps, wanted):
            self.assertLess(abs(step - one), MILLISECOND)
        trouble = self.rows(program, "SELECT clock_steps FROM meter_trouble")
        self.assertEqual([row["clock_steps"] for row in trouble], [2] * sessions)

    def test_back_and_forth(self):
        self.load_card()
        self.begin(PACKETS)
        self.wait_packets(20)
        self.step(-STEP, "-5 s")
        self.wait_packets(70)
        self.step(STEP, "+5 s")
        run, directions = self.end(STEP)
        for direction in directions:
            with self.subTest(direction.document["direction"]):
                self.check_direction(direction)
                self.assertRegex("\n".join(direction.document["warnings"]), "this host's clock was set ")
        # What it received; of each second.
        with self.subTest("owampd"):
            self.check_archive("owampd", 1, [-STEP, STEP])
        # Both; at the begin and at the end, where the last one is told if the sum is none.
        with self.subTest("owping"):
            self.check_archive("owping", 2, [STEP])


if __name__ == "__main__":
    vm_case.main()
