"""Who may do what: classes, their limits, and refusals that say why."""
import harness
import netns
import owamp

ALICE, BOB, KEYS = harness.ALICE, harness.BOB, harness.KEYS
TO_SERVER, FROM_SERVER = True, False


class Policy(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def serve(self, limits, **options):
        self.server = self.owampd(self.net.server, limits=limits, **options)

    def connect(self, user=None, source=None):
        control = self.keep(owamp.Control(self.space, self.net.v4, source=source))
        self.assertEqual(control.set_up(owamp.ENCRYPTED if user else owamp.OPEN, user, KEYS.get(user)),
                         owamp.OK)
        return control

    def check_refused(self, control, accept, reason, to_server=TO_SERVER, **fields):
        mark = self.server.mark()
        self.assertEqual(control.request(to_server, 5000, **fields)[0], accept)
        self.server.wait_log(r"notice: .*: session refused \(Accept %d\): %s$" % (accept, reason), mark)

    def test_bandwidth(self):
        """8 packets/s of 14 + 118 + 28 octets are 10240 bit/s."""
        self.serve("limit root with bandwidth=20480, max_packet_rate=0\nassign default root\n")
        control = self.connect()
        half = {"slots": [(owamp.FIXED, owamp.SECOND // 8)], "padding": 118}
        self.check_refused(control, owamp.PERMANENT,
                           "class root: bandwidth is limited to 20480 bit/s, the session needs "
                           "20544", slots=half["slots"], padding=279)
        self.assertEqual(control.request(TO_SERVER, 5000, **half)[0], owamp.OK)
        self.assertEqual(control.request(FROM_SERVER, 5000, sid=b"1" * 16, **half)[0], owamp.OK)
        self.check_refused(control, owamp.TEMPORARY,
                           "class root: bandwidth is limited to 20480 bit/s, 20480 are in use, "
                           "the session needs 10240", **half)

    def test_bandwidth_of_ipv6(self):
        """20 octets of header more."""
        self.serve("limit root with bandwidth=10240, max_packet_rate=0\nassign default root\n")
        control = self.keep(owamp.Control(self.space, self.net.v6))
        control.set_up()
        fields = {"slots": [(owamp.FIXED, owamp.SECOND // 8)]}
        self.check_refused(control, owamp.PERMANENT,
                           "class root: bandwidth is limited to 10240 bit/s, the session needs "
                           "10304", padding=99, **fields)
        self.assertEqual(control.request(TO_SERVER, 5000, padding=98, **fields)[0], owamp.OK)

    def test_session_limits(self):
        self.serve("limit root with bandwidth=0, max_packet_rate=100, max_timeout=5, max_duration=60\n"
                   "assign default root\n")
        control = self.connect()
        self.check_refused(control, owamp.PERMANENT,
                           "class root: max_packet_rate is limited to 100 packets/s, the session "
                           "needs 128", slots=[(owamp.FIXED, owamp.SECOND // 128)])
        self.check_refused(control, owamp.PERMANENT,
                           "class root: max_timeout is limited to 5 s, the session needs 6",
                           timeout=5 * owamp.SECOND + 4000000)
        self.check_refused(control, owamp.PERMANENT,
                           "class root: max_duration is limited to 60 s, the session needs 100",
                           packets=100, slots=[(owamp.FIXED, owamp.SECOND)], start=owamp.now())
        self.check_refused(control, owamp.PERMANENT,
                           "class root: max_packet_rate is limited to 100 packets/s, the session "
                           "needs 101", packets=202,
                           slots=[(owamp.FIXED, owamp.SECOND * 10)] + [(owamp.FIXED, 0)] * 100,
                           start=owamp.now())
        self.assertEqual(control.request(TO_SERVER, 5000, timeout=5 * owamp.SECOND)[0], owamp.OK)

    def test_busiest_second(self):
        """Hours of sleep do not pay for a burst."""
        self.serve("limit root with bandwidth=1m, max_packet_rate=0, max_duration=0\nassign default root\n")
        control = self.connect()
        slots = [(owamp.FIXED, 80000 * owamp.SECOND)] + [(owamp.FIXED, 1)] * 999
        self.check_refused(control, owamp.PERMANENT,
                           "class root: bandwidth is limited to 1000000 bit/s, the session needs "
                           "8335999", packets=1000, padding=1000, slots=slots)
        self.assertEqual(control.request(TO_SERVER, 5000, packets=1000, padding=1000, slots=slots[:10])[0],
                         owamp.OK)

    def test_start_time_counts(self):
        """A start in years would hold what is reserved for so long."""
        self.serve("limit root with max_duration=60\nassign default root\n")
        self.check_refused(self.connect(), owamp.PERMANENT,
                           r"class root: max_duration is limited to 60 s, the session "
                           r"needs \d+", start=owamp.now() + 1000 * owamp.SECOND)

    def test_sessions_are_given_back(self):
        """By the end of a measurement, and by the end of a connection that measured nothing."""
        self.serve("limit root with test_sessions=2\nassign default root\n", keys=KEYS)
        key = self.key_options(ALICE)
        for _ in range(2):
            self.assert_served(self.space, self.net.v4)
            # What was received for a user stays stored, and is no session any more.
            self.assert_served(self.space, self.net.v4, *key)
        for user in (None, ALICE, None):
            control = self.connect(user)
            self.assertEqual([control.request(TO_SERVER, 5000)[0] for _ in range(2)], [owamp.OK] * 2)
            self.check_refused(control, owamp.TEMPORARY,
                               "class root: test_sessions is limited to 2 sessions, 2 are in use, "
                               "the session needs 1")
            mark = self.server.mark()
            control.close()
            self.server.wait_log("closed by the peer", mark)

    def test_several_rounds(self):
        """One connection, measurements one after the other: each round gives back what it took."""
        self.serve("limit root with test_sessions=2\nassign default root\n")
        control = self.connect()
        fields = {"packets": 1, "timeout": owamp.SECOND // 10}
        for number in range(4):
            with self.subTest(round=number):
                answers = [control.request(TO_SERVER, 5000, **fields) for _ in range(2)]
                self.assertEqual([accept for accept, _, _ in answers], [owamp.OK] * 2)
                self.assertEqual(control.start(), owamp.OK)
                self.assertEqual(control.read_stop(), (owamp.OK, []))
                control.stop([(sid, 1, []) for _, _, sid in answers])

    def test_disk(self):
        """Results count against the disk of their class, until they are gone."""
        self.serve("limit root with disk=1000000, bandwidth=0\nassign default root\n", keys=KEYS)
        control = self.connect(ALICE)
        mark = self.server.mark()
        self.assertEqual(control.request(TO_SERVER, 5000, packets=1000000)[0], owamp.PERMANENT)
        self.server.wait_log("class root: disk is limited to 1000000 octets, the session needs", mark)
        # What the server sends it does not keep.
        self.assertEqual(control.request(FROM_SERVER, 5000, packets=1000000, sid=b"2" * 16)[0], owamp.OK)

    def test_classes(self):
        """A user's class wins over the network's; each class above must allow the session as well."""
        self.serve("limit root with bandwidth=0, test_sessions=3\n"
                   "limit users with parent=root, test_sessions=2\n"
                   "limit alices with parent=users, test_sessions=1\n"
                   "limit bobs with parent=users, test_sessions=2\n"
                   "limit net with parent=root, test_sessions=1\n"
                   "assign default root\nassign net 127.0.0.8/32 net\n"
                   "assign user alice alices\nassign user bob bobs\n", keys=KEYS)
        alice, bob = self.connect(ALICE, source="127.0.0.8"), self.connect(BOB)
        net, default = self.connect(source="127.0.0.8"), self.connect()
        for name, user in (("alices", "alice"), ("bobs", "bob")):
            self.server.wait_log('encrypted mode, user "%s", class %s$' % (user, name))
        self.server.wait_log(r"127\.0\.0\.8:\d+: unauthenticated mode, class net$")
        self.server.wait_log(r"127\.0\.0\.1:\d+: unauthenticated mode, class root$")
        self.assertEqual(alice.request(TO_SERVER, 5000)[0], owamp.OK)
        self.check_refused(alice, owamp.TEMPORARY,
                           "class alices: test_sessions is limited to 1 sessions, 1 are in use, "
                           "the session needs 1")
        self.assertEqual(bob.request(TO_SERVER, 5000)[0], owamp.OK)
        self.check_refused(bob, owamp.TEMPORARY,
                           "class users: test_sessions is limited to 2 sessions, 2 are in use, the "
                           "session needs 1")
        self.assertEqual(net.request(TO_SERVER, 5000)[0], owamp.OK)
        self.check_refused(default, owamp.TEMPORARY,
                           "class root: test_sessions is limited to 3 sessions, 3 are in use, the "
                           "session needs 1")

    def test_open_mode_off_for_a_network(self):
        self.serve("limit root with bandwidth=0, allow_open_mode=off\n"
                   "limit guests with parent=root, allow_open_mode=on\n"
                   "assign default root\nassign net 127.0.0.8/29 guests\n", keys=KEYS)
        inside, outside = (self.keep(owamp.Control(self.space, self.net.v4, source=source))
                           for source in ("127.0.0.9", "127.0.0.7"))
        self.assertEqual(inside.greeting(), owamp.OPEN | owamp.AUTHENTICATED | owamp.ENCRYPTED)
        self.assertEqual(outside.greeting(), owamp.AUTHENTICATED | owamp.ENCRYPTED)
        self.assertEqual(inside.respond(owamp.OPEN), owamp.OK)
        self.assertEqual(outside.respond(owamp.OPEN), owamp.UNSUPPORTED)
        run = self.owping(self.space, *harness.QUICK, self.net.v4)
        self.assert_status(run, 1)
        self.assertIn("server offers authenticated, encrypted", run.stderr)

    def test_no_mode_at_all(self):
        """Without keys and with open mode off: Modes 0, and the client says what that means."""
        self.serve("limit root with allow_open_mode=off\nassign default root\n")
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.greeting(), 0)
        self.assertTrue(control.closed_by_peer())
        self.server.wait_log("turned away: no mode is allowed for this peer")
        run = self.owping(self.space, *harness.QUICK, self.net.v4)
        self.assert_status(run, 1)

    def test_nobody_is_assigned(self):
        self.serve("limit root with bandwidth=0\n", keys=KEYS)
        control = self.keep(owamp.Control(self.space, self.net.v4))
        control.greeting()
        self.assertNotEqual(control.respond(owamp.ENCRYPTED, ALICE, KEYS[ALICE]), owamp.OK)
        self.server.wait_log('user "alice".*refused: the limits file assigns no class to this peer')

    def test_ports_exhausted(self):
        """Test ports run out: Accept 5, and they come back."""
        self.serve(harness.GENEROUS, conf='test_ports = "9000-9002"\n')
        control = self.connect()
        ports = [control.request(TO_SERVER, 5000)[1] for _ in range(3)]
        self.assertEqual(sorted(ports), [9000, 9001, 9002])
        self.check_refused(control, owamp.TEMPORARY, "test_ports 9000-9002 are all in use")
        mark = self.server.mark()
        control.close()
        self.server.wait_log("closed by the peer", mark)
        self.assert_served(self.space, self.net.v4)

    def test_ports_exhausted_at_the_client(self):
        self.serve(harness.GENEROUS)
        run = self.owping(self.space, *harness.QUICK, "-P", "9000", self.net.v4)
        self.assert_status(run, 1)
        self.assertIn("no free test port from 9000 to 9000", run.stderr)

    def test_sessions_per_connection(self):
        self.serve(harness.GENEROUS, conf="sessions_per_connection_max = 2\n")
        control = self.connect()
        self.assertEqual([control.request(TO_SERVER, 5000)[0] for _ in range(2)], [owamp.OK] * 2)
        self.check_refused(control, owamp.TEMPORARY, "too many sessions on this connection")


if __name__ == "__main__":
    harness.main()
