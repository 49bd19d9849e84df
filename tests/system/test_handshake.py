"""Set-up that takes long: whose time it is."""
import struct

import harness
import netns
import owamp

# PBKDF2 takes longer than that by far, on any machine.
SLOW = "pbkdf2_count = 1048576\nhandshake_timeout = 100ms\n"


class Handshake(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())

    def respond(self):
        """A Set-Up-Response at once, with a Token that cannot be right."""
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        control.greeting()
        control.socket.sendall(struct.pack(">I80s64s16s", owamp.ENCRYPTED, b"jane", bytes(64), bytes(16)))
        return control

    def test_deriving_the_key_is_our_time(self):
        """handshake_timeout is for the peer: it does not run while we derive the key, or others' before."""
        server = self.owampd(self.net.server, conf=SLOW, keys=harness.KEYS)
        for control in [self.respond() for _ in range(2)]:
            self.assertEqual(control.read(48)[15], owamp.FAILURE)
            self.assertTrue(control.closed_by_peer())
        server.wait_count("unknown KeyID or wrong passphrase", 2)
        self.assertEqual(server.find("handshake_timeout"), [])

    def test_the_peers_time_is_bounded(self):
        server = self.owampd(self.net.server, conf=SLOW, keys=harness.KEYS)
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        control.greeting()
        server.wait_log("no complete Set-Up-Response within handshake_timeout")
        self.assertTrue(control.closed_by_peer())


if __name__ == "__main__":
    harness.main()
