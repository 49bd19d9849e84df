"""Faults of other implementations, which this one must not have: in setting a connection up.

The numbers are those of a list of faults seen in the field.
"""
import socket
import threading
import time

import fakeserver
import harness
import netns
import owamp

COUNT_MAX = 65536


class Setup(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())

    def control(self):
        return self.keep(owamp.Control(self.net.client, self.net.v4))

    def test_1_mode_that_was_not_offered(self):
        """Open mode where only A and E are offered would get around the authentication."""
        server = self.owampd(self.net.server, keys=harness.KEYS, conf="modes = EA\n")
        control = self.control()
        self.assertEqual(control.greeting(), owamp.AUTHENTICATED | owamp.ENCRYPTED)
        self.assertEqual(control.respond(owamp.OPEN), owamp.UNSUPPORTED)
        self.assertTrue(control.closed_by_peer())
        server.wait_log(r"warning: 127\.0\.0\.1:\d+: .*the client chose unauthenticated mode, "
                        "which was not offered")

    def test_1_authenticated_mode_that_was_not_offered(self):
        """Nor may a right key open the way into a mode that is off."""
        server = self.owampd(self.net.server, keys=harness.KEYS, conf="modes = E\n")
        control = self.control()
        self.assertEqual(control.greeting(), owamp.ENCRYPTED)
        self.assertNotEqual(control.respond(owamp.AUTHENTICATED, harness.ALICE, harness.KEYS[harness.ALICE]),
                            owamp.OK)
        self.assertTrue(control.closed_by_peer())
        server.wait_log("the client chose authenticated mode, which was not offered")

    def test_1_two_modes_or_unknown_ones(self):
        server = self.owampd(self.net.server, keys=harness.KEYS, conf="modes = EA\n")
        for mode in (owamp.OPEN | owamp.ENCRYPTED, owamp.AUTHENTICATED | owamp.ENCRYPTED):
            with self.subTest(mode=mode):
                control = self.control()
                control.greeting()
                self.assertNotEqual(control.respond(mode), owamp.OK)
                self.assertTrue(control.closed_by_peer())
        server.wait_count("the client chose more than one mode", 2)
        control = self.control()
        control.greeting()
        control.socket.sendall(bytes(3) + b"\x08" + bytes(160))  # no bit of the three: it goes away
        self.assertTrue(control.closed_by_peer())
        server.wait_log("the client chose no mode and goes away")

    def test_1_commands_before_set_up(self):
        """A command in place of the Set-Up-Response is none."""
        server = self.owampd(self.net.server, keys=harness.KEYS, conf="modes = EA\n")
        control = self.control()
        control.greeting()
        head, body = owamp.request_session(True, self.net.v4, self.net.v4, 5000)
        control.socket.sendall(head + bytes(16) + body + bytes(16) + bytes(64))
        self.assertTrue(control.closed_by_peer())
        self.assertEqual(server.find("started"), [])
        self.assert_served(self.net.client, self.net.v4, *self.key_options(harness.ALICE))

    def test_6_no_silent_fall_back(self):
        """Who gives a key gets no unauthenticated measurement unless it is asked for."""
        server = self.owampd(self.net.server, conf="modes = O\n")
        key = self.key_options(harness.ALICE)
        for program, arguments in (("owping", harness.QUICK), ("owup", ()), ("owfetch", ())):
            with self.subTest(program=program):
                sid = ["00" * 16] if program == "owfetch" else []
                run = self.run_client(self.net.client, program, *arguments, *key, self.net.v4, *sid)
                self.assert_status(run, 1)
                self.assertRegex(run.stderr, "server offers unauthenticated")
                self.assertRegex(run.stderr,
                                 "allowed.*authenticated.*encrypted|allowed.*encrypted.*authenticated")
                for test in run.document["tests"]:
                    self.assertEqual(test["outcome"], "failed")
                    self.assertIsNone(test["summary"]["first_ns"])
        self.assert_never_logged(server, "started|unauthenticated mode, class")

    def test_6_fall_back_when_asked_for(self):
        self.owampd(self.net.server, conf="modes = O\n")
        run = self.owping(self.net.client, *harness.QUICK, *self.key_options(harness.ALICE), "-A", "EAO",
                          self.net.v4)
        self.assert_status(run, 0)
        self.assertEqual(run.document["mode"], "unauthenticated")

    def test_6_no_set_up_is_sent(self):
        """The client must not even choose the mode."""
        fake = fakeserver.FakeServer(self.net.server, self.net.v4, modes=owamp.OPEN)
        run = self.owping(self.net.client, *harness.QUICK, *self.key_options(harness.ALICE), fake.target)
        fake.close()
        self.assert_status(run, 1)
        for data in fake.received:
            self.assertEqual(data[:4].strip(b"\0"), b"", "a mode was chosen")

    def test_8_pbkdf2_count(self):
        """A Count that is no power of two, too small to protect, or too large to compute is refused."""
        for count in (0, 5, 512, 1000, 3000, 131072, 4194304, 0xFFFFFFFF):
            with self.subTest(count=count):
                fake = fakeserver.FakeServer(self.net.server, self.net.v4, owamp.ENCRYPTED, count)
                run = self.owping(self.net.client, *harness.QUICK, *self.key_options(harness.ALICE),
                                  fake.target)
                fake.close()
                self.assert_status(run, 1)
                self.assertRegex(run.stderr, r"\b%d\b" % count)
                self.assertRegex(run.stderr, r"\b1024\b")
                self.assertRegex(run.stderr, r"\b%d\b" % COUNT_MAX)
                self.assertEqual([data[:4].strip(b"\0") for data in fake.received], [b""], "a Token was sent")

    def test_8_bounds_themselves(self):
        for count in (1024, COUNT_MAX):
            with self.subTest(count=count):
                fake = fakeserver.FakeServer(self.net.server, self.net.v4, owamp.ENCRYPTED, count)
                self.owping(self.net.client, *harness.QUICK, *self.key_options(harness.ALICE), fake.target)
                fake.close()
                self.assertEqual(fake.received[0][:4], owamp.ENCRYPTED.to_bytes(4, "big"))

    def test_8_larger_when_asked_for(self):
        self.owampd(self.net.server, keys=harness.KEYS, conf="pbkdf2_count = 131072\n")
        key = self.key_options(harness.ALICE)
        self.assert_status(self.owping(self.net.client, *harness.QUICK, *key, self.net.v4), 1)
        self.assert_status(self.owping(self.net.client, *harness.QUICK, *key, "--pbkdf2-max", 131072,
                                       self.net.v4), 0)

    def echo_round_trip(self):
        """The fastest of some exchanges of a request's size with a server that does nothing."""
        def create():
            listener = socket.create_server((self.net.v4, 5001))
            return listener, socket.create_connection((self.net.v4, 5001))

        listener, client = self.net.server.call(create)
        server = listener.accept()[0]

        def echo():
            while data := server.recv(4096):
                server.sendall(data)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        best = min(self.timed(lambda: (client.sendall(bytes(144)), client.recv(4096))) for _ in range(50))
        client.close()
        thread.join(owamp.TIMEOUT)
        server.close()
        listener.close()
        return best

    @staticmethod
    def timed(function):
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin

    def test_10_no_stall(self):
        """From Request-Session to Accept-Session: as a multiple of a bare round trip.

        A delayed acknowledgement is 40 ms, about a thousand round trips here.
        """
        self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.control()
        self.assertEqual(control.set_up(), owamp.OK)
        best = min(self.timed(lambda: control.request(True, 5000)) for _ in range(50))
        self.assertLess(best / self.echo_round_trip(), 200)


if __name__ == "__main__":
    harness.main()
