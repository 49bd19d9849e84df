"""Results in a file: what another process of the server makes of them, and what the file shows meanwhile."""
import os
import signal
import sqlite3
import subprocess

import harness
import netns
import owamp

ALICE, BOB, KEYS = harness.ALICE, harness.BOB, harness.KEYS

KEEPING = "limit root with bandwidth=0, max_packet_rate=0\nassign default root\n"
DELETING = "limit root with bandwidth=0, delete_on_fetch=on\nassign default root\n"

# What owampd.limits(5) says a record takes, and a session with one slot.
RECORD = 48
SESSION = 1024 + 32

SLOT = (owamp.FIXED, owamp.SECOND // 128)
TIMEOUT = owamp.SECOND // 4


def reserved(packets):
    return (packets + packets // 8 + 16) * RECORD + SESSION


class Archive(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client
        self.path = os.path.join(self.directory(), "archive")

    def serve(self, limits=KEEPING, conf="", **options):
        self.server = self.owampd(self.net.server, limits=limits, keys=KEYS,
                                  conf='archive = "%s"\n%s' % (self.path, conf), **options)

    def end_server(self, how):
        if how == signal.SIGKILL:
            self.server.kill()
        else:
            self.server.end(self)

    def restart(self, how=signal.SIGTERM, **options):
        self.end_server(how)
        self.serve(**options)

    def connect(self, user=ALICE, mode=owamp.ENCRYPTED, **options):
        control = self.keep(owamp.Control(self.space, self.net.v4, **options))
        if user is None:
            self.assertEqual(control.set_up(), owamp.OK)
        else:
            self.assertEqual(control.set_up(mode, user, KEYS[user]), owamp.OK)
        return control

    def begin(self, control, packets=10, missing=(), twice=(), timeout=TIMEOUT):
        """A session to the server, all of whose packets are sent at once. Its SID."""
        udp = control.udp()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=packets, start=owamp.now(),
                                            timeout=timeout, slots=[SLOT])
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        maker = owamp.PacketKeys(control.mode, sid, control.keys)
        for seq in range(packets):
            for _ in range(0 if seq in missing else 2 if seq in twice else 1):
                udp.sendto(maker.packet(seq), (self.net.v4, port))
        return sid

    def measure(self, control, packets=10, skips=(), **fields):
        mark = self.server.mark()
        sid = self.begin(control, packets, **fields)
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        control.stop([(sid, packets, skips)])
        self.server.wait_log("session %s finished" % sid.hex(), mark)
        return sid

    def ask(self, question, *values):
        """What anybody with the file can see, at any time."""
        connection = sqlite3.connect("file:%s?mode=ro" % self.path, uri=True)
        try:
            return connection.execute(question, values).fetchall()
        finally:
            connection.close()

    def session(self, sid, columns):
        return self.ask("SELECT %s FROM sessions WHERE sid = ?" % columns, sid.hex())

    def packets(self, sid):
        return self.ask("SELECT count(*) FROM packets JOIN sessions USING (session_id) WHERE sid = ?",
                        sid.hex())[0][0]

    # After a restart.

    def test_same_octets(self):
        """Whole and in parts, with losses, duplicates and skip ranges."""
        ranges = (owamp.ALL, (0, 0), (3, 7), (39, 39), (5, 1000), (100, 200), (0, 0xFFFFFFFE))
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how=how.name):
                self.serve()
                control = self.connect()
                sids = [self.measure(control, 40, missing=(3, 4, 20), twice=(5, 6)),
                        self.measure(control, 40, missing=(7, 8, 9, 12), skips=[(7, 8), (12, 12)])]
                before = [control.fetch(sid, *limits) for sid in sids for limits in ranges]
                self.assertEqual([len(before[0].records), len(before[len(ranges)].records)], [42, 40])
                self.assertEqual(before[len(ranges)].skips, [(7, 8), (12, 12)])
                self.assertTrue(all(fetched.accept == owamp.OK for fetched in before))
                self.restart(how)
                self.server.wait_log("archive %s: 2 sessions, 82 packets can be fetched" % self.path)
                control = self.connect()
                after = [control.fetch(sid, *limits) for sid in sids for limits in ranges]
                self.assertEqual([fetched.octets for fetched in after],
                                 [fetched.octets for fetched in before])
                self.server.end(self)
                self.path += "-next"

    def test_unfetched_before(self):
        """What was finished a moment before the end is there, however it ended."""
        self.serve()
        control = self.connect()
        sid = self.measure(control, 20)
        # Until it is in the file, kill -9 may take it.
        harness.until(lambda: self.session(sid, "outcome") == [("finished",)], "the session is in the file")
        self.restart(signal.SIGKILL)
        self.assertEqual(len(self.connect().fetch(sid).records), 20)

    def test_killed_while_running(self):
        """A running session of a server that is killed: parts, of what had been written."""
        self.serve()
        control = self.connect()
        sid = self.begin(control, 20, timeout=owamp.interval(30))
        harness.until(lambda: self.packets(sid) == 20, "packets in the file")
        self.assertEqual(self.session(sid, "outcome, end_ns, records"), [("running", None, 0)])
        self.restart(signal.SIGKILL)
        self.assertEqual(self.session(sid, "outcome, reason, records"),
                         [("broken", "owampd ended while the session was running", 20)])
        control = self.connect()
        self.assertEqual(control.fetch(sid).accept, owamp.FAILURE)
        self.server.wait_log(r"fetch of %s refused \(Accept 1\): the session did not end normally: only "
                             r"parts can be had \(owampd ended while the session was running\)" % sid.hex())
        part = control.fetch(sid, 0, 0xFFFFFFFE)
        self.assertEqual((part.accept, part.finished != 0, part.next_seq), (owamp.OK, True, 20))
        self.assertEqual([record.seq for record in part.records], list(range(20)))

    def test_ended_while_running(self):
        self.serve()
        sid = self.begin(self.connect(), 20, timeout=owamp.interval(30))
        harness.until(lambda: self.packets(sid) == 20, "packets in the file")
        self.server.end(self)
        self.assertEqual(self.session(sid, "outcome, reason, records"), [("broken", "owampd was ended", 20)])

    def test_owners(self):
        """Whose a session is outlives the server; an open-mode session is nobody's then."""
        self.serve()
        alices = self.measure(self.connect())
        guest = self.connect(None)
        open_session = self.measure(guest)
        self.assertEqual(len(guest.fetch(open_session).records), 10)
        self.restart()
        self.server.wait_log("archive .*: 1 sessions, 10 packets can be fetched")
        mark = self.server.mark()
        for user in (None, BOB):
            self.assertEqual(self.connect(user).fetch(alices).accept, owamp.FAILURE)
        self.assertEqual(len(self.connect().fetch(alices).records), 10)
        for user in (None, BOB, ALICE):
            self.assertEqual(self.connect(user).fetch(open_session, 0, 3).accept, owamp.FAILURE)
        self.server.wait_count("the session belongs to somebody else", 5, mark)
        # For whoever runs the server it is there.
        self.assertEqual(self.packets(open_session), 10)
        self.assertEqual(self.session(open_session, "mode, identity, peer"),
                         [("unauthenticated", None, "127.0.0.1")])
        self.assertEqual(self.session(alices, "mode, identity, peer, class, direction"),
                         [("encrypted", "alice", "127.0.0.1", "root", "received")])

    def test_open_session_without_its_connection(self):
        """Another connection of the same address may fetch, as long as the first one lives."""
        self.serve()
        first, second = self.connect(None), self.connect(None)
        sid = self.measure(first)
        self.assertEqual(len(second.fetch(sid).records), 10)
        mark = self.server.mark()
        first.close()
        self.server.wait_log("closed by the peer", mark)
        self.assertEqual(second.fetch(sid).accept, owamp.FAILURE)
        self.assertEqual(self.packets(sid), 10)

    # The disk limit.

    def test_disk_after_a_crash(self):
        """All that is in the file counts: finished, cut off, of users and of nobody."""
        limits = "limit root with bandwidth=0, disk=%d\nlimit users with parent=root\n" \
                 "assign default root\nassign user alice users\nassign user bob users\n"
        generous = limits % 10000000
        self.serve(limits=generous)
        self.measure(self.connect(), 100, missing=(1, 2))
        self.measure(self.connect(None), 50)
        running = self.begin(self.connect(), 30, timeout=owamp.interval(30))
        harness.until(lambda: self.packets(running) == 30, "packets in the file")
        used = 180 * RECORD + 3 * SESSION
        self.assertEqual(self.ask("SELECT count(*) FROM packets"), [(180,)])
        for how, room, accept in ((signal.SIGKILL, -1, owamp.TEMPORARY), (signal.SIGKILL, 0, owamp.OK)):
            self.restart(how, limits=limits % (used + reserved(60) + room))
            self.server.wait_log("class users .*, disk %d of " % (100 * RECORD + 30 * RECORD + 2 * SESSION))
            mark = self.server.mark()
            self.assertEqual(self.connect(BOB).request(True, 5000, packets=60, slots=[SLOT])[0], accept)
            if accept != owamp.OK:
                self.server.wait_log("class root: disk is limited to %d octets, %d are in use, the session "
                                     "needs %d" % (used + reserved(60) + room, used, reserved(60)), mark)

    def test_class_that_is_gone(self):
        """Is charged to the root."""
        with_class = KEEPING + "limit some with parent=root\nassign user alice some\n"
        self.serve(limits=with_class)
        self.measure(self.connect(), 100)
        self.restart(limits=with_class)
        self.server.wait_log("class some .*, disk %d of " % (100 * RECORD + SESSION))
        self.restart()
        self.server.wait_log("class root .*, disk %d of " % (100 * RECORD + SESSION))

    # Going.

    def test_deleted_when_fetched(self):
        """Row by row, also what had been received by an earlier process."""
        self.serve(limits=DELETING)
        sid = self.measure(self.connect(), 100)
        self.restart(limits=DELETING)
        self.server.wait_log("class root .*, disk %d of " % (100 * RECORD + SESSION))
        control = self.connect()
        self.assertEqual(len(control.fetch(sid, 0, 0xFFFFFFFE).records), 100)
        self.assertEqual(self.packets(sid), 100)
        self.assertEqual(len(control.fetch(sid).records), 100)
        self.server.wait_log("session %s fetched and deleted" % sid.hex())
        self.assertEqual(control.fetch(sid).accept, owamp.FAILURE)
        harness.until(lambda: self.ask("SELECT count(*) FROM sessions") == [(0,)], "the session is gone")
        for table in ("packets", "slots", "minutes", "histograms", "health"):
            self.assertEqual(self.ask("SELECT count(*) FROM %s" % table), [(0,)], table)
        self.restart(limits=DELETING)
        self.server.wait_log("archive .*: 0 sessions, 0 packets can be fetched")
        self.server.wait_log("class root .*, disk 0 of ")

    def test_keep(self):
        """Packets go after keep, and are given back then; the summaries stay."""
        limits = "limit root with bandwidth=0, disk=%d\nassign default root\n" % (reserved(100) + 1000)
        self.serve(limits=limits)
        control = self.connect()
        sid = self.measure(control, 100)
        self.assertEqual(control.request(True, 5000, packets=100, slots=[SLOT])[0], owamp.TEMPORARY)
        # A reload is enough.
        self.server.write_conf(self.server.conf + "keep = 1s\n")
        self.server.reload("notice: reloaded")
        harness.until(lambda: control.fetch(sid, 0, 3).accept == owamp.FAILURE, "the packets are gone")
        # The file knows it first.
        self.server.wait_log("fetch of %s refused .*: (no such session|the session's packets are not kept any more)"
                             % sid.hex())
        harness.until(lambda: self.packets(sid) == 0, "no packets in the file")
        self.assertEqual(self.session(sid, "outcome, packets_kept, records"), [("finished", 0, 100)])
        self.assertEqual(self.ask("SELECT sum(sent) FROM minutes"), [(100,)])
        self.assertEqual(control.request(True, 5000, packets=100, slots=[SLOT])[0], owamp.OK)
        self.restart(limits=limits)
        self.server.wait_log("archive .*: 0 sessions, 0 packets can be fetched")

    def test_keep_open_session(self):
        """Its packets may go while its connection still lives."""
        self.serve(conf="keep = 1s\n")
        control = sid = None

        def gone():
            nonlocal control, sid
            try:
                if control is None:
                    control = self.connect(None)
                    sid = self.measure(control)
                return control.fetch(sid).accept == owamp.FAILURE
            except owamp.Closed:  # in the middle of an answer
                control = None
                return False

        harness.until(gone, "the packets are gone")
        self.assertEqual(len(control.fetch(self.measure(control)).records), 10)

    # Meanwhile.

    def test_running(self):
        """Parts of a running session can be had, and whoever looks into the file sees it grow."""
        self.serve()
        control = self.connect()
        sid = self.begin(control, 10, missing=(8, 9), timeout=owamp.interval(20))
        harness.until(lambda: self.packets(sid) == 8, "8 packets in the file")
        other = self.connect()
        part = other.fetch(sid, 2, 5)
        self.assertEqual((part.accept, part.finished, part.next_seq, part.skips), (owamp.OK, 0, 0, []))
        self.assertEqual([record.seq for record in part.records], [2, 3, 4, 5])
        self.assertEqual(self.session(sid, "outcome, reason, end_ns, next_seq"),
                         [("running", None, None, None)])
        self.assertEqual(other.fetch(sid).accept, owamp.TEMPORARY)
        self.server.wait_log(r"fetch of %s refused \(Accept 5\): the session is still running" % sid.hex())

    def test_fetch_is_not_late(self):
        """What was received before a fetch is in its answer, though nobody has written it yet."""
        self.serve()
        control = self.connect()
        for _ in range(10):
            self.assertEqual(len(control.fetch(self.measure(control, 3)).records), 3)

    def test_never_started(self):
        """Leaves nothing."""
        self.serve()
        control = self.connect()
        accept, _, sid = control.request(True, 5000, packets=100, slots=[SLOT])
        self.assertEqual(accept, owamp.OK)
        self.assertEqual(control.fetch(sid, 0, 3).accept, owamp.TEMPORARY)
        self.server.wait_log("fetch of %s refused .*: the session has not started" % sid.hex())
        control.close()
        self.server.wait_log("closed by the peer")
        self.measure(self.connect(), 1)
        self.server.end(self)
        self.assertEqual(self.ask("SELECT packets FROM sessions"), [(1,)])

    def test_reasons(self):
        """Why a session is not finished can be read years later."""
        self.serve()
        closed = self.connect()
        sids = [self.begin(closed, 5, timeout=owamp.interval(20))]
        closed.close()
        self.server.wait_log("session %s broken off" % sids[-1].hex())
        failed = self.connect()
        sids.append(self.begin(failed, 5, timeout=owamp.interval(20)))
        failed.stop([(sids[-1], 5, [])], accept=owamp.INTERNAL)
        self.server.wait_log("session %s invalid" % sids[-1].hex())
        liar = self.connect()
        sids.append(self.begin(liar, 5))
        liar.read_stop()
        liar.stop([(sids[-1], 3, [])])
        self.server.wait_log("session %s invalid" % sids[-1].hex())
        rude = self.connect()
        sids.append(self.begin(rude, 5, timeout=owamp.interval(20)))
        rude.write(b"\x09" + bytes(15))
        rude.write_hmac()
        self.server.wait_log("session %s broken off" % sids[-1].hex())
        self.server.end(self)
        rows = [self.session(sid, "outcome, reason, records")[0] for sid in sids]
        self.assertEqual(rows[:3], [
            ("broken", "the control connection was closed", 5),
            ("invalid", "stopped by the client with a failure (Accept 2)", 0),
            ("invalid", "the sender said it never reached packet 3, which arrived, or one after it", 0)])
        self.assertEqual(rows[3][0], "broken")
        self.assertRegex(rows[3][1], "^the control connection was given up: .")

    def test_health(self):
        self.serve()
        control = self.connect(None)
        udp = control.udp()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=3, start=owamp.now(),
                                            timeout=TIMEOUT, slots=[SLOT])
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        udp.sendto(b"short", (self.net.v4, port))
        bad = owamp.PacketKeys(owamp.OPEN, sid).packet(0, estimate=owamp.MULTIPLIER_0)
        udp.sendto(bad, (self.net.v4, port))
        control.udp().sendto(b"stranger", (self.net.v4, port))
        control.read_stop()
        control.stop([(sid, 3, [])])
        self.server.wait_log("session %s finished" % sid.hex())
        self.server.end(self)
        self.assertEqual(self.ask("SELECT sent, strangers, discarded_short, discarded_multiplier, "
                                  "discarded_hmac FROM health"), [(None, 1, 1, 1, 0)])

    def test_slow_reader(self):
        """Many fetch at once, some of them give up in the middle: the others get all of it."""
        packets = 20000
        self.serve(limits=harness.GENEROUS)
        control = self.connect()
        accept, _, sid = control.request(True, 5000, packets=packets, timeout=TIMEOUT, start=owamp.now(),
                                         slots=[(owamp.FIXED, owamp.SECOND >> 16)])
        self.assertEqual((accept, control.start()), (owamp.OK, owamp.OK))
        control.read_stop()
        control.stop([(sid, packets, [])])
        self.server.wait_log("session %s finished" % sid.hex())
        others = [self.connect(mode=owamp.AUTHENTICATED) for _ in range(8)]
        for number, other in enumerate(others):
            other.write(bytes([4]) + bytes(11) + b"\xff" * 4 + sid)
            other.write_hmac()
            if number % 2:
                other.close()
        for other in others[::2]:
            ack = owamp.FETCH_ACK.unpack(other.read(16))
            self.assertEqual((ack[0], ack[4]), (owamp.OK, packets))
        self.assertEqual(len(control.fetch(sid).records), packets)

    # Trouble.

    def test_file_in_trouble(self):
        """No answer is better than a wrong one: Accept 5, and why; it is served again when it can be."""
        self.serve()
        control = self.connect()
        old = self.measure(control)
        self.assertEqual(len(control.fetch(old).records), 10)
        folder = os.path.dirname(self.path)
        os.rename(folder, folder + "-away")
        new = self.measure(control)
        for sid in (old, new):
            self.assertEqual(control.fetch(sid, 0, 3).accept, owamp.TEMPORARY)
            self.server.wait_log(r"fetch of %s refused \(Accept 5\): %s: ." % (sid.hex(), self.path))
        os.rename(folder + "-away", folder)
        harness.until(lambda: control.fetch(new).accept == owamp.OK, "the file is well again")
        self.assertEqual(len(control.fetch(old).records), 10)

    def fail_to_start(self, *arguments):
        """With and without --foreground: status and what was said on the terminal."""
        texts = []
        for extra in ([], ["--foreground"]):
            command = self.net.server.command([harness.program("owampd"), "--listen", "127.0.0.1:5861",
                                               *extra, *arguments])
            run = subprocess.run(command, capture_output=True, text=True, timeout=harness.PATIENCE,
                                 stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(run.returncode, 1, run.stderr)
            texts.append(run.stderr)
        return texts

    def test_cannot_be_opened(self):
        with open(self.path, "w", encoding="ascii") as file:
            file.write("This is no database. " * 100)
        nowhere = os.path.dirname(self.path) + "/no/archive"
        for path, why in ((self.path, "not a database"),
                          (nowhere, "unable to open database file|No such file"),
                          (os.path.dirname(self.path), "is not a regular file")):
            for text in self.fail_to_start("--archive", path):
                self.assertRegex(text, "error: archive %s: .*(%s)" % (path, why))

    def test_one_server_at_a_time(self):
        self.serve()
        for text in self.fail_to_start("--archive", self.path):
            self.assertIn("error: archive %s: in use by another owampd (pid %d)"
                          % (self.path, self.server.pid), text)
        self.assert_served(self.space, self.net.v4)

    def test_belongs_to_the_user(self):
        """The file is made by the user that the server becomes."""
        os.chmod(os.path.dirname(self.path), 0o777)
        self.serve(conf='user = "nobody"\n')
        self.assertEqual(os.stat(self.path).st_uid, 65534)
        self.assertEqual(len(self.connect().fetch(self.measure(self.connect())).records), 10)
        self.server.end(self)
        os.chmod(os.path.dirname(self.path), 0o755)
        other = os.path.dirname(self.path) + "/other"
        for text in self.fail_to_start("--archive", other, "--user", "nobody"):
            self.assertIn("error: archive %s: " % other, text)

    # Without a file.

    def test_in_memory(self):
        """Said at the start; results end with the server, those of open mode with their connection."""
        server = self.owampd(self.net.server, limits=KEEPING, keys=KEYS)
        self.server = server
        server.wait_log("notice: no archive is set: results are kept in memory and end with owampd")
        control, guest, other = self.connect(), self.connect(None), self.connect(None)
        mine, open_session = self.measure(control), self.measure(guest)
        self.assertEqual(len(control.fetch(mine).records), 10)
        self.assertEqual(len(other.fetch(open_session).records), 10)
        mark = server.mark()
        guest.close()
        server.wait_log("closed by the peer", mark)
        self.assertEqual(other.fetch(open_session).accept, owamp.FAILURE)
        server.wait_log("fetch of %s refused .*: no such session" % open_session.hex(), mark)
        server.write_limits(KEEPING + "# new\n")
        server.reload("notice: reloaded")
        # What open mode took was given back.
        server.wait_log("class root .*, disk %d of " % (10 * RECORD + SESSION), mark)
        server.end(self)
        self.server = self.owampd(self.net.server, limits=KEEPING, keys=KEYS)
        self.assertEqual(self.connect().fetch(mine).accept, owamp.FAILURE)


if __name__ == "__main__":
    harness.main()
