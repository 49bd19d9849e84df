"""Fault 7: bad test packets are discarded and counted, and the session goes on.

The other implementation ends the whole session for a sequence number out of range or a Multiplier of 0.
"""
import capture
import harness
import netns
import owamp

PACKETS = 12
OPTIONS = ("-c", PACKETS, "-i", "0.05f", "-L", 0.5, "-z", 0.1, "-E", 0.1)

RECEIVED = "packets received"

# Why owping may discard a packet.
REASONS = ("short", "hmac", "multiplier", "sequence", "time", "schedule", "late")


class BadPackets(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Veth())
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)

    # A client of our own, which has the keys and can make packets that are wrong in one thing only.

    def check_own_sender(self, mode):
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        accept = control.set_up(mode, harness.ALICE, harness.KEYS[harness.ALICE])
        self.assertEqual(accept, owamp.OK)
        udp = control.udp()
        start, timeout = owamp.now(), owamp.SECOND // 2
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=PACKETS, start=start,
                                            timeout=timeout,
                                            slots=[(owamp.FIXED, owamp.SECOND // 100)])
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        maker = owamp.PacketKeys(mode, sid, control.keys)
        wrong = [
            maker.packet(PACKETS), maker.packet(0xFFFFFFFF), maker.packet(1 << 31),  # sequence
            maker.packet(1, estimate=owamp.MULTIPLIER_0), maker.packet(PACKETS, estimate=owamp.MULTIPLIER_0),
            maker.packet(2, stamp=owamp.now() + 4 * timeout),
            maker.packet(2, stamp=owamp.now() - 4 * timeout),
            maker.packet(2, stamp=0),
            b"", b"x", maker.packet(3)[:-1],
        ]
        counts = {RECEIVED: PACKETS, "short": 3, "multiplier": 2, "sequence": 3, "time": 3}
        if mode != owamp.OPEN:
            wrong += [maker.packet(4, break_hmac=True), bytes(48), bytes(1000)]
            counts["hmac"] = 3
        mark = self.server.mark()
        for seq in range(PACKETS):
            for packet in wrong if seq == 5 else ():
                udp.sendto(packet, (self.net.v4, port))
            udp.sendto(maker.packet(seq), (self.net.v4, port))
        # The session is the server's to end: it has the schedule.
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        control.stop([(sid, PACKETS, [])])
        fetched = control.fetch(sid)
        self.assertEqual((fetched.accept, fetched.next_seq), (owamp.OK, PACKETS))
        self.assertEqual([record.seq for record in fetched.records], list(range(PACKETS)))
        self.assertFalse(any(record.lost for record in fetched.records))
        self.assertEqual(self.server.wait_received(mark), {"sid": sid.hex(), **counts})

    def test_open(self):
        self.check_own_sender(owamp.OPEN)

    def test_authenticated(self):
        self.check_own_sender(owamp.AUTHENTICATED)

    def test_encrypted(self):
        self.check_own_sender(owamp.ENCRYPTED)

    def test_off_schedule(self):
        """A time that is right now, but not when the packet is due: a Timeout too early."""
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        udp = control.udp()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=50,
                                            slots=[(owamp.FIXED, owamp.SECOND)])
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        for seq in (10, 49):
            udp.sendto(owamp.PacketKeys(owamp.OPEN, sid).packet(seq), (self.net.v4, port))
        control.stop([(sid, 0, [])])
        control.read_stop()
        self.assertEqual(self.server.wait_received(), {"sid": sid.hex(), "schedule": 2})

    # Packets forged into sessions of owping, in both directions.

    def check_forged(self, letter, address, forgeries):
        """forgeries makes the packets from one that was seen. Returns the run and the server's account."""
        key = [] if letter == "O" else self.key_options(harness.ALICE)
        spaces = (self.net.server, self.net.client)
        seen = [self.keep(capture.Capture(space, self.net.interface)) for space in spaces]
        mark = self.server.mark()
        client = self.start(self.net.client, "owping", "--records", *OPTIONS, "-A", letter, *key, address)
        for packets, space in zip(seen, reversed(spaces)):
            model = packets.wait(2)[1]
            forger = self.keep(capture.Forger(space, model.version))
            for payload in forgeries(model.payload):
                forger.send(model, payload)
        run = client.end()
        self.assert_status(run, 0)
        for test in run.document["tests"]:
            self.assertEqual(test["outcome"], "complete")
            self.assertEqual(sorted(record["seq"] for record in test["records"]), list(range(PACKETS)))
            self.assertEqual(test["summary"]["lost"], 0)
        return run, self.server.wait_received(mark)

    def check_discarded(self, letter, forgeries, **expected):
        for address in (self.net.v4, self.net.v6):
            with self.subTest(address=address):
                run, server = self.check_forged(letter, address, forgeries)
                to_server, from_server = run.document["tests"]
                self.assertEqual(server, {"sid": to_server["sid"], RECEIVED: PACKETS, **expected})
                health = from_server["health"]["receive"]
                self.assertEqual(health["discarded"], {**dict.fromkeys(REASONS, 0), **expected})
                self.assertEqual(health["strangers"], 0)
                self.assertRegex("\n".join(from_server["warnings"]), "discarded")

    def test_forged_open(self):
        def forgeries(model):
            stamp = owamp.now()
            maker = owamp.PacketKeys(owamp.OPEN, b"")
            return [maker.packet(PACKETS, stamp), maker.packet(0xFFFFFFFF, stamp), model[:13] + b"\0",
                    model[:13], b"",
                    maker.packet(3, stamp + (1 << 33))]

        self.check_discarded("O", forgeries, sequence=2, multiplier=1, short=2, time=1)

    def test_forged_authenticated(self):
        def forgeries(model):
            flipped = bytes([model[0] ^ 1])
            return [flipped + model[1:], model[:32] + bytes(16), bytes(48), b"x" * 200, model[:47]]

        self.check_discarded("A", forgeries, hmac=4, short=1)

    def test_forged_encrypted(self):
        def forgeries(model):
            return [model[:20] + bytes(12) + model[32:], model[:32] + bytes(16), b"x" * 48, model[:14]]

        self.check_discarded("E", forgeries, hmac=3, short=1)

    def test_strangers(self):
        """Packets from another port are not even looked at."""
        packets = self.keep(capture.Capture(self.net.server, self.net.interface))
        client = self.start(self.net.client, "owping", "-t", *OPTIONS, self.net.v4)
        model = packets.wait(1)[0]
        forger = self.keep(capture.Forger(self.net.client, 4))
        for _ in range(7):
            forger.send(model._replace(sport=model.sport ^ 1), model.payload)
        run = client.end()
        self.assert_status(run, 0)
        self.assertEqual(run.document["tests"][0]["summary"]["duplicates"], 0)
        self.assertEqual(self.server.wait_received()["from strangers"], 7)


if __name__ == "__main__":
    harness.main()
