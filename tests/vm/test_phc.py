"""Hardware clocks as the kernel has them: one that is known to be off, ones that stand still, one for root only."""
import json
import os
import re
import stat
import subprocess
import time

import vm_case
import harness
import kernel_clock
import netns

TAI_UTC = 37
MICROSECOND = 1000
SECOND = 10**9
DEVICE = "/dev/ptp0"


def source(device=DEVICE, accuracy="1us"):
    return 'phc "card" { device = "%s"\n timescale = tai\n accuracy = %s\n }' % (device, accuracy)


def system_less_utc(device=DEVICE):
    """What a reading of the hardware clock between two of the system's says: the least and the most, in ns."""
    fd = os.open(device, os.O_RDONLY)
    try:
        clock = ~fd << 3 | 3
        before = time.time_ns()
        card = time.clock_gettime_ns(clock)
        after = time.time_ns()
    finally:
        os.close(fd)
    utc = card - TAI_UTC * SECOND
    return before - utc, after - utc


class Phc(vm_case.VmCase):
    def setUp(self):
        super().setUp()
        self.space = self.keep(netns.Namespace())
        kernel_clock.set_tai(TAI_UTC)

    def test_offset(self):
        """The card is 200 us ahead of TAI by the system clock: that one is behind UTC."""
        offset_ns = -200 * MICROSECOND
        self.module("owphc", offset_ns=TAI_UTC * SECOND - offset_ns)
        looks = self.watch(self.space, source())
        look = looks.wait_for(lambda look: look["synchronized"], "synchronized")
        card = look["sources"]["card"]
        self.assertEqual((card["source"], card["state"], card["used"], card["steers"]),
                         ("phc", "valid", True, False))
        self.assertEqual((look["source"], look["tai_utc"], look["steered_by"]),
                         ("phc", TAI_UTC, "nobody that is known"))
        self.assertLessEqual(abs(card["offset_ns"] - offset_ns), card["error_ns"])
        self.assertGreater(card["error_ns"], 1 * MICROSECOND)  # its accuracy, and the reading's window
        # Stalls of this machine can be in one reading, but not in all.
        self.assertLess(min(each["sources"]["card"]["error_ns"] for each in looks.next(2)), 100 * MICROSECOND)
        self.assertGreaterEqual(look["bound_ns"], abs(offset_ns))
        least, most = system_less_utc()
        self.assertLessEqual(least, offset_ns)
        self.assertGreaterEqual(most, offset_ns)

    def test_another_rate(self):
        """The system clock falls behind by 80 us each second: the bound holds at each look all the same."""
        self.module("owphc", offset_ns=TAI_UTC * SECOND, rate_ppb=80000)
        looks = self.watch(self.space, source())
        looks.wait_for(lambda look: look["synchronized"], "synchronized")
        for _ in range(4):
            least, most = system_less_utc()  # before the look: since then it only became more
            look = looks.next()[0]
            self.assertTrue(look["synchronized"])
            self.assertLess(least, 0)
            self.assertGreaterEqual(look["bound_ns"], -most)
            self.assertGreater(look["drift_ppb"], 79000)
        self.assertLess(least, -4 * 80 * MICROSECOND)

    def test_tai_unknown(self):
        kernel_clock.set_tai(0)
        self.module("owphc", offset_ns=TAI_UTC * SECOND)
        leap = os.path.join(self.directory(), "leap")
        with open(leap, "w", encoding="ascii") as file:
            file.write("#@\t2303683200\n2272060800\t10\n")  # which expired in 1973
        look = self.look(self.space, source(), settings='leap_file = "%s"' % leap)
        self.assertFalse(look["synchronized"])
        self.assertEqual(look["sources"]["card"]["state"], "doubtful")
        self.assertRegex(look["sources"]["card"]["text"], "^TAI - UTC is not known")

    def check_frozen(self, device):
        look = self.look(self.space, source(device))
        card = look["sources"]["card"]
        self.assertEqual((card["state"], card["used"], look["synchronized"], look["source"]),
                         ("absent", False, False, "none"))
        self.assertEqual(card["text"], "%s: the clock does not advance" % device)

    def test_frozen(self):
        self.module("owphc", offset_ns=TAI_UTC * SECOND, frozen=1)
        self.check_frozen(DEVICE)

    def test_frozen_by_qemu(self):
        """The e1000e of QEMU 7.2: a real driver, and a clock that stands still."""
        self.command("modprobe", "e1000e")
        self.addCleanup(self.command, "rmmod", "e1000e")
        harness.until(lambda: os.path.exists(DEVICE), "a hardware clock of the e1000e")
        before = system_less_utc()[1]
        time.sleep(0.1)
        if system_less_utc()[0] - before < SECOND // 20:
            self.skipTest("this QEMU's e1000e has a clock that advances")
        self.check_frozen(DEVICE)

    def test_freezes(self):
        """In the midst of it: what it said last counts until it is too old, and then nobody vouches."""
        self.module("owphc", offset_ns=TAI_UTC * SECOND)
        looks = self.watch(self.space, source(), settings="holdover = 1us")
        looks.wait_for(lambda look: look["synchronized"], "synchronized")
        self.set_parameter("owphc", "frozen", 1)
        looks.wait_state("card", "holdover")
        look = looks.wait_for(lambda look: not look["synchronized"], "no longer synchronized")
        self.assertIn("%s: the clock does not advance" % DEVICE, look["sources"]["card"]["text"])

    def test_for_root_only(self):
        """owampd's worker has no privileges: its opener has."""
        self.module("owphc", offset_ns=TAI_UTC * SECOND + 200 * MICROSECOND)
        status = os.stat(DEVICE)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, 0))
        directory = self.directory()
        os.chmod(directory, 0o777)
        socket = directory + "/status"
        server = self.owampd(self.space, conf='user = nobody\nstatus_socket = "%s"\nclock {\n%s\n}\n' % (
            socket, source()), limits=harness.GENEROUS)
        os.chmod(server.directory, 0o755)
        self.assertEqual(server.status("Uid"), "65534")
        self.assertNotIn("cap_dac", server.status("CapEff"))
        server.wait_log(r"clock: synchronized: within \S+ us of UTC \(.*\), by card")

        def ask():
            text = self.command(harness.program("owampd"), "--config", server.conf_path, "--clock-status", "--json")
            return json.loads(text)["clock"]

        look = ask()
        card = look["sources"][0]
        self.assertEqual((card["state"], card["used"], look["synchronized"]), ("valid", True, True))
        self.assertLessEqual(abs(card["offset_ns"] + 200 * MICROSECOND), card["error_ns"])
        self.assertEqual(server.find("Permission denied"), [])
        # Without the opener he could not.
        tried = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", DEVICE],
                               capture_output=True, text=True, check=False)
        self.assertTrue(re.search("Permission denied", tried.stderr))


if __name__ == "__main__":
    vm_case.main()
