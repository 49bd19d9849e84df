"""Faults of other implementations, which this one must not have: results that are not theirs, or not all."""
import fakeserver
import harness
import netns
import owamp

ALICE, BOB = harness.ALICE, harness.BOB

# Whoever may delete what was fetched would do so here.
DELETING = """limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, delete_on_fetch=on
limit keeping with parent=root, delete_on_fetch=off
assign default root
assign user alice keeping
assign user bob root
"""


class Results(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def measured_by_alice(self, *arguments):
        run = self.owping(self.space, "-t", "-c", 5, "-i", "0.01f", "-L", 0.2, "-z", 0.1, "-E", 0.05,
                          *self.key_options(ALICE), *arguments, self.net.v4)
        self.assert_status(run, 0)
        return run.document["tests"][0]["sid"]

    def test_4_strangers(self):
        """Knowing the SID is not enough: not in open mode, not for another user."""
        server = self.owampd(self.net.server, limits=DELETING, keys=harness.KEYS)
        sid = self.measured_by_alice()
        refused = r"fetch of %s refused \(Accept 1\): the session belongs to somebody else" % sid
        for arguments in ([], ["-A", "O"], self.key_options(BOB), [*self.key_options(BOB), "-A", "A"]):
            for extra in ([], ["--begin", 0, "--end", 2]):
                mark = server.mark()
                run = self.owfetch(self.space, *arguments, *extra, self.net.v4, sid)
                self.assert_status(run, 1)
                self.assertIn("refused the fetch", run.stderr)
                self.assertEqual(run.document["tests"][0]["summary"]["sent"], 0)
                server.wait_log(refused, mark)
        run = self.owfetch(self.space, "--records", *self.key_options(ALICE), self.net.v4, sid)
        self.assert_status(run, 0)
        self.assertEqual(len(run.document["tests"][0]["records"]), 5)
        self.assert_never_logged(server, "and deleted")

    def test_4_the_answer_tells_nothing(self):
        """To a stranger a session of somebody else is as one that is not there."""
        self.owampd(self.net.server, limits=DELETING, keys=harness.KEYS)
        sid = bytes.fromhex(self.measured_by_alice())
        control = self.keep(owamp.Control(self.space, self.net.v4))
        control.set_up(owamp.ENCRYPTED, BOB, harness.KEYS[BOB])
        self.assertEqual(control.fetch(sid).accept, control.fetch(bytes(16)).accept)

    def test_4_open_sessions_of_another_host(self):
        """Open-mode results belong to the connection's address, and go with the connection."""
        self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.keep(owamp.Control(self.space, "192.0.2.1", source="192.0.2.1"))
        control.set_up()
        udp = control.udp()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=1,
                                            timeout=owamp.interval(0.3))
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        udp.sendto(owamp.PacketKeys(owamp.OPEN, sid).packet(0), ("192.0.2.1", port))
        control.stop([(sid, 1, [])])
        control.read_stop()
        stranger = self.keep(owamp.Control(self.space, "192.0.2.1", source="127.0.0.1"))
        stranger.set_up()
        self.assertEqual(stranger.fetch(sid, 0, 0).accept, owamp.FAILURE)
        self.assertEqual(len(control.fetch(sid).records), 1)

    def test_5_denied_session(self):
        self.owampd(self.net.server, limits="limit root with test_sessions=1\nassign default root\n")
        run = self.owping(self.space, *harness.QUICK, self.net.v4)
        self.assertEqual([test["outcome"] for test in run.document["tests"]], ["complete", "failed"])
        self.assertNotEqual(run.status, 0)
        self.assertEqual(run.document["tests"][1]["accept"], owamp.TEMPORARY)
        self.assertIn("server refused the session: temporary resource limitation", run.stderr)

    def test_5_all_denied(self):
        self.owampd(self.net.server, limits="limit root with bandwidth=1\nassign default root\n")
        run = self.owping(self.space, *harness.QUICK, self.net.v4)
        self.assert_status(run, 1)
        self.assertEqual([test["accept"] for test in run.document["tests"]], [owamp.PERMANENT] * 2)

    def test_5_failed_fetch(self):
        self.owampd(self.net.server, keys=harness.KEYS)
        sid = "0123456789abcdef" * 2
        run = self.owfetch(self.space, *self.key_options(ALICE), self.net.v4, sid)
        self.assert_status(run, 1)
        self.assertIn("the server refused the fetch", run.stderr)

    def test_5_one_of_two_fetches_fails(self):
        self.owampd(self.net.server, keys=harness.KEYS)
        good, bad = self.measured_by_alice(), "0123456789abcdef" * 2
        run = self.owfetch(self.space, *self.key_options(ALICE), self.net.v4, good, bad)
        self.assertNotEqual(run.status, 0)
        self.assertEqual([test["outcome"] for test in run.document["tests"]], ["complete", "failed"])

    def test_5_no_server(self):
        for program, extra in (("owping", []), ("owfetch", ["00" * 16]), ("owup", [])):
            with self.subTest(program=program):
                run = self.run_client(self.space, program, self.net.v4, *extra)
                self.assert_status(run, 1)
                self.assertIn("Connection refused", run.stderr)
                self.assertIsNotNone(run.document["error"])

    def test_5_server_that_goes_away(self):
        """At the greeting, and after the set-up."""
        fake = fakeserver.FakeServer(self.net.server, self.net.v4)
        run = self.owping(self.space, *harness.QUICK, fake.target)
        fake.close()
        self.assert_status(run, 1)
        self.assertIn("the server closed the control connection", run.stderr)

    def test_5_server_killed(self):
        """In the middle of sessions: what is valid is shown, and it is not called complete."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        client = self.start(self.space, "owping", "-c", 200, "-i", "0.05f", "-L", 0.5, "-z", 0.1, self.net.v4)
        server.wait_log("2 sessions started")
        # Three packets of a stranger's session mean that about as many of this one have gone as well.
        self.assert_served(self.space, self.net.v4)
        server.kill()
        run = client.end()
        self.assert_status(run, 1)
        to_server, from_server = run.document["tests"]
        self.assertEqual(to_server["outcome"], "failed")
        self.assertEqual(from_server["outcome"], "partial")
        self.assertGreater(from_server["summary"]["received"], 0)
        self.assertIn("the server closed the control connection", run.stderr)

    def running_session(self):
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(owamp.AUTHENTICATED, ALICE, harness.KEYS[ALICE]), owamp.OK)
        udp = control.udp()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=100,
                                            timeout=owamp.interval(5))
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        maker = owamp.PacketKeys(owamp.AUTHENTICATED, sid, control.keys)
        for seq in range(4):
            udp.sendto(maker.packet(seq), (self.net.v4, port))
        return control, sid

    def test_11_running_session(self):
        """Its owner can have parts of it, which say that it is not finished; the whole is refused."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)
        _, sid = self.running_session()
        other = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(other.set_up(owamp.AUTHENTICATED, ALICE, harness.KEYS[ALICE]), owamp.OK)
        fetched = []

        def all_there():
            fetched[:] = [other.fetch(sid, 0, 98)]
            return len(fetched[0].records) == 4

        harness.until(all_there, "4 records")
        part = fetched[0]
        self.assertEqual((part.accept, part.finished, part.next_seq, part.skips), (owamp.OK, 0, 0, []))
        self.assertEqual([record.seq for record in part.records], [0, 1, 2, 3])
        self.assertEqual([record.seq for record in other.fetch(sid, 1, 2).records], [1, 2])
        self.assertEqual(other.fetch(sid).accept, owamp.TEMPORARY)
        server.wait_log(r"fetch of %s refused \(Accept 5\): the session is still running" % sid.hex())

    def test_11_owfetch(self):
        self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)
        control, sid = self.running_session()
        key = self.key_options(ALICE)
        run = self.owfetch(self.space, *key, self.net.v4, sid.hex())
        self.assert_status(run, 1)
        self.assertIn("temporary resource limitation", run.stderr)
        run = self.owfetch(self.space, *key, "--records", "--begin", 0, "--end", 3, self.net.v4, sid.hex())
        test = run.document["tests"][0]
        self.assertEqual([record["seq"] for record in test["records"]], [0, 1, 2, 3])
        self.assertIsNone(test["next_seq"])
        control.stop([(sid, 4, [])])
        control.read_stop()

    def test_11_finished_early(self):
        """A session that was stopped has finished, with what is known of it."""
        self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)
        control, sid = self.running_session()
        control.stop([(sid, 4, [])])
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        fetched = control.fetch(sid)
        self.assertEqual((fetched.accept, fetched.finished != 0, fetched.next_seq), (owamp.OK, True, 4))
        # Section 3.8: all of it was sent less than Timeout ago.
        self.assertEqual(fetched.records, [])


if __name__ == "__main__":
    harness.main()
