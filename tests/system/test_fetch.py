"""Results of authenticated sessions, fetched later by whom they belong to."""
import harness
import netns
import owamp
import raw

ALICE, KEYS = harness.ALICE, harness.KEYS
PACKETS = 10

DELETING = "limit root with bandwidth=0, delete_on_fetch=on\nassign default root\n"
KEEPING = "limit root with bandwidth=0, delete_on_fetch=off\nassign default root\n"


class Fetch(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def serve(self, limits, **options):
        self.server = self.owampd(self.net.server, limits=limits, keys=KEYS, **options)
        self.key = self.key_options(ALICE)

    def connect(self, mode=owamp.ENCRYPTED):
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(mode, ALICE, KEYS[ALICE]), owamp.OK)
        return control

    def measure(self, control, packets=PACKETS, missing=()):
        """A session that is not fetched on its own connection. Returns Accept, SID and start."""
        udp = control.udp()
        start = owamp.now()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=packets, start=start,
                                            timeout=owamp.SECOND // 4,
                                            slots=[(owamp.FIXED, owamp.SECOND // 128)])
        if accept != owamp.OK:
            return accept, sid, start
        self.assertEqual(control.start(), owamp.OK)
        maker = owamp.PacketKeys(control.mode, sid, control.keys)
        for seq in range(packets):
            if seq not in missing:
                udp.sendto(maker.packet(seq), (self.net.v4, port))
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        control.stop([(sid, packets, [])])
        return accept, sid, start

    def wait_finished(self, sid, mark=0):
        self.server.wait_log("session %s finished" % sid.hex(), mark)

    def test_log_counts_what_was_sent(self):
        """What the sender skipped or never reached is not lost, though its time had come."""
        self.serve(KEEPING)
        for skips, lost in (([], 1), ([(3, 3), (7, 7)], 0)):
            control = self.connect()
            udp = control.udp()
            accept, port, sid = control.request(True, udp.getsockname()[1], packets=40, start=owamp.now(),
                                                timeout=owamp.SECOND // 4,
                                                slots=[(owamp.FIXED, owamp.SECOND // 128)])
            self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
            maker = owamp.PacketKeys(control.mode, sid, control.keys)
            never = {first for first, _ in skips} | {3}
            for seq in range(10):
                if seq not in never:
                    udp.sendto(maker.packet(seq), (self.net.v4, port))
            self.assertEqual(control.read_stop(), (owamp.OK, []))
            control.stop([(sid, 10, skips)])
            self.server.wait_log("session %s finished: %d packets received, %d lost, 0 duplicates"
                                 % (sid.hex(), 10 - len(never), lost))

    def test_same_results(self):
        """What owfetch gets is what owping got."""
        self.serve(KEEPING)
        directory = self.directory()
        run = self.owping(self.space, "--records", "-T", directory + "/owping", "-c", PACKETS, "-i", "0.01e",
                          "-L", 0.3,
                          "-z", 0.1, *self.key, self.net.v4)
        self.assert_status(run, 0)
        measured = run.document["tests"][0]
        run = self.owfetch(self.space, "--records", *self.key, self.net.v4, measured["sid"],
                           directory + "/owfetch")
        self.assert_status(run, 0)
        fetched = run.document["tests"][0]
        self.assertEqual(fetched["outcome"], "complete")
        same = ("direction", "sid", "sender", "receiver", "packets", "start_time_ns", "schedule",
                "timeout_ns", "padding",
                "dscp", "next_seq", "skip_ranges", "summary", "ttl", "reordering", "clock_error", "records")
        for key in same:
            self.assertEqual(fetched[key], measured[key], key)
        one, other = raw.Saved(directory + "/owping"), raw.Saved(directory + "/owfetch")
        self.assertEqual([vars(record) for record in one.records], [vars(record) for record in other.records])
        self.assertEqual(one.header, other.header)

    def test_modes_may_differ(self):
        """The user counts, not the mode."""
        self.serve(KEEPING)
        _, sid, _ = self.measure(self.connect(owamp.AUTHENTICATED))
        self.wait_finished(sid)
        self.assertEqual(len(self.connect(owamp.ENCRYPTED).fetch(sid).records), PACKETS)

    def test_ranges(self):
        """From Begin Seq to End Seq, both included; lost packets too, with their scheduled times."""
        self.serve(KEEPING)
        _, sid, start = self.measure(self.connect(), missing=(3, 4, 9))
        self.wait_finished(sid)
        other = self.connect()
        for begin, end in ((0, 0), (2, 4), (9, 9), (0, 0xFFFFFFFE), (5, 100), (10, 20), (0, 0xFFFFFFFF)):
            with self.subTest(begin=begin, end=end):
                fetched = other.fetch(sid, begin, end)
                self.assertEqual((fetched.accept, fetched.finished != 0, fetched.next_seq),
                                 (owamp.OK, True, PACKETS))
                wanted = [seq for seq in range(PACKETS) if begin <= seq <= end]
                self.assertEqual(sorted(record.seq for record in fetched.records), wanted)
                for record in fetched.records:
                    self.assertEqual(record.lost, record.seq in (3, 4, 9))
                    if record.lost:
                        self.assertEqual(record.send_time, start + (record.seq + 1) * (owamp.SECOND // 128))
                        self.assertEqual((record.send_error & 0xBFFF, record.ttl), (1, 255))

    def test_owfetch_ranges(self):
        self.serve(KEEPING)
        _, sid, _ = self.measure(self.connect(), missing=(3,))
        self.wait_finished(sid)
        run = self.owfetch(self.space, "--records", *self.key, "--begin", 2, "--end", 5, self.net.v4,
                           sid.hex().upper())
        self.assert_status(run, 0)
        test = run.document["tests"][0]
        self.assertEqual(sorted(record["seq"] for record in test["records"]), [2, 3, 4, 5])
        self.assertEqual((test["first_seq"], test["end_seq"]), (2, 6))
        self.assertEqual((test["summary"]["sent"], test["summary"]["received"], test["summary"]["lost"]),
                         (4, 3, 1))

    def test_several(self):
        self.serve(KEEPING)
        control = self.connect()
        sids = [self.measure(control)[1] for _ in range(2)]
        for sid in sids:
            self.wait_finished(sid)
        run = self.owfetch(self.space, *self.key, self.net.v4, *(sid.hex() for sid in sids))
        self.assert_status(run, 0)
        self.assertEqual([test["sid"] for test in run.document["tests"]], [sid.hex() for sid in sids])

    def test_kept(self):
        self.serve(KEEPING)
        _, sid, _ = self.measure(self.connect())
        self.wait_finished(sid)
        for _ in range(2):
            self.assertEqual(len(self.connect().fetch(sid).records), PACKETS)

    def test_deleted_when_fetched_whole(self):
        """Not by a part."""
        self.serve(DELETING)
        _, sid, _ = self.measure(self.connect())
        self.wait_finished(sid)
        other = self.connect()
        self.assertEqual(len(other.fetch(sid, 0, 0xFFFFFFFE).records), PACKETS)
        self.assertEqual(len(other.fetch(sid).records), PACKETS)
        self.server.wait_log("session %s fetched and deleted" % sid.hex())
        self.assertEqual(other.fetch(sid).accept, owamp.FAILURE)
        self.server.wait_log(r"fetch of %s refused \(Accept 1\): no such session" % sid.hex())

    def test_not_deleted_by_half_a_fetch(self):
        """A connection that breaks in the middle of a fetch costs nothing."""
        packets = 250000  # 6 MB, more than the kernel buffers; fewer than wait for the disk
        self.serve("limit root with bandwidth=0, disk=0, max_packet_rate=0, delete_on_fetch=on\n"
                   "assign default root\n")
        control = self.connect()
        accept, _, sid = control.request(True, 5000, packets=packets, timeout=owamp.SECOND // 4,
                                         start=owamp.now(),
                                         slots=[(owamp.FIXED, owamp.SECOND >> 18)])
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        control.stop([(sid, packets, [])])
        self.wait_finished(sid)
        other = self.connect()
        other.write(bytes([4]) + bytes(11) + b"\xff" * 4 + sid)
        other.write_hmac()
        other.read(16)
        mark = self.server.mark()
        other.close()
        self.server.wait_log("reset by peer|closed by the peer|Broken pipe", mark)
        self.assertEqual(self.server.find("and deleted"), [])
        run = self.owfetch(self.space, *self.key, self.net.v4, sid.hex())
        self.assert_status(run, 0)
        self.assertEqual(run.document["tests"][0]["summary"]["lost"], packets)
        self.server.wait_log("fetched and deleted")

    def test_disk_is_given_back(self):
        """Stored results use up the disk; deleted ones do not."""
        # A record takes 48 octets, and room for 23 duplicates is reserved; the rest is 1 KiB and a slot.
        wanted = (60 + 60 // 8 + 16) * 48 + 1024 + 32
        kept = 60 * 48 + 1024 + 32
        self.serve("limit root with bandwidth=0, disk=%d, delete_on_fetch=on\n"
                   "assign default root\n" % (wanted + kept - 1))
        control = self.connect()
        accept, sid, _ = self.measure(control, packets=60)
        self.assertEqual(accept, owamp.OK)
        self.wait_finished(sid)
        other = self.connect()
        self.assertEqual(self.measure(other, packets=60)[0], owamp.TEMPORARY)
        self.server.wait_log("class root: disk is limited to %d octets, %d are in use, the session needs %d"
                             % (wanted + kept - 1, kept, wanted))
        self.assertEqual(len(other.fetch(sid).records), 60)
        self.server.wait_log("fetched and deleted")
        self.assertEqual(self.measure(other, packets=60)[0], owamp.OK)

    def test_retention(self):
        """keep: results go after that time, by the next round of cleaning up."""
        self.serve(KEEPING, conf="keep = 1s\n")
        _, sid, _ = self.measure(self.connect(), packets=2)
        self.wait_finished(sid)
        other = self.connect()
        self.assertEqual(other.fetch(sid).accept, owamp.OK)
        harness.until(lambda: other.fetch(sid).accept == owamp.FAILURE, "the results are gone")

    def test_open_results_go_with_the_connection(self):
        self.serve(KEEPING)
        control = self.keep(owamp.Control(self.space, self.net.v4))
        control.set_up()
        _, sid, _ = self.measure(control)
        self.assertEqual(len(control.fetch(sid).records), PACKETS)
        mark = self.server.mark()
        control.close()
        self.server.wait_log("closed by the peer", mark)
        other = self.keep(owamp.Control(self.space, self.net.v4))
        other.set_up()
        self.assertEqual(other.fetch(sid).accept, owamp.FAILURE)


if __name__ == "__main__":
    harness.main()
