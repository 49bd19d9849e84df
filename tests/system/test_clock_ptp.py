#!/usr/bin/env python3
"""The clock against real ptp4l: two of them over veth, with software stamps and free_running, as nobody may
set the clock here. Both look at the same clock, so whatever offset there seems to be was injected.
"""
import os
import signal

import clock_case
import harness
import netns

# pmc's names and values, of a grandmaster with a receiver for satellites whose system clock is on UTC.
TRACEABLE = {"clockClass": 6, "clockAccuracy": "0x21", "offsetScaledLogVariance": "0xffff",
             "currentUtcOffset": 37, "leap61": 0, "leap59": 0, "currentUtcOffsetValid": 1,
             "ptpTimescale": 0, "timeTraceable": 1, "frequencyTraceable": 1, "timeSource": "0x20"}

ASYMMETRY_NS = 1000000

MASTER = "assuming the grand master role"


class Ptp4l:
    """A ptp4l in a namespace; it can be killed and started again."""

    def __init__(self, test, space, ports, socket, port_options=None, **options):
        self.test = test
        self.space = space
        self.socket = socket
        self.path = os.path.join(test.directory(), "ptp4l.conf")
        settings = {"time_stamping": "software", "free_running": 1, "uds_address": socket, "use_syslog": 0,
                    "verbose": 1, "logging_level": 6, "logSyncInterval": -3, "logMinDelayReqInterval": -3,
                    "logAnnounceInterval": -2, **options}
        with open(self.path, "w", encoding="ascii") as file:
            file.write("[global]\n")
            file.writelines("%s %s\n" % setting for setting in settings.items())
            for port in ports:
                file.write("[%s]\n" % port)
                file.writelines("%s %s\n" % setting for setting in (port_options or {}).items())
        self.start()

    def start(self):
        self.process = self.test.daemon(self.space, "ptp4l", "-f", self.path)

    def wait_log(self, pattern, since=0):
        return self.process.wait_log(pattern, since)

    def kill(self):
        """As kill -9: the socket's file stays."""
        self.process.kill()

    def pmc(self, *words):
        client = os.path.join(self.test.directory(), "pmc")
        answer = self.space.run("pmc", "-u", "-b", "0", "-s", self.socket, "-i", client,
                                " ".join(map(str, words)))
        self.test.assertIn("RESPONSE MANAGEMENT", answer)
        return answer

    def announce(self, **changes):
        """What a grandmaster says of itself."""
        settings = {**TRACEABLE, **changes}
        self.pmc("SET GRANDMASTER_SETTINGS_NP", *[word for setting in settings.items() for word in setting])


class Ptp(clock_case.ClockCase):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Veth())
        self.master_socket = os.path.join(self.directory(), "master")
        self.slave_socket = os.path.join(self.directory(), "slave")

    def master(self, **options):
        master = Ptp4l(self, self.net.server, [self.net.interface], self.master_socket, priority1=10,
                       **options)
        master.wait_log(MASTER)
        return master

    def slave(self, **options):
        return Ptp4l(self, self.net.client, [self.net.interface], options.pop("socket", self.slave_socket),
                     slaveOnly=1, **options)

    def pair(self):
        """A traceable master and its slave, and looks at the slave once it is synchronized."""
        master = self.master()
        master.announce()
        slave = self.slave()
        looks = self.watch_slave()
        looks.wait_for(lambda look: look["synchronized"], "synchronized", since=0)
        return master, slave, looks

    def watch_slave(self, settings=""):
        return self.watch(self.net.client, 'ptp "p" { socket = "%s" free_running = yes }' % self.slave_socket,
                          settings)

    def wait_text(self, looks, name, text, **options):
        """Until the source says so; only then nobody is synchronized by it."""
        return looks.wait_source(name, lambda source: text in source["text"], "text %r" % text, **options)

    def assert_contains(self, source, truth):
        low, high = source["offset_ns"] - source["error_ns"], source["offset_ns"] + source["error_ns"]
        self.assertTrue(low <= truth <= high, "%d is not within %d and %d" % (truth, low, high))
        self.assertGreaterEqual(source["bound_ns"], abs(truth))


class Bound(Ptp):
    def test_injected_offset_and_traceability(self):
        """The bound contains an offset that is known; S only once the master is traceable and accurate."""
        master = self.master()
        slave = self.slave(port_options={"delayAsymmetry": ASYMMETRY_NS})
        looks = self.watch(self.net.client,
                           'ptp "p" { socket = "%s" free_running = yes }\n'
                           'ptp "strict" { socket = "%s" }\n'
                           'ptp "astray" { socket = "%s" domain = 3 }' % ((self.slave_socket,) * 3),
                           "holdover = 10ms")
        self.wait_text(looks, "p", "a time of its own (ptpTimescale 0) that is not traceable", since=0)
        look = self.wait_text(looks, "astray", "no answer in domain 3; is it ptp4l's domainNumber, or")
        self.assertEqual(look["sources"]["astray"]["state"], "absent")
        self.assertEqual(look["sources"]["p"]["state"], "doubtful")
        self.assert_contains(look["sources"]["p"], -ASYMMETRY_NS)
        self.assertIn("UNCALIBRATED: not locked yet", look["sources"]["strict"]["text"])
        self.assertIsNone(look["sources"]["strict"]["offset_ns"])

        master.announce(clockAccuracy="0xfe")
        self.wait_text(looks, "p", "does not say how accurate it is; accuracy = TIME states it")
        self.assertEqual([look for look in looks.all() if look["synchronized"]], [])

        master.announce()
        look = looks.wait_for(lambda look: look["synchronized"], "synchronized")
        self.assertEqual(look["source"], "ptp")
        self.assertIn("class 6, within 100 ns", look["sources"]["p"]["text"])
        for look in looks.next(4):
            self.assertEqual(look["sources"]["p"]["state"], "valid")
            self.assertFalse(look["sources"]["p"]["steers"])
            self.assert_contains(look["sources"]["p"], -ASYMMETRY_NS)
            self.assertGreaterEqual(look["bound_ns"], ASYMMETRY_NS)
            # Not much more than there is: the path is one of microseconds.
            self.assertLess(look["bound_ns"], 10 * ASYMMETRY_NS)
            self.assertEqual(look["tai_utc"], 37)

        # Told that its clock is good, a free-running ptp4l says SLAVE; who is not told otherwise believes it.
        slave.pmc("SET SYNCHRONIZATION_UNCERTAIN_NP 0")
        look = looks.wait_state("strict", "valid")
        self.assertIn("SLAVE", look["sources"]["strict"]["text"])
        self.assertTrue(look["sources"]["strict"]["steers"])

        master.announce(timeTraceable=0, currentUtcOffsetValid=0)
        look = looks.wait_for(lambda look: look["sources"]["p"]["state"] != "valid", "not traceable any more")
        self.assertEqual(look["sources"]["p"]["state"], "holdover")

    def test_master_on_tai(self):
        """A master with software stamps that says its time is TAI gives UTC: found to be 37 s off."""
        master = self.master()
        master.announce(ptpTimescale=1)
        self.slave()
        looks = self.watch_slave()
        look = looks.wait_for(lambda look: "that is TAI-UTC: see ptpTimescale" in look["sources"]["p"]["text"],
                                      "is suspected", since=0)
        self.assertEqual((look["sources"]["p"]["state"], look["synchronized"]), ("doubtful", False))
        self.assert_contains(look["sources"]["p"], 37 * 10**9)
        # Who measures a master itself is told so.
        look = self.look(self.net.server, 'ptp "m" { socket = "%s" }' % self.master_socket)
        self.assertIn("port 1 (link0) MASTER: this ptp4l is a master itself", look["sources"]["m"]["text"])
        self.assertFalse(look["synchronized"])


class Trouble(Ptp):
    def test_master_killed(self):
        """The bound grows with age, and beyond the limit nobody vouches any more; the master comes back."""
        master = self.master()
        master.announce()
        self.slave()
        # The limit is then twice what the bound was.
        looks = self.watch_slave("holdover = 1us")
        looks.wait_for(lambda look: look["synchronized"], "synchronized", since=0)
        looks.next(4)
        mark = looks.mark()
        master.kill()
        looks.wait_state("p", "holdover", since=mark)
        look = looks.wait_for(lambda look: not look["synchronized"], "S is off", since=mark)
        grown = [look for look in looks.all(mark) if look["holdover"] and look["synchronized"]]
        self.assertTrue(grown, "no look at the holdover")
        for before, after in zip(grown, grown[1:]):
            self.assertGreater(after["age_ns"], before["age_ns"])
            self.assertGreater(after["bound_ns"], before["bound_ns"])
        self.assertGreater(look["bound_ns"], grown[-1]["bound_ns"])
        self.assertGreater(look["age_ns"], 10**9)
        look = self.wait_text(looks, "p", "LISTENING: it hears no master")
        self.assertFalse(look["synchronized"])

        master.start()
        master.wait_log(MASTER)
        master.announce()
        looks.wait_for(lambda look: look["synchronized"] and look["sources"]["p"]["state"] == "valid",
                       "synchronized again")

    def test_link_down_and_slave_killed(self):
        _, slave, looks = self.pair()
        mark = looks.mark()
        self.net.client.ip("link", "set", self.net.interface, "down")
        look = self.wait_text(looks, "p", "FAULTY: the link is down", since=mark)
        self.assertIn(look["sources"]["p"]["state"], ("holdover", "doubtful"))
        self.net.client.ip("link", "set", self.net.interface, "up")
        looks.wait_state("p", "valid")

        slave.kill()
        self.assertTrue(os.path.exists(self.slave_socket))
        look = self.wait_text(looks, "p", "nothing listens at %s: is ptp4l running?" % self.slave_socket)
        self.assertIn(look["sources"]["p"]["state"], ("holdover", "absent"))
        slave.start()
        looks.wait_state("p", "valid")

        # Stopped in order it takes its socket with it.
        self.stop_daemon(slave.process)
        self.assertFalse(os.path.exists(self.slave_socket))
        self.wait_text(looks, "p", "nothing listens at")
        slave.start()
        looks.wait_state("p", "valid")

        # One that hangs does not answer, and holds nobody up.
        slave.process.signal(signal.SIGSTOP)
        self.wait_text(looks, "p", "no answer in domain 0")
        self.wait_text(looks, "p", "does not read what it is asked (its queue is full): does it hang?")
        slave.process.signal(signal.SIGCONT)
        looks.wait_state("p", "valid")

    def test_boundary_clock(self):
        """Of two ports the one that is a slave counts, whichever it is."""
        third = self.keep(netns.Namespace())
        self.net.client.ip("link", "add", "link1", "type", "veth", "peer", "name", "link1",
                           "netns", third.path)
        for space, address in ((self.net.client, "198.51.100.1/24"), (third, "198.51.100.2/24")):
            space.ip("addr", "add", address, "dev", "link1")
            space.ip("link", "set", "link1", "up")
        master = self.master()
        master.announce()
        Ptp4l(self, self.net.client, ["link1", self.net.interface], self.slave_socket)
        behind = os.path.join(self.directory(), "behind")
        Ptp4l(self, third, ["link1"], behind, slaveOnly=1)
        looks = self.watch_slave("holdover = 1us")
        look = looks.wait_state("p", "valid", since=0)
        self.assertIn("1 step; link0 UNCALIBRATED", look["sources"]["p"]["text"])
        # Behind the boundary clock: a hop more, and its error. Unless that is stated, nobody vouches.
        behind_looks = self.watch(third, 'ptp "far" { socket = "%s" free_running = yes }\n'
                                         'ptp "hop" { socket = "%s" free_running = yes hop_error = 1ms }'
                                  % (behind, behind))
        look = behind_looks.wait_for(lambda look: look["sources"]["far"]["offset_ns"] is not None
                                     and look["sources"]["hop"]["state"] == "valid", "valid", since=0)
        self.assertEqual(look["sources"]["far"]["state"], "doubtful")
        self.assertIn("1 boundary clock on the way, and nobody says what each adds",
                      look["sources"]["far"]["text"])
        self.assertIn("2 steps; link1", look["sources"]["hop"]["text"])
        self.assertGreaterEqual(look["sources"]["hop"]["error_ns"], 1000000)

        master.kill()
        look = self.wait_text(looks, "p", "master itself")
        self.assertIn("port 1 (link1) MASTER", look["sources"]["p"]["text"])
        self.assertIn("port 2 (link0) MASTER", look["sources"]["p"]["text"])


class Privileges(Ptp):
    GROUP = 54321

    def setUp(self):
        super().setUp()
        reason = clock_case.nobody_unavailable()
        if reason:
            self.skipTest(reason)

    def test_unprivileged(self):
        """3.1.1's socket is root's, mode 0660: by group from a setgid directory."""
        master = self.master()
        master.announce()
        shared = self.directory()
        os.chown(shared, 0, self.GROUP)
        os.chmod(shared, 0o2750)
        self.slave_socket = os.path.join(shared, "ptp4l")
        self.slave()
        harness.until(lambda: os.path.exists(self.slave_socket), "ptp4l's socket")
        self.assertEqual(os.stat(self.slave_socket).st_gid, self.GROUP)
        section = 'ptp "p" { socket = "%s" free_running = yes }' % self.slave_socket
        denied = self.watch(self.net.client, section, wrapper=clock_case.as_nobody())
        look = self.wait_text(denied, "p", "%s: permission denied: ptp4l's socket belongs to root" %
                              self.slave_socket, since=0)
        self.assertIn("owamp-clock.conf(5), PRIVILEGES", look["sources"]["p"]["text"])
        self.assertEqual(look["sources"]["p"]["state"], "absent")
        member = self.watch(self.net.client, section, wrapper=clock_case.as_nobody(self.GROUP))
        member.wait_for(lambda look: look["synchronized"], "synchronized", since=0)


if __name__ == "__main__":
    harness.main(harness.missing("ptp4l", "pmc"))
