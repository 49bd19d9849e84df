"""The source "chrony" with real chronyds that leave the clock alone (-x): a server, and a client of it."""
import os
import time

import clock_case
import harness
import netns

# Polls four times a second; the server is believed as long as it lives, and a few polls more.
CLIENT = """server %s iburst minpoll -2 maxpoll -2
port 0
"""
SERVER = """local stratum 1
allow
cmdport 0
"""

# To be heard, to measure a few times, to be given up.
SECONDS = 30


class Tracking:
    """What chronyc itself says, in ns: its bound, worked out from decimal text."""

    def __init__(self, space, *options):
        fields = space.run("chronyc", "-n", "-c", *options, "tracking").strip().split(",")
        (self.ref_id, self.address, self.stratum, self.ref_time, correction, _, _, freq, residual, skew,
         delay, dispersion, _, self.leap) = fields
        # Positive: the clock is slow.
        self.offset = -float(correction) * 1e9
        self.error = (float(delay) / 2 + float(dispersion)) * 1e9
        # Each is printed with 3 digits of a ppm, the others with 9 of a second.
        self.growth = (abs(float(residual)) + float(skew) + 0.002 + 1) * 1e3
        self.gain = abs(float(freq)) * 1e3 + 1
        self.bound = abs(self.offset) + self.error


class Case(clock_case.ClockCase):
    def setUp(self):
        super().setUp()
        self.pair = self.keep(netns.Veth())

    def chronyd(self, space, config, name):
        """In the foreground, with a socket of its own; returns the process."""
        directory = self.directory()
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "chrony.conf")
        if "bindcmdaddress /" not in config:
            config += "bindcmdaddress /\n"
        with open(path, "w", encoding="ascii") as file:
            file.write(config + "pidfile %s/chronyd.pid\n" % directory)
        return self.daemon(space, "chronyd", "-x", "-d", "-u", "root", "-f", path, name=name)

    def server(self):
        return self.chronyd(self.pair.server, SERVER, "chronyd (server)")

    def client(self, more=""):
        return self.chronyd(self.pair.client, CLIENT % self.pair.v4 + more, "chronyd (client)")

    def follow(self, settings=""):
        """A pair, and looks of it from when the source is valid on."""
        server, client = self.server(), self.client()
        looks = self.watch(self.pair.client, 'chrony "c" { }', settings)
        looks.wait_state("c", "valid", seconds=SECONDS)
        return server, client, looks


class BoundTest(Case):
    """Acceptance c: bound = |correction| + root delay / 2 + root dispersion."""

    def assert_between(self, source, before, after):
        """A look between two of chronyc's: nothing of chronyd's changes by more than it says itself."""
        # How long the looks are apart is not known, but nothing of chronyd's moves but for a new measurement.
        self.assertEqual(before.ref_time, after.ref_time)
        slack = 2  # ns, of decimal text
        self.assertGreaterEqual(source["error_ns"], before.error - slack)
        self.assertLessEqual(source["error_ns"], after.error + slack + 3)
        low, high = sorted((before.offset, after.offset))
        self.assertGreaterEqual(source["offset_ns"], low - slack)
        self.assertLessEqual(source["offset_ns"], high + slack)

    def test_same_as_chronyc(self):
        server, _, looks = self.follow()
        # A dead server's measurements stand still, so that chronyc and the source can be compared.
        server.kill()
        looks.next(2)
        before = Tracking(self.pair.client)
        # The first look may have been taken before chronyc was asked: the one after it was not.
        looks.next()
        source = looks.next()[0]["sources"]["c"]
        after = Tracking(self.pair.client)
        self.assert_between(source, before, after)
        self.assertEqual((before.address, before.stratum, before.leap), (self.pair.v4, "2", "Normal"))
        self.assertEqual(source["state"], "valid")
        self.assertRegex(source["text"], r"chronyd, of %s, stratum 2, last measured \d+ s ago" % self.pair.v4)
        # All that its dispersion grows by; and the clock, which nobody steers, gains what chronyd says.
        self.assertGreaterEqual(source["drift_ppb"], after.growth - 4)
        self.assertLessEqual(source["drift_ppb"], after.growth + after.gain + 20)
        # The bound now: the two figures and what came with the age.
        drift = source["drift_ppb"] * source["age_ns"] / 1e9
        total = abs(source["offset_ns"]) + source["error_ns"]
        self.assertGreaterEqual(source["bound_ns"], total)
        self.assertLessEqual(source["bound_ns"], total + drift + 10000)
        self.assertFalse(source["steers"])

    def test_used(self):
        _, _, looks = self.follow()
        look = looks.wait_for(lambda look: look["synchronized"], "synchronized")
        self.assertEqual(look["source"], "chrony")
        self.assertTrue(look["sources"]["c"]["used"])
        # Two hosts of one clock: what chronyd says of it must contain that it is exactly right.
        for look in looks.next(5):
            self.assertGreaterEqual(look["bound_ns"], abs(look["sources"]["c"]["offset_ns"]))


class AsymmetryTest(Case):
    """A path that is slower on the way back: what NTP cannot see, half the root delay has to cover."""

    DELAY = 0.004

    def setUp(self):
        reason = netns.wire_unavailable()
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.pair = self.keep(netns.Wire())

    def slow(self, packet):
        time.sleep(self.DELAY)
        return [packet]

    def test_contained(self):
        self.pair.to_client = self.slow
        _, _, looks = self.follow()
        half = self.DELAY / 2 * 1e9
        # Both have the same clock. The answers come late, so that the client takes itself for ahead, by half.
        look = looks.wait_source("c", lambda source: abs(source["offset_ns"] - half) < half / 2 and
                                 source["error_ns"] < 2 * half, "off by half the delay", seconds=SECONDS)
        source = look["sources"]["c"]
        # Half of all the delay, and that is more than what was put in; the truth, 0, is within.
        self.assertGreater(source["error_ns"], half)
        self.assertGreaterEqual(source["error_ns"], source["offset_ns"])
        # It is the path, not the dispersion, that makes the bound.
        self.assertLess(source["error_ns"], 2 * half)


class ServerTest(Case):
    def test_server_killed(self):
        server, _, looks = self.follow()
        server.kill()
        self.pair.client.run("chronyc", "-n", "tracking")
        first = looks.next(2)[-1]["sources"]["c"]
        # chronyd gives it up after 8 polls, and says Normal for ever; the bound grows, and the text says why.
        later = looks.wait_source("c", lambda source: "last measured 6 s ago" in source["text"], "old",
                                  seconds=SECONDS)["sources"]["c"]
        self.assertEqual(later["state"], "valid")
        self.assertEqual(Tracking(self.pair.client).leap, "Normal")
        errors = [look["sources"]["c"]["error_ns"] for look in looks.next(3)]
        self.assertEqual(errors, sorted(errors))
        self.assertGreater(errors[-1] - later["error_ns"], 2 * 1000)
        self.assertGreater(later["error_ns"], first["error_ns"])

    def test_server_never_there(self):
        self.client()
        looks = self.watch(self.pair.client, 'chrony "c" { }')
        source = looks.wait_state("c", "doubtful")["sources"]["c"]
        self.assertRegex(source["text"], "chronyd is not synchronized: none of its servers answers")
        self.assertFalse(looks.next()[0]["synchronized"])

    def test_own_clock(self):
        self.client("local stratum 3\n")
        look = self.watch(self.pair.client, 'chrony "c" { }').wait_state("c", "doubtful")
        self.assertIn("serves this host's own clock", look["sources"]["c"]["text"])
        self.assertFalse(look["synchronized"])


class ChronydTest(Case):
    NOTHING = r"nothing answers at 127\.0\.0\.1:323: is chronyd running, its cmdport not 0\?"

    def test_killed_and_back(self):
        _, client, looks = self.follow("holdover = 500ms")
        looks.wait_for(lambda look: look["synchronized"], "synchronized")
        client.kill()
        # What it said last counts, and grows old.
        look = looks.wait_state("c", "holdover", seconds=SECONDS)
        self.assertRegex(look["sources"]["c"]["text"], self.NOTHING)
        self.assertTrue(look["synchronized"])
        bounds = [look["bound_ns"] for look in looks.next(3)]
        self.assertEqual(bounds, sorted(set(bounds)))
        self.client()
        look = looks.wait_for(lambda look: look["sources"]["c"]["state"] == "valid" and look["synchronized"],
                              "valid again", seconds=SECONDS)
        self.assertEqual(look["source"], "chrony")
        self.assertFalse(look["holdover"])

    def test_never_there(self):
        looks = self.watch(self.pair.client, 'chrony "c" { }')
        source = looks.next()[0]["sources"]["c"]
        self.assertEqual(source["state"], "absent")
        self.assertRegex(source["text"], self.NOTHING)

    def test_no_command_port(self):
        self.server()
        client = self.client("cmdport 0\n")
        client.wait_log("Selected source", timeout=SECONDS)
        looks = self.watch(self.pair.client, 'chrony "c" { }')
        source = looks.next()[0]["sources"]["c"]
        self.assertEqual(source["state"], "absent")
        self.assertRegex(source["text"], self.NOTHING)

    def test_not_allowed(self):
        """Asked from an address that it does not allow, chronyd says nothing at all."""
        self.chronyd(self.pair.server, SERVER.replace("cmdport 0", "bindcmdaddress 0.0.0.0"), "chronyd")
        looks = self.watch(self.pair.client, 'chrony "c" { host = "%s" }' % self.pair.v4)
        source = looks.wait_source("c", lambda source: "no answer" in source["text"], "no answer",
                                   since=0)["sources"]["c"]
        self.assertEqual(source["state"], "absent")
        self.assertEqual(source["text"], "no answer from %s:323 in 100 ms: chronyd is busy, or cmddeny or a "
                         "firewall forbids it" % self.pair.v4)

    def test_another_port(self):
        self.server()
        self.client("cmdport 3323\n")
        looks = self.watch(self.pair.client, 'chrony "c" { port = 3323 }')
        looks.wait_state("c", "valid", seconds=SECONDS)
        looks = self.watch(self.pair.client, 'chrony "c" { host = "::1" port = 3323 }')
        looks.wait_state("c", "valid", seconds=SECONDS)


class UnixSocketTest(Case):
    def start_client(self):
        directory = self.directory()
        run = os.path.join(directory, "run")
        os.chmod(directory, 0o755)
        path = os.path.join(run, "chronyd.sock")
        # chronyd makes the folder, for itself and its group only.
        return self.client("cmdport 0\nbindcmdaddress %s\n" % path), path

    def test_socket(self):
        self.server()
        client, path = self.start_client()
        harness.until(lambda: os.path.exists(path), "chronyd's socket")
        looks = self.watch(self.pair.client, 'chrony "c" { socket = "%s" }' % path)
        looks.wait_state("c", "valid", seconds=SECONDS)
        names = os.listdir(os.path.dirname(path))
        self.assertEqual(len(names), 2, names)
        # It goes, and comes back; a name that nobody answers to is not left behind.
        client.kill()
        looks.wait_source("c", lambda source: "Connection refused" in source["text"], "refused")
        looks.stop()
        self.assertEqual(os.listdir(os.path.dirname(path)), ["chronyd.sock"])

    def test_unprivileged(self):
        """The folder is chronyd's alone; the text says so, and what to do."""
        reason = clock_case.nobody_unavailable()
        if reason:
            self.skipTest(reason)
        _, path = self.start_client()
        harness.until(lambda: os.path.exists(path), "chronyd's socket")
        looks = self.watch(self.pair.client, 'chrony "c" { socket = "%s" }' % path,
                           wrapper=clock_case.as_nobody())
        source = looks.next()[0]["sources"]["c"]
        self.assertEqual(source["state"], "absent")
        self.assertIn("Permission denied: only root and chronyd's user may; set host and port instead",
                      source["text"])

    def test_unprivileged_udp(self):
        reason = clock_case.nobody_unavailable()
        if reason:
            self.skipTest(reason)
        self.server()
        self.client()
        looks = self.watch(self.pair.client, 'chrony "c" { }', wrapper=clock_case.as_nobody())
        looks.wait_state("c", "valid", seconds=SECONDS)


if __name__ == "__main__":
    harness.main(harness.missing("chronyd", "chronyc"))
