"""A leap second is inserted while sessions run: the system clock goes back by a second, and is right all the same."""

import vm_case
import kernel_clock
from session import SECOND, SessionCase, TAI_UTC

PACKETS = 170

# For the programs to start, and for some packets.
BEFORE = 14


class Leap(SessionCase):
    def begin_before_midnight(self):
        kernel_clock.set_before_midnight(BEFORE)
        self.load_card()
        kernel_clock.insert_leap_second()
        self.begin(PACKETS)

    def check_direction(self, direction):
        change, = direction.changes()
        self.assertEqual(direction.shifts, [0] * change + [-1] * (PACKETS - change))
        # The clock went on for the whole last second of the day, and had it once more.
        due = direction.document["start_time_ns"] // SECOND
        midnight = (due // kernel_clock.DAY + 1) * kernel_clock.DAY * SECOND
        self.assertLess(direction.records[change - 1]["send_time_ns"], midnight)
        self.assertGreaterEqual(direction.records[change]["send_time_ns"], midnight - SECOND)
        self.check_delays(direction, SECOND)
        for end in "send", "receive":
            synchronized = direction.synchronized(end)
            self.assertRegex(synchronized, "^0*1+$")
            self.assertRegex(synchronized[:change], "1$")
            # The stamps of a second that is there twice are ambiguous; later there is no trace of it.
            self.assertLess(direction.records[-1][end + "_error_ns"], SECOND // 2)

    def test_inserted(self):
        self.begin_before_midnight()
        self.server.wait_log("clock: a leap second is inserted at the end of the UTC day")
        run, directions = self.end(SECOND)
        self.assertEqual(kernel_clock.read().tai, TAI_UTC + 1)
        for direction in directions:
            with self.subTest(direction.document["direction"]):
                self.check_direction(direction)
                self.assertNotIn("was set", "\n".join(direction.document["warnings"]))
        self.assertEqual(self.server.find("clock was set|no longer synchronized"), [])
        for program in self.archives:
            with self.subTest(program):
                self.assertEqual(self.rows(program, "SELECT * FROM clock WHERE step_ns <> 0"), [])
                self.assertEqual(self.rows(program, "SELECT * FROM meter_trouble WHERE clock_steps <> 0"), [])


if __name__ == "__main__":
    vm_case.main()
