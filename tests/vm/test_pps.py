"""A kernel PPS through a real gpsd, beside a receiver on a pseudo-terminal: pulses that are off by a known time.

The module stamps its pulses as a capture unit would, so that no latency of this machine is in them. What the
receiver on the terminal says only tells gpsd which second a pulse begins.
"""
import vm_case
import clock_case
import netns
from test_clock_gps import Terminal

PORT = 2947
DEVICE = "/dev/pps0"
MICROSECOND = 1000
MILLISECOND = 10**6


class Pps(vm_case.VmCase):
    def start(self, settings="", **parameters):
        self.space = self.keep(netns.Namespace())
        self.module("owpps", **parameters)
        self.receiver = self.keep(Terminal())
        self.daemon(self.space, "gpsd", "-N", "-n", "-S", PORT, self.receiver.device, DEVICE)
        self.looks = self.watch(self.space, 'gps "receiver" { port = %d\n%s\n}' % (PORT, settings))
        look = self.looks.wait_for(lambda look: look["synchronized"] and look["source"] == "gps-pps", "pulses count")
        receiver = look["sources"]["receiver"]
        self.assertEqual((receiver["source"], receiver["state"], receiver["used"], receiver["steers"]),
                         ("gps-pps", "valid", True, False))
        return look

    def check_offset(self, offset_ns):
        """Pulses are exactly so far off; the error is gpsd's precision and the latency that is configured."""
        look = self.start(offset_ns=offset_ns)
        for look in [look] + self.looks.next(3):
            receiver = look["sources"]["receiver"]
            self.assertEqual(receiver["offset_ns"], offset_ns)
            self.assertGreater(receiver["error_ns"], 20 * MICROSECOND)
            self.assertLess(receiver["error_ns"], 25 * MICROSECOND)
            self.assertGreaterEqual(look["bound_ns"], abs(offset_ns) + receiver["error_ns"])
            # An age of a second or two, and what the oscillator may have done meanwhile.
            self.assertLess(look["bound_ns"], abs(offset_ns) + MILLISECOND)

    def test_ahead(self):
        """The clock says 1.5 ms at each pulse."""
        self.check_offset(1500 * MICROSECOND)

    def test_behind(self):
        self.check_offset(-700 * MICROSECOND)

    def test_jitter(self):
        """Each pulse up to 300 us off at random: the bound has room for those that are the furthest."""
        self.start(offset_ns=0, jitter_ns=300 * MICROSECOND)
        offsets = []
        for look in self.looks.next(6):
            offsets.append(look["sources"]["receiver"]["offset_ns"])
            self.assertLessEqual(abs(offsets[-1]), 300 * MICROSECOND)
            self.assertGreaterEqual(look["bound_ns"], abs(offsets[-1]))
        self.assertGreater(len(set(offsets)), 2)

    def test_configured_latency(self):
        look = self.start("pps_error = 400us", offset_ns=100 * MICROSECOND)
        self.assertGreater(look["sources"]["receiver"]["error_ns"], 400 * MICROSECOND)
        self.assertLess(look["sources"]["receiver"]["error_ns"], 405 * MICROSECOND)

    def test_pulses_end(self):
        """Then only the serial line is left, which knows far less."""
        self.start("serial_error = 200ms", offset_ns=1500 * MICROSECOND)
        self.set_parameter("owpps", "silent", 1)
        look = self.looks.wait_source("receiver", lambda source: source["source"] == "gps-serial"
                                      and source["state"] == "valid", "without pulses", seconds=60)
        self.assertGreaterEqual(look["sources"]["receiver"]["error_ns"], 200 * MILLISECOND)

    def test_pulses_without_fix(self):
        """A pulse is worth nothing if nobody says that it is UTC's."""
        self.start(offset_ns=1500 * MICROSECOND)
        self.receiver.says = "no fix"
        look = self.looks.wait_source("receiver", lambda source: source["state"] in ("holdover", "doubtful"),
                                      "no fix")
        self.assertNotEqual(look["sources"]["receiver"]["state"], "valid")


if __name__ == "__main__":
    vm_case.main(clock_case.harness.missing("gpsd"))
