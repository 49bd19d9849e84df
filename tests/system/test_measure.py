"""Measurements in all modes, directions and address families, between two hosts."""
import itertools
import statistics

import harness
import netns
import owamp
import raw

PACKETS = 20
MEAN = owamp.SECOND // 64  # has no rounding in the decimal option
SLOTS = [(owamp.EXPONENTIAL, MEAN)]
OPTIONS = ("-c", PACKETS, "-i", "0.015625e", "-L", 0.5, "-z", 0.3, "-E", 0.1)
DIRECTIONS = {"to_server": ("-t",), "from_server": ("-f",), "both": ()}

# The schedule runs on CLOCK_MONOTONIC mapped to UTC at the start, the stamps are UTC: so far the two may
# drift apart while a session runs.
DRIFT = owamp.interval(0.001)

# Lateness of the server's sender, which the client is not told. Not about speed: a packet with another
# schedule's time is off by far more or early.
LATE = owamp.interval(0.25)


class Measure(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Veth())
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)

    def check_schedule(self, test, path):
        """Send times against the schedule that follows from SID, start and slots."""
        saved = raw.Saved(path)
        self.assertEqual(saved.sid.hex(), test["sid"])
        due = owamp.schedule(saved.sid, saved.start, SLOTS, PACKETS)
        late = [record.send_time - due[record.seq] for record in saved.records if not record.lost]
        health = test["health"]["send"]
        most = owamp.interval(health["lateness_max_ns"] / 1e9) if health else LATE
        self.assertGreaterEqual(min(late), -DRIFT, "sent before its time")
        self.assertLessEqual(max(late), most + DRIFT, "later than the sender's lateness")
        self.assertLess(statistics.median(late), LATE)

    def check_test(self, test, letter, direction):
        self.assertEqual(test["direction"], direction)
        self.assertEqual(test["outcome"], "complete")
        self.assertEqual(test["mode"], owamp.MODE_NAMES[letter])
        self.assertEqual(test["next_seq"], PACKETS)
        self.assertEqual(test["skip_ranges"], [])
        self.assertEqual(sorted(record["seq"] for record in test["records"]), list(range(PACKETS)))
        summary = test["summary"]
        self.assertEqual(
            [summary[key] for key in ("sent", "received", "lost", "skipped", "duplicates", "unknown",
                                      "missing_records")], [PACKETS, PACKETS, 0, 0, 0, 0, 0])
        for record in test["records"]:
            self.assertEqual(record["ttl"], 255)
            self.assertEqual(record["delay_ns"], record["receive_time_ns"] - record["send_time_ns"])
            # One machine, one clock.
            self.assertGreater(record["delay_ns"], 0)

    def check_run(self, run, letter, name, files):
        self.assert_status(run, 0)
        wanted = ["to_server", "from_server"] if name == "both" else [name]
        self.assertEqual(len(run.document["tests"]), len(wanted))
        for test, direction in zip(run.document["tests"], wanted):
            self.check_test(test, letter, direction)
            self.check_schedule(test, files[direction])

    def check_mode(self, letter):
        runs = []
        key = [] if letter == "O" else self.key_options(harness.ALICE)
        for (name, options), address in itertools.product(DIRECTIONS.items(), (self.net.v4, self.net.v6)):
            directory = self.directory()
            files = {each: "%s/%s" % (directory, each) for each in ("to_server", "from_server")}
            save = [] if name == "from_server" else ["-T", files["to_server"]]
            save += [] if name == "to_server" else ["-F", files["from_server"]]
            client = self.start(self.net.client, "owping", "--records", *OPTIONS, *options, *save, *key, "-A",
                                letter,
                                address)
            runs.append((client, name, address, files))
        for client, name, address, files in runs:
            with self.subTest(direction=name, address=address):
                run = client.end()
                self.check_run(run, letter, name, files)
                self.assertEqual(run.document["server"]["address"], address)

    def test_open(self):
        self.check_mode("O")

    def test_authenticated(self):
        self.check_mode("A")

    def test_encrypted(self):
        self.check_mode("E")

    def test_strongest_first(self):
        run = self.owping(self.net.client, *harness.QUICK, *self.key_options(harness.ALICE), self.net.v4)
        self.assert_status(run, 0)
        self.assertEqual(run.document["mode"], "encrypted")

    def test_pairs(self):
        """Slots of both types: exponential pairs of packets, the second with the first."""
        path = self.directory() + "/saved"
        run = self.owping(self.net.client, "-c", 10, "-i", "0.03125e,0f", "-L", 0.5, "-z", 0.2, "-T", path,
                          self.net.v4)
        self.assert_status(run, 0)
        saved = raw.Saved(path)
        due = owamp.schedule(saved.sid, saved.start,
                             [(owamp.EXPONENTIAL, owamp.SECOND // 32), (owamp.FIXED, 0)], 10)
        self.assertEqual(due[0], due[1])
        most = owamp.interval(run.document["tests"][0]["health"]["send"]["lateness_max_ns"] / 1e9)
        for record in saved.records:
            self.assertGreaterEqual(record.send_time - due[record.seq], -DRIFT)
            self.assertLessEqual(record.send_time - due[record.seq], most + DRIFT)

    def test_link_local(self):
        """Addresses that mean nothing without their zone."""
        harness.until(lambda: "tentative" not in self.net.server.ip("addr") + self.net.client.ip("addr"),
                      "addresses")
        address = self.net.server.ip("-br", "-6", "addr", "show", "dev", self.net.interface, "scope", "link")
        target = "%s%%%s" % (address.split()[2].partition("/")[0], self.net.interface)
        for form in (target, "[%s]:861" % target):
            run = self.assert_served(self.net.client, form)
            self.assertEqual(run.document["tests"][1]["summary"]["received"], 3)

    def test_source_and_interface(self):
        self.net.client.ip("addr", "add", "192.0.2.77/24", "dev", self.net.interface)
        run = self.assert_served(self.net.client, self.net.v4, "-S", "192.0.2.77", "-B", self.net.interface)
        self.assertEqual(run.document["tests"][0]["sender"]["address"], "192.0.2.77")
        for arguments in (["-S", "192.0.2.78"], ["-B", "nowhere"]):
            self.assert_status(self.owping(self.net.client, *harness.QUICK, *arguments, self.net.v4), 1)

    def test_wrong_key(self):
        """A wrong passphrase and an unknown user look the same, and nothing is measured."""
        for user, secret in ((harness.ALICE, b"wrong"), ("nobody", b"wrong")):
            with self.subTest(user=user):
                run = self.owping(self.net.client, *harness.QUICK, *self.key_options(user, secret),
                                  self.net.v4)
                self.assert_status(run, 1)
                self.assertIn('refused user "%s" (unknown user or wrong key)' % user, run.stderr)
                self.assertIsNone(run.document["tests"][0]["summary"]["first_ns"])
        self.server.wait_count("refused: unknown KeyID or wrong passphrase", 2)
        self.assert_never_logged(self.server, "session.* started")


if __name__ == "__main__":
    harness.main()
