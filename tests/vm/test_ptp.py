"""ptp4l that really steers the clock, after a grandmaster in another machine.

Two namespaces would have one clock: to steer it after itself shows nothing. The grandmaster's machine also tells
its time to who asks, so that there is a second opinion on how far the two clocks are apart.
"""
import os
import socket
import struct
import time

import vm_case
import clock_case
import harness
import kernel_clock
import netns
from grandmaster_address import ADDRESS, CLIENT, PORT

MILLISECOND = 10**6
SECOND = 10**9

CONFIG = """[global]
time_stamping software
slaveOnly 1
logMinDelayReqInterval -3
summary_interval 1
uds_address {socket}
# The default for software stamps waits for 16 s before it steers; with these it is 1.6 s.
pi_proportional_const 0.1
pi_integral_const 0.01
[eth0]
"""
SOURCES = 'ptp "daemon" {{ socket = "{socket}" }}\nkernel "system" {{ }}'


class Ptp(vm_case.VmCase):
    def setUp(self):
        super().setUp()
        self.space = self.keep(netns.Namespace())
        if not os.path.exists("/sys/class/net/eth0"):
            self.command("modprobe", "virtio_net")
        self.command("ip", "link", "set", "eth0", "netns", self.space.path)
        self.space.ip("addr", "add", CLIENT + "/24", "dev", "eth0")
        self.space.ip("link", "set", "eth0", "up")
        self.client = self.keep(self.space.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM))
        self.client.settimeout(0.2)
        self.client.connect((ADDRESS, PORT))
        harness.until(self.ask, "a time from the grandmaster's machine")

    def ask(self):
        """This clock less the grandmaster's: the least and the most, in ns; None without an answer."""
        question = os.urandom(8)
        try:
            before = time.time_ns()
            self.client.send(question)
            answer = self.client.recv(64)
            after = time.time_ns()
        except OSError:
            return None
        if answer[:8] != question:
            return None
        theirs = struct.unpack(">Q", answer[8:])[0]
        return before - theirs, after - theirs

    def offset(self):
        """As ask(), the best of a few."""
        answers = [answer for answer in (self.ask() for _ in range(20)) if answer]
        self.assertTrue(answers)
        return min(answers, key=lambda answer: answer[1] - answer[0])

    def test_steering(self):
        directory = self.directory()
        files = {"socket": directory + "/socket"}
        path = directory + "/ptp4l.conf"
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(**files))
        kernel_clock.step(2 * SECOND)
        least, most = self.offset()
        looks = self.watch(self.space, SOURCES.format(**files))
        look = looks.next()[0]
        self.assertEqual((look["sources"]["daemon"]["state"], look["synchronized"]), ("absent", False))

        self.daemon(self.space, "ptp4l", "-m", "-q", "-f", path)
        look = looks.wait_for(lambda look: look["steps"] == 1, "ptp4l set the clock", 60)
        # Beside the step it may have corrected the rate meanwhile, and stamps of PTP wait for interrupts.
        self.assertGreater(-look["last_step_ns"], least - 50 * MILLISECOND)
        self.assertLess(-look["last_step_ns"], most + 50 * MILLISECOND)

        look = looks.wait_for(lambda look: look["synchronized"], "synchronized")
        daemon, system = look["sources"]["daemon"], look["sources"]["system"]
        self.assertEqual((look["source"], daemon["state"], daemon["used"], daemon["steers"]),
                         ("ptp", "valid", True, True))
        self.assertEqual(system["state"], "doubtful")
        self.assertRegex(system["text"], "^somebody who tells the kernel no error steers the clock")
        self.assertEqual(look["steered_by"], "ptp4l, phc2sys or the like")
        state = kernel_clock.read()
        self.assertEqual((state.status, state.esterror_us), (kernel_clock.STA_NANO, kernel_clock.UNKNOWN_ERROR))

        for look in looks.next(4):
            least, most = self.offset()
            self.assertTrue(look["synchronized"])
            # At a distance of 0 at best, if the two signs differ.
            apart = max(least, -most, 0)
            self.assertGreaterEqual(look["bound_ns"], apart)
            self.assertLess(look["bound_ns"], 20 * MILLISECOND)
            self.assertLess(apart, 20 * MILLISECOND)
        self.assertEqual(look["steps"], 1)


if __name__ == "__main__":
    vm_case.main(clock_case.harness.missing("ptp4l", "pmc"))
