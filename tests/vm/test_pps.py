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
PRECISION = 954  # 2^-20 s, in ns


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

    def check_error(self, source, configured_ns):
        """gpsd's precision beside what is configured; a few readings may be off by as much again."""
        least = configured_ns + PRECISION
        self.assertGreaterEqual(source["error_ns"], least)
        self.assertLessEqual(source["error_ns"], 2 * least)

    def test_offset(self):
        """The clock says 1.5 ms at each pulse; then the pulses end."""
        look = self.start("serial_error = 200ms", offset_ns=1500 * MICROSECOND)
        for look in [look] + self.looks.next(3):
            receiver = look["sources"]["receiver"]
            self.assertEqual(receiver["offset_ns"], 1500 * MICROSECOND)
            self.check_error(receiver, 20 * MICROSECOND)
            self.assertGreaterEqual(look["bound_ns"], 1500 * MICROSECOND + receiver["error_ns"])
            # An age of a second or two, and what the oscillator may have done meanwhile.
            self.assertLess(look["bound_ns"], 2500 * MICROSECOND)
        self.set_parameter("owpps", "silent", 1)
        look = self.looks.wait_source("receiver", lambda source: source["source"] == "gps-serial"
                                      and source["state"] == "valid", "without pulses", seconds=60)
        # The serial line alone knows far less.
        self.assertGreaterEqual(look["sources"]["receiver"]["error_ns"], 200 * MILLISECOND)

    def test_jitter(self):
        """Each pulse 700 us behind, or up to 300 us from that; then nobody says that pulses are UTC's."""
        look = self.start("pps_error = 400us", offset_ns=-700 * MICROSECOND, jitter_ns=300 * MICROSECOND)
        offsets = []
        for look in [look] + self.looks.next(4):
            receiver = look["sources"]["receiver"]
            self.assertLessEqual(abs(receiver["offset_ns"] + 700 * MICROSECOND), 300 * MICROSECOND)
            self.assertGreater(receiver["error_ns"], 400 * MICROSECOND)
            self.assertGreaterEqual(look["bound_ns"], -receiver["offset_ns"] + 400 * MICROSECOND)
            offsets.append(receiver["offset_ns"])
        self.assertGreater(len(set(offsets)), 1)
        self.receiver.says = "no fix"
        self.looks.wait_source("receiver", lambda source: source["state"] != "valid", "no fix")


if __name__ == "__main__":
    vm_case.main(clock_case.harness.missing("gpsd"))
