"""Rules of RFC 4656 for the course of sessions that owping never comes near."""
import harness
import netns
import owamp

ALICE, KEYS = harness.ALICE, harness.KEYS
TO_SERVER, FROM_SERVER = True, False
TIMEOUT = owamp.SECOND // 2


class Rules(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=KEYS)
        self.control = self.keep(owamp.Control(self.net.client, self.net.v4))
        self.assertEqual(self.control.set_up(owamp.AUTHENTICATED, ALICE, KEYS[ALICE]), owamp.OK)
        self.udp = self.control.udp()
        self.port = self.udp.getsockname()[1]

    def send_three(self):
        """A session of which three packets arrive, and are still within their Timeout."""
        accept, port, sid = self.control.request(TO_SERVER, self.port, packets=3, timeout=TIMEOUT,
                                                  start=owamp.now())
        self.assertEqual((accept, self.control.start()), (owamp.OK, owamp.OK))
        maker = owamp.PacketKeys(owamp.AUTHENTICATED, sid, self.control.keys)
        for seq in range(3):
            self.udp.sendto(maker.packet(seq), (self.net.v4, port))
        return sid

    def check_invalid(self, sid):
        self.server.wait_log("session %s invalid: 3 packets received" % sid.hex())
        for limits in (owamp.ALL, (0, 1)):
            self.assertEqual(self.control.fetch(sid, *limits).accept, owamp.FAILURE)

    def test_failure_invalidates(self):
        """Section 3.8: a Stop-Sessions with a non-zero Accept makes all results invalid."""
        sid = self.send_three()
        self.assertEqual(self.control.read_stop()[0], owamp.OK)
        self.control.stop([(sid, 3, [])], accept=owamp.FAILURE)
        self.check_invalid(sid)

    def test_packets_never_sent(self):
        """Section 3.8: more was received than the sender says it sent."""
        sid = self.send_three()
        self.assertEqual(self.control.read_stop()[0], owamp.OK)
        self.control.stop([(sid, 2, [])])
        self.check_invalid(sid)

    def test_skip_ranges_are_handed_on(self):
        """What the sender skipped is told to who fetches."""
        accept, port, sid = self.control.request(TO_SERVER, self.port, packets=6, timeout=TIMEOUT,
                                                  start=owamp.now())
        self.assertEqual((accept, self.control.start()), (owamp.OK, owamp.OK))
        maker = owamp.PacketKeys(owamp.AUTHENTICATED, sid, self.control.keys)
        for seq in (0, 3):
            self.udp.sendto(maker.packet(seq), (self.net.v4, port))
        self.control.read_stop()
        self.control.stop([(sid, 6, [(1, 2), (4, 4)])])
        fetched = self.control.fetch(sid)
        self.assertEqual((fetched.accept, fetched.next_seq, fetched.skips), (owamp.OK, 6, [(1, 2), (4, 4)]))
        self.assertEqual([record.seq for record in fetched.records if not record.lost], [0, 3])
        self.assertIn(5, [record.seq for record in fetched.records if record.lost])

    def test_start_in_the_past(self):
        """Section 4.1: packets too late by more than Timeout are skipped, the others keep to the schedule."""
        start = owamp.now() - 4 * owamp.SECOND
        sid = b"the client's SID"
        accept, _, _ = self.control.request(FROM_SERVER, self.port, sid=sid, packets=5, start=start,
                                            timeout=TIMEOUT,
                                            slots=[(owamp.FIXED, owamp.SECOND)])
        self.assertEqual((accept, self.control.start()), (owamp.OK, owamp.OK))
        accept, sessions = self.control.read_stop()
        self.control.stop()
        self.assertEqual(accept, owamp.OK)
        # Packet n is due n - 3 seconds from now.
        self.assertEqual(sessions, [(sid, 5, [(0, 2)])])
        for number in (3, 4):
            stamp = int.from_bytes(self.udp.recv(100)[16:24], "big")
            self.assertGreaterEqual(stamp, start + (number + 1) * owamp.SECOND - owamp.interval(0.001))
        self.udp.setblocking(False)
        self.assertRaises(BlockingIOError, self.udp.recv, 100)

    def test_early_stop(self):
        """The server's sender stops when the client does, and says how far it came."""
        sid = b"the client's SID"
        accept, _, _ = self.control.request(FROM_SERVER, self.port, sid=sid, packets=1000, start=owamp.now())
        self.assertEqual((accept, self.control.start()), (owamp.OK, owamp.OK))
        for _ in range(5):
            self.udp.recv(100)
        self.control.stop()
        accept, sessions = self.control.read_stop()
        self.assertEqual(accept, owamp.OK)
        (told, next_seq, skips), = sessions
        self.assertEqual((told, skips), (sid, []))
        self.assertGreaterEqual(next_seq, 5)
        self.assertLess(next_seq, 1000)
        self.assertEqual(self.control.request(TO_SERVER, self.port)[0], owamp.OK)

    def test_start_of_nothing(self):
        self.assertEqual(self.control.start(), owamp.OK)
        self.assertEqual(self.control.read_stop(), (owamp.OK, []))
        self.control.stop()
        self.assertEqual(self.control.request(TO_SERVER, self.port)[0], owamp.OK)

    def test_sid_in_use(self):
        """SIDs tell the sessions of a connection apart."""
        sid = b"the client's SID"
        self.assertEqual(self.control.request(FROM_SERVER, self.port, sid=sid)[0], owamp.OK)
        self.assertEqual(self.control.request(FROM_SERVER, self.port, sid=sid)[0], owamp.FAILURE)
        self.server.wait_log("the SID is in use on this connection")
        sid = self.control.request(TO_SERVER, self.port)[2]
        self.assertEqual(self.control.request(FROM_SERVER, self.port, sid=sid)[0], owamp.FAILURE)

    def test_sids(self):
        """Section 3.5: an address, a time, and four octets that cannot be guessed."""
        sids = [self.control.request(TO_SERVER, self.port)[2] for _ in range(20)]
        now = owamp.now()
        for sid in sids:
            stamp = int.from_bytes(sid[4:12], "big")
            self.assertTrue(now - 10 * owamp.SECOND < stamp < now)
        self.assertEqual(len({sid[12:] for sid in sids}), 20)

    def test_start_time_of_the_server(self):
        """The same for each client, section 3.1."""
        other = self.keep(owamp.Control(self.net.client, self.net.v6))
        self.assertEqual(other.set_up(), owamp.OK)
        self.assertEqual(other.server_start, self.control.server_start)
        self.assertTrue(owamp.now() - 60 * owamp.SECOND < other.server_start < owamp.now())


if __name__ == "__main__":
    harness.main()
