"""Fault 5 under overload: what a meter itself lost or did not send must be seen, and is no success.

A program is overloaded here by being stopped for a while.
"""
import signal
import time

import harness
import netns

PACKETS = 110000  # more than a receive buffer of 64 MiB holds
FLOOD = ("-c", PACKETS, "-i", "0.000005f", "-L", 2, "-z", 0.3, "-E", 0.05)


class Overload(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS)

    def flood(self, direction, whom):
        """The receiver does not run while the packets arrive."""
        client = self.start(self.space, "owping", direction, *FLOOD, self.net.v4)
        self.server.wait_log("1 session started")
        receiver = {"server": self.server, "client": client.process}[whom]
        receiver.signal(signal.SIGSTOP)
        harness.until(lambda: self.space.datagrams_sent() >= PACKETS, "all packets sent")
        receiver.signal(signal.SIGCONT)
        run = client.end()
        test = run.document["tests"][0]
        self.assertEqual(test["summary"]["sent"], PACKETS)
        summary = test["summary"]
        self.assertEqual(summary["sent"], summary["received"] + summary["lost"] + summary["dropped"])
        return run, test

    def test_server(self):
        """The protocol has no field for it, so it is in the log."""
        _, test = self.flood("-t", "server")
        self.server.wait_log("warning: .* dropped at our own socket")
        counts = self.server.wait_received()
        self.assertEqual(counts["packets received"], test["summary"]["received"])
        # Here nothing else loses packets.
        self.assertNotIn("lost", counts)
        self.assertEqual(counts["dropped at our own socket"], test["summary"]["lost"])

    def test_client(self):
        run, test = self.flood("-f", "client")
        self.assert_status(run, 3)
        self.assertGreater(test["health"]["receive"]["socket_drops"], 0)
        self.assertEqual(test["summary"]["lost"], 0)
        self.assertEqual(test["summary"]["dropped"], test["health"]["receive"]["socket_drops"])
        self.assertRegex("\n".join(test["warnings"]), "dropped")

    def test_sender(self):
        """Packets too late to be worth sending are skipped, and neither sent nor lost."""
        client = self.start(self.space, "owping", "-t", "-c", 100, "-i", "0.01f", "-L", 0.3, "-z", 0.1,
                            self.net.v4)
        harness.until(lambda: self.space.datagrams_sent() >= 5, "some packets sent")
        client.process.signal(signal.SIGSTOP)
        time.sleep(0.7)
        client.process.signal(signal.SIGCONT)
        run = client.end()
        self.assert_status(run, 3)
        test = run.document["tests"][0]
        summary = test["summary"]
        skipped = sum(last - first + 1 for first, last in test["skip_ranges"])
        self.assertGreaterEqual(skipped, 20)
        self.assertEqual(summary["skipped"], skipped)
        self.assertEqual(summary["sent"], 100 - skipped)
        self.assertEqual(test["next_seq"], 100)
        self.assertIn("%d of 100 packets were never sent" % skipped, test["error"]["reason"])


if __name__ == "__main__":
    harness.main()
