"""Programs that are killed, ended or interrupted in the middle of a measurement."""
import os
import signal

import harness
import netns
import owamp

LONG = ("-c", 600, "-i", "0.05f", "-L", 0.5, "-z", 0.1, "-E", 0.05)
TWO_SESSIONS = "limit root with test_sessions=2\nassign default root\n"
MEGABYTE = 1 << 20


class Killed(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def test_owping_killed(self):
        """The server says why the sessions ended, and gives back all they held."""
        server = self.owampd(self.net.server, limits=TWO_SESSIONS)
        self.assert_served(self.space, self.net.v4)
        server.wait_count("closed by the peer", 1)
        descriptors = server.descriptors()
        victim = self.start(self.space, "owping", *LONG, self.net.v4)
        mark = server.mark()
        server.wait_log("2 sessions started", mark)
        refused = self.owping(self.space, *harness.QUICK, self.net.v4)
        self.assert_status(refused, 1)
        self.assertEqual([test["accept"] for test in refused.document["tests"]], [owamp.TEMPORARY] * 2)
        mark = server.mark()
        victim.process.kill()
        server.wait_log(r"127\.0\.0\.1:\d+: (closed by the peer|Connection reset by peer)", mark)
        server.wait_log(r"session [0-9a-f]{32} broken off: \d+ packets received", mark)
        server.wait_log(r"session [0-9a-f]{32} ended: \d+ of 600 packets sent", mark)
        self.assert_served(self.space, self.net.v4)
        harness.until(lambda: server.descriptors() == descriptors, "descriptors are given back")

    def test_owping_killed_often(self):
        """Nothing adds up: memory after many is that after some."""
        # The address sanitizer keeps what was freed.
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        server = self.owampd(self.net.server, limits=TWO_SESSIONS, wrapper=("env", "ASAN_OPTIONS=" + options))

        def kill_some():
            for _ in range(10):
                mark = server.mark()
                victim = self.start(self.space, "owping", *LONG, self.net.v4)
                server.wait_log("2 sessions started", mark)
                victim.process.kill()
                server.wait_log(r"session [0-9a-f]{32} ended: \d+ of 600 packets sent", mark)
            return server.memory()

        first = kill_some()
        self.assertLess(kill_some() - first, 4 * MEGABYTE)

    def test_others_go_on(self):
        """A measurement beside one whose client is killed loses nothing."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        other = self.start(self.space, "owping", "-c", 50, "-i", "0.02f", "-L", 0.5, "-z", 0.2, self.net.v4)
        server.wait_log("2 sessions started")
        mark = server.mark()
        victim = self.start(self.space, "owping", *LONG, self.net.v4)
        server.wait_log("2 sessions started", mark)
        victim.process.kill()
        run = other.end()
        self.assert_status(run, 0)
        self.assertEqual([test["summary"]["received"] for test in run.document["tests"]], [50, 50])

    def test_authenticated_results_survive(self):
        """What was received of a session whose client was killed can be had in parts, by its owner."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)
        key = self.key_options(harness.ALICE)
        victim = self.start(self.space, "owping", "-t", *LONG, *key, self.net.v4)
        server.wait_log("1 session started")
        # Each engine sends one of its own at its start.
        harness.until(lambda: self.space.datagrams_sent() >= 8, "some packets sent")
        mark = server.mark()
        victim.process.kill()
        sid = server.wait_log("session ([0-9a-f]{32}) broken off: ", mark)[1]
        whole = self.owfetch(self.space, *key, self.net.v4, sid)
        self.assert_status(whole, 1)
        server.wait_log("fetch of %s refused .*did not end normally: only parts can be had" % sid, mark)
        part = self.owfetch(self.space, "--records", "--begin", 0, "--end", 598, *key, self.net.v4, sid)
        records = part.document["tests"][0]["records"]
        self.assertGreaterEqual(len(records), 4)
        self.assertEqual([record["seq"] for record in records], list(range(len(records))))
        self.assertIsNotNone(records[-1]["receive_time_ns"], "ends with what was really received")

    def test_owampd_killed(self):
        """owping ends at once and shows what it has."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        client = self.start(self.space, "owping", *LONG, self.net.v4, json_output=False)
        server.wait_log("2 sessions started")
        harness.until(lambda: self.space.datagrams_sent() >= 20, "some packets sent")
        server.kill()
        run = client.end()
        self.assert_status(run, 1)
        self.assertIn("the server closed the control connection", run.stderr)
        self.assertRegex(run.stdout, r"\n[1-9]\d* sent, 0 lost \(0\.000%\), 0 duplicates\n")
        self.assertRegex(run.stdout, "incomplete: .*the server closed the control connection")

    def test_owampd_ends(self):
        """In order, with sessions running: as after a kill, but it exits with 0 and without a leak."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)
        clients = [self.start(self.space, "owping", *LONG, *key, self.net.v4)
                   for key in ([], self.key_options(harness.ALICE))]
        server.wait_count("2 sessions started", 2)
        harness.until(lambda: self.space.datagrams_sent() >= 20, "some packets sent")
        server.end(self)
        for client in clients:
            run = client.end()
            self.assert_status(run, 1)
            self.assertGreater(run.document["tests"][1]["summary"]["received"], 0)

    def interrupt(self, number, *arguments):
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        client = self.start(self.space, "owping", *LONG, *arguments, self.net.v4,
                            json_output="--json" in arguments)
        server.wait_log("2 sessions started")
        # Both senders have reached packets that are older than the Timeout, so that some are valid.
        harness.until(lambda: self.space.datagrams_sent() >= 40, "some packets sent")
        client.process.signal(number)
        return server, client.end()

    def test_interrupted(self):
        """The sessions are stopped in order; records that Timeout leaves open do not count (section 3.8)."""
        server, run = self.interrupt(signal.SIGINT, "--json", "--records")
        self.assert_status(run, 3)
        self.assertTrue(run.document["interrupted"])
        for test in run.document["tests"]:
            self.assertEqual(test["outcome"], "partial")
            summary = test["summary"]
            self.assertLess(test["next_seq"], 600)
            self.assertGreater(summary["received"], 0)
            self.assertEqual(summary["lost"], 0)
            self.assertEqual(summary["sent"] + summary["unknown"], test["next_seq"])
            seqs = [record["seq"] for record in test["records"]]
            self.assertEqual(seqs, list(range(len(seqs))))
        self.assert_never_logged(server, "broken off|invalid")

    def test_interrupted_text(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                _, run = self.interrupt(number)
                self.assert_status(run, 3)
                self.assertEqual(len([line for line in run.stdout.splitlines() if " sent, 0 lost " in line]),
                                 2)
                self.doCleanups()
                self.setUp()


if __name__ == "__main__":
    harness.main()
