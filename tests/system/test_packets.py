"""Test packets as they are on the wire."""
import itertools

import capture
import harness
import netns
import owamp

PACKETS = 6
OPTIONS = ("-c", PACKETS, "-i", "0.01f", "-L", 0.3, "-z", 0.1, "-E", 0.05)
BASE = {"O": 14, "A": 48, "E": 48}
EF, AF41 = 46, 34


class Packets(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Veth())
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS,
                                  conf='test_ports = "9000-9009"\n')

    def watch(self, letter, *arguments, address=None):
        """The test packets of a measurement in both directions: of the client and of the server."""
        key = [] if letter == "O" else self.key_options(harness.ALICE)
        spaces = (self.net.server, self.net.client)
        captures = [capture.Capture(space, self.net.interface) for space in spaces]
        try:
            run = self.owping(self.net.client, *OPTIONS, "-P", "9100-9109", "-A", letter, *key, *arguments,
                              address or self.net.v4)
            self.assert_status(run, 0)
            streams = [each.wait(PACKETS) for each in captures]
            for each in captures:
                self.assertEqual(len(each.datagrams()), PACKETS)
        finally:
            for each in captures:
                each.close()
        to_server, from_server = streams
        for datagram in to_server:
            self.assertIn(datagram.dport, range(9000, 9010))
            self.assertIn(datagram.sport, range(9100, 9110))
        for datagram in from_server:
            self.assertIn(datagram.dport, range(9100, 9110))
            self.assertIn(datagram.sport, range(9000, 9010))
        return streams

    def test_dscp_and_ttl(self):
        for (letter, dscp), address in itertools.product((("O", "EF"), ("E", "AF41")),
                                                         (self.net.v4, self.net.v6)):
            with self.subTest(mode=letter, address=address):
                tos = {"EF": EF, "AF41": AF41}[dscp] << 2
                for stream in self.watch(letter, "-D", dscp, address=address):
                    for datagram in stream:
                        self.assertEqual(datagram.version, 6 if ":" in address else 4)
                        self.assertEqual(datagram.tos, tos)
                        self.assertEqual(datagram.ttl, 255)

    def test_no_dscp(self):
        for stream in self.watch("O"):
            self.assertEqual({datagram.tos for datagram in stream}, {0})

    def test_sizes(self):
        for letter, padding in itertools.product("OAE", (0, 1, 33, 1000)):
            with self.subTest(mode=letter, padding=padding):
                for stream in self.watch(letter, "-s", padding):
                    self.assertEqual({len(datagram.payload) for datagram in stream}, {BASE[letter] + padding})

    def test_fragmented(self):
        """More than a frame holds arrives as well, and the padding is not what is measured."""
        run = self.owping(self.net.client, *OPTIONS, "-s", 4000, self.net.v4)
        self.assert_status(run, 0)
        self.assertEqual([test["summary"]["lost"] for test in run.document["tests"]], [0, 0])

    def test_padding(self):
        for letter in "OAE":
            with self.subTest(mode=letter):
                for stream in self.watch(letter, "-s", 64):
                    paddings = [datagram.payload[BASE[letter]:] for datagram in stream]
                    self.assertEqual(len(set(paddings)), PACKETS, "padding repeats")
                    # 64 random octets have fewer than 32 values once in 10^20.
                    for padding in paddings:
                        self.assertGreater(len(set(padding)), 32, "padding is not random")

    def test_zero_padding(self):
        """The request cannot tell the server: it is about the packets that owping sends."""
        for letter in "OAE":
            with self.subTest(mode=letter):
                for datagram in self.watch(letter, "-s", 64, "--zero-padding")[0]:
                    self.assertEqual(datagram.payload[BASE[letter]:], bytes(64))

    def test_open_fields(self):
        before = owamp.now()
        for stream in self.watch("O"):
            after = owamp.now()
            for seq, datagram in enumerate(stream):
                self.assertEqual(int.from_bytes(datagram.payload[:4], "big"), seq)
                stamp = int.from_bytes(datagram.payload[4:12], "big")
                self.assertTrue(before < stamp < after)
                self.assertEqual(datagram.payload[12] & 0x40, 0, "Z of the error estimate")
                self.assertNotEqual(datagram.payload[13], 0, "Multiplier of the error estimate")

    def test_secrecy(self):
        """Encrypted packets show neither number nor time; authenticated ones show the time."""
        for letter in "AE":
            with self.subTest(mode=letter):
                before = owamp.now()
                for stream in self.watch(letter):
                    after = owamp.now()
                    for seq, datagram in enumerate(stream):
                        self.assertNotEqual(datagram.payload[:16], seq.to_bytes(4, "big") + bytes(12))
                        stamp = int.from_bytes(datagram.payload[16:24], "big")
                        self.assertEqual(before < stamp < after, letter == "A")
                    self.assertEqual(len({datagram.payload[:16] for datagram in stream}), PACKETS)


if __name__ == "__main__":
    harness.main()
