"""Clients that are slow, many, or talk nonsense: the server serves others, and says why it sent them away."""
import os
import struct
import time

import harness
import netns
import owamp

MEGABYTE = 1 << 20

# From one address as many as from many.
MANY = """connections_max = 2000
handshakes_max = 2000
connections_per_address_max = 2000
handshake_timeout = 1h
"""


class Hostile(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def measured(self, conf):
        """A server whose memory is what it uses: the sanitizer does not hold back what was freed."""
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        return self.owampd(self.net.server, conf=conf, wrapper=("env", "ASAN_OPTIONS=" + options))

    def connect(self, source=None):
        return self.keep(owamp.Control(self.space, self.net.v4, source=source))

    def established(self, mode=owamp.OPEN, user=None):
        control = self.connect()
        self.assertEqual(control.set_up(mode, user, harness.KEYS.get(user)), owamp.OK)
        return control

    def trickle(self, control, octets, server, reason):
        """One octet after the other, each well within the time limit, until the server has enough."""
        mark = server.mark()
        begin = time.monotonic()
        sent = 0
        for octet in octets:
            if server.find(reason, mark):
                break
            try:
                control.socket.send(bytes([octet]))
            except OSError:
                break
            sent += 1
            time.sleep(0.2)
        server.wait_log(reason, mark)
        self.assertTrue(control.closed_by_peer())
        self.assertGreater(sent, 1)
        self.assertLess(sent, len(octets))
        return time.monotonic() - begin

    def test_slow_set_up(self):
        """164 octets at five a second would take half a minute; handshake_timeout is for the whole."""
        server = self.owampd(self.net.server, conf="handshake_timeout = 1s\n")
        control = self.connect()
        control.greeting()
        took = self.trickle(control, bytes(3) + b"\x01" + bytes(160), server,
                            "no complete Set-Up-Response within handshake_timeout")
        self.assertGreaterEqual(took, 0.9)
        self.assert_served(self.space, self.net.v4)

    def test_slow_command(self):
        server = self.owampd(self.net.server, conf="handshake_timeout = 1s\n")
        head, _ = owamp.request_session(True, self.net.v4, self.net.v4, 5000)
        self.trickle(self.established(), head, server, "an incomplete message, and no more of it in time")
        self.assert_served(self.space, self.net.v4)

    def test_silent(self):
        server = self.owampd(self.net.server, conf="handshake_timeout = 1s\ncontrol_timeout = 1s\n")
        silent, idle = self.connect(), self.established()
        for reason in ("no complete Set-Up-Response within handshake_timeout", "idle for control_timeout"):
            server.wait_log(reason)
        self.assertTrue(silent.closed_by_peer())
        self.assertTrue(idle.closed_by_peer())

    def idle_connections(self, server, count):
        """Half of them set up, half of them not; then all closed."""
        before = server.descriptors()
        controls = [owamp.Control(self.space, self.net.v4) for _ in range(count)]
        for number, control in enumerate(controls):
            control.greeting()
            if number % 2:
                self.assertEqual(control.respond(owamp.OPEN), owamp.OK)
        self.assertGreaterEqual(server.descriptors(), before + count)
        self.assert_served(self.space, self.net.v4)
        for control in controls:
            control.close()
        harness.until(lambda: server.descriptors() <= before, "descriptors are given back")
        return server.memory()

    def test_500_idle(self):
        server = self.measured(MANY)
        empty = server.memory()
        first = self.idle_connections(server, 500)
        self.assertLess(first - empty, 500 * 32768, "memory of a connection")
        self.assertLess(self.idle_connections(server, 500) - first, 4 * MEGABYTE, "memory is not given back")
        self.assertEqual(server.children(), [])

    def test_500_idle_of_one_address(self):
        """By default one address cannot take all connections."""
        server = self.owampd(self.net.server)
        controls = [self.connect("127.0.0.2") for _ in range(500)]
        offered = [control.greeting() for control in controls]
        self.assertEqual(sum(modes != 0 for modes in offered), 50)
        self.assertEqual(offered[:50], [owamp.OPEN] * 50)
        server.wait_log(r"127\.0\.0\.2:\d+: turned away: connections_per_address_max is reached")
        self.assert_served(self.space, self.net.v4)

    def test_idle_of_many_addresses(self):
        """Nor can those who never authenticate; who was there before is not disturbed."""
        server = self.owampd(self.net.server, conf="handshake_timeout = 1h\n")
        other = self.established()
        controls = [self.connect("127.0.1.%d" % number) for number in range(1, 121)]
        self.assertEqual(sum(control.greeting() != 0 for control in controls), 100)
        server.wait_log("turned away: handshakes_max connections have not authenticated yet")
        self.assertEqual(other.request(True, 5000)[0], owamp.OK)
        mark = server.mark()
        for control in controls:
            control.close()
        server.wait_count("closed by the peer", 100, mark)
        self.assert_served(self.space, self.net.v4)

    def send_and_see(self, server, control, octets, reason):
        """The server logs the reason and closes."""
        mark = server.mark()
        try:
            control.socket.sendall(octets)
        except OSError:
            pass
        server.wait_log(reason, mark)
        self.assertTrue(control.closed_by_peer())

    def test_garbage_in_set_up(self):
        server = self.owampd(self.net.server, keys=harness.KEYS)
        cases = (
            (b"\xff" * 164, "the client chose more than one mode|IKEv2-derived keys, which were not offered"),
            (bytes(164), "the client chose no mode and goes away"),
            (b"GET / HTTP/1.1\r\nHost: owamp\r\n\r\n".ljust(164),
             "the client chose .*, which was not offered|no mode"),
            (struct.pack(">I80s80s", 4, b"\xff\xfe", b""), "KeyID is not 1 to 80 octets of UTF-8"),
            (struct.pack(">I80s80s", 4, b"a\0b", b""), "KeyID is not 1 to 80 octets of UTF-8"),
            (struct.pack(">I80s80s", 4, b"", b""), "KeyID is not 1 to 80 octets of UTF-8"),
            (struct.pack(">I80s", 2, b"alice") + os.urandom(80),
             "refused: unknown KeyID or wrong passphrase"),
            (struct.pack(">I80s", 2, b"%s%n\x1b[31m") + os.urandom(80), "refused|KeyID"),
        )
        for octets, reason in cases:
            with self.subTest(octets=octets[:40]):
                control = self.connect()
                control.greeting()
                self.send_and_see(server, control, octets, reason)
        self.assertNotIn("\x1b", server.log())
        self.assert_served(self.space, self.net.v4)

    def test_truncated(self):
        """Ends in the middle of every message, at every length that matters."""
        server = self.owampd(self.net.server)
        head, body = owamp.request_session(True, self.net.v4, self.net.v4, 5000)
        request = head + bytes(16) + body + bytes(16)
        fetch = struct.pack(">B47x", 4)
        count = 0
        for message in (request, fetch, struct.pack(">B31x", 2)):
            for size in {1, 15, 16, 17, 31, len(message) - 17, len(message) - 1}:
                control = self.established()
                control.socket.sendall(message[:size])
                control.close()
                count += 1
        for size in (1, 3, 4, 83, 163):
            control = self.connect()
            control.greeting()
            control.socket.sendall((struct.pack(">I", 1) + bytes(160))[:size])
            control.close()
            count += 1
        server.wait_count("closed by the peer|reset by peer", count)
        self.assert_served(self.space, self.net.v4)

    def test_garbage_commands(self):
        server = self.owampd(self.net.server, keys=harness.KEYS)
        cases = (
            (struct.pack(">B31x", 0), "unknown command 0"),
            (struct.pack(">B31x", 99), "unknown command 99"),
            (b"\xff" * 4096, "unknown command 255"),
            (struct.pack(">B31x", 3), "Stop-Sessions while no measurement is active"),
        )
        for octets, reason in cases:
            with self.subTest(reason=reason):
                self.send_and_see(server, self.established(), octets, reason)
        # The same under encryption: noise has a wrong HMAC, or is no command at all.
        for mode in (owamp.AUTHENTICATED, owamp.ENCRYPTED):
            with self.subTest(mode=mode):
                self.send_and_see(server, self.established(mode, harness.ALICE), os.urandom(4096),
                                  "HMAC of a message does not match|unknown command|Stop-Sessions while no measurement")
        self.assert_served(self.space, self.net.v4)

    def test_wrong_hmac(self):
        server = self.owampd(self.net.server, keys=harness.KEYS)
        control = self.established(owamp.AUTHENTICATED, harness.ALICE)
        control.keys = (control.keys[0], bytes(32))
        mark = server.mark()
        try:
            control.send_request(True, 5000)
        except OSError:
            pass  # closed after the first of its two HMACs
        server.wait_log(r'warning: .* \(user "alice"\): .*HMAC of a message does not match', mark)
        self.assertTrue(control.closed_by_peer())
        self.assert_served(self.space, self.net.v4)

    def test_oversized_request(self):
        """4 billion schedule slots: neither memory for them, nor a wait for them all."""
        server = self.measured("handshake_timeout = 1s\ncontrol_timeout = 2s\n")
        before = server.memory()
        control = self.established()
        mark = server.mark()
        control.send_request(True, 5000, slot_count=0xFFFFFFFF)
        chunk = bytes(MEGABYTE)
        for _ in range(16):
            control.socket.sendall(chunk)
        self.assertLess(server.memory() - before, 8 * MEGABYTE)
        server.wait_log("no more of it in time|idle for control_timeout", mark)
        self.assertTrue(control.closed_by_peer())
        self.assert_served(self.space, self.net.v4)

    def test_too_many_slots(self):
        """Refused in order: the connection goes on."""
        server = self.owampd(self.net.server)
        control = self.established()
        slots = [(owamp.FIXED, owamp.SECOND)] * 1025
        self.assertEqual(control.request(True, 5000, slots=slots)[0], owamp.PERMANENT)
        server.wait_log(r"session refused \(Accept 4\): 1025 schedule slots asked for, limit 1024")
        self.assertEqual(control.request(True, 5000, slots=slots[:1024])[0], owamp.OK)

    def test_oversized_stop(self):
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        cases = (
            # Number of Sessions; then of one session: SID, Next Seqno, Number of Skip Ranges.
            (0xFFFFFFFF, None), (2, None), (0, None),
            (1, (10, 0xFFFFFFFF)), (1, (10, 1 << 20)), (1, (11, 0)), (1, (0xFFFFFFFF, 0)),
        )
        for count, session in cases:
            with self.subTest(count=count, session=session):
                before = server.memory()
                control = self.established()
                accept, _, sid = control.request(True, 5000, packets=10)
                self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
                message = struct.pack(">BBxxI8x", 3, 0, count)
                if session:
                    message += struct.pack(">16sII8x", sid, *session)
                self.send_and_see(server, control, message + bytes(MEGABYTE), "Stop-Sessions")
                self.assertLess(server.memory() - before, 32 * MEGABYTE)
        self.assert_served(self.space, self.net.v4)

    def test_stop_of_another_session(self):
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.established()
        self.assertEqual((control.request(True, 5000)[0], control.start()), (owamp.OK, owamp.OK))
        mark = server.mark()
        control.stop([(b"another session.", 10, [])])
        server.wait_log("Stop-Sessions names a session that is not the peer's to stop", mark)
        self.assertTrue(control.closed_by_peer())

    def test_command_while_measuring(self):
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.established()
        self.assertEqual((control.request(True, 5000)[0], control.start()), (owamp.OK, owamp.OK))
        self.send_and_see(server, control, struct.pack(">B47x", 4), "command 4 while measuring")

    def test_unsupported_requests(self):
        """Each gets its Accept value and its reason; the connection goes on."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.established()
        peer = control.peer
        to_server, from_server = True, False
        cases = (
            (to_server, {"packets": 0}, owamp.UNSUPPORTED, "no packets"),
            (to_server, {"slots": []}, owamp.UNSUPPORTED, "no schedule slots"),
            (to_server, {"slots": [(7, owamp.SECOND)]}, owamp.UNSUPPORTED, "one of unknown type"),
            (to_server, {"slots": [(owamp.FIXED, (1 << 64) - 1)]}, owamp.UNSUPPORTED,
             "unknown type or length"),
            (to_server, {"timeout": (1 << 64) - 1}, owamp.UNSUPPORTED, "Timeout of decades"),
            (to_server, {"padding": 0xFFFFFFFF}, owamp.UNSUPPORTED,
             "packets would be larger than UDP allows"),
            (to_server, {"ipvn": 6}, owamp.UNSUPPORTED, "IPVN is not that of the control connection"),
            (to_server, {"ipvn": 15}, owamp.UNSUPPORTED, "IPVN is not that of the control connection"),
            (from_server, {"type_p": 1 << 30}, owamp.UNSUPPORTED, "Type-P descriptor is not a DSCP"),
        )
        for direction, fields, accept, reason in cases:
            with self.subTest(fields=fields):
                mark = server.mark()
                self.assertEqual(control.request(direction, 5000, **fields)[0], accept)
                server.wait_log(r"session refused \(Accept %d\): .*%s" % (accept, reason), mark)
        for port, direction in ((0, to_server), (0, from_server)):
            self.assertEqual(control.request(direction, port)[0], owamp.UNSUPPORTED)
        # Section 6.2: no packets to third parties, and none from them.
        for direction in (to_server, from_server):
            control.local = "192.0.2.1"
            mark = server.mark()
            self.assertEqual(control.request(direction, 5000)[0], owamp.UNSUPPORTED)
            server.wait_log("Address is not the client's", mark)
            control.local, control.peer = "127.0.0.1", "203.0.113.1"
            self.assertEqual(control.request(direction, 5000)[0], owamp.UNSUPPORTED)
            control.peer = peer
        self.assertEqual(control.request(True, 5000)[0], owamp.OK)

    def test_conf_sender_and_receiver(self):
        self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.established()
        for value in (b"\0\0", b"\1\1"):
            head, body = owamp.request_session(True, control.local, control.peer, 5000)
            control.write(head[:2] + value + head[4:])
            control.write_hmac()
            control.write(body)
            control.write_hmac()
            self.assertEqual(control.read_accept_session()[0], owamp.UNSUPPORTED)
        self.assertEqual(control.request(True, 5000)[0], owamp.OK)

    def test_client_that_reads_nothing(self):
        """It asks and asks and never takes the answers: they must not pile up."""
        server = self.owampd(self.net.server, conf="control_timeout = 2s\nhandshake_timeout = 1s\n",
                             limits=harness.GENEROUS)
        before = server.memory()
        control = self.established()
        control.socket.settimeout(3)
        fetch = (struct.pack(">B7xII16s", 4, 0, 0xFFFFFFFF, b"n" * 16) + bytes(16)) * 20000
        try:
            for _ in range(40):
                control.socket.sendall(fetch)
        except OSError:
            pass
        self.assertLess(server.memory() - before, 64 * MEGABYTE)
        self.assert_served(self.space, self.net.v4)


if __name__ == "__main__":
    harness.main()
