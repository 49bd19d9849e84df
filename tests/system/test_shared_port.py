"""One test port for all sessions that owampd receives (RFC 8545), told apart by their senders."""
import re
import signal
import socket
import subprocess

import harness
import netns
import owamp

PORT = 861
OWN_PORTS = range(9000, 9101)
CONF = "shared_test_port = %d\ntest_ports = 9000-9100\nlog_level = debug\n" % PORT


class SharedPort(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def serve(self, conf=CONF, **options):
        options.setdefault("limits", harness.GENEROUS)
        self.server = self.owampd(self.net.server, conf=conf, keys=harness.KEYS, **options)

    def connect(self, mode=owamp.OPEN, address=None):
        control = self.keep(owamp.Control(self.space, address or self.net.v4))
        user = harness.ALICE if mode != owamp.OPEN else None
        self.assertEqual(control.set_up(mode, user, harness.KEYS[harness.ALICE]), owamp.OK)
        return control

    def sockets(self, port):
        """UDP sockets of the namespace that are bound to port, as their address words."""
        def read():
            found = []
            for name in ("udp", "udp6"):
                with open("/proc/thread-self/net/" + name, encoding="ascii") as file:
                    found += [line.split()[1] for line in file][1:]
            return found

        return [address for address in self.net.server.call(read) if address.endswith(":%04X" % port)]

    def run_owampd(self, *arguments):
        command = self.net.server.command([harness.program("owampd"), "--foreground", *arguments])
        return subprocess.run(command, capture_output=True, text=True, timeout=harness.PATIENCE,
                              stdin=subprocess.DEVNULL, check=False)

    def ask(self, control, udp, packets=4, **fields):
        """A session to be received, of a fixed schedule; returns port and SID."""
        fields.setdefault("slots", [(owamp.FIXED, owamp.SECOND // 128)])
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=packets, start=owamp.now(),
                                            timeout=owamp.SECOND, **fields)
        self.assertEqual(accept, owamp.OK)
        return port, sid

    def finish(self, control, sessions):
        """Both sides stop; waits for what the server says of each session, of (SID, Next Seqno)."""
        mark = self.server.mark()
        control.stop([(sid, count, []) for sid, count in sessions])
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        return [self.server.wait_log("session %s finished: (.*)" % sid.hex(), mark)[1] for sid, _ in sessions]

    def test_owping(self):
        """Many at a time in both families, with keys and without: all is received, through two sockets."""
        self.serve()
        clients = []
        for i in range(4):
            for address in (self.net.v4, self.net.v6):
                key = self.key_options(harness.ALICE) if i % 2 else ["-A", "O"]
                clients.append(self.start(self.space, "owping", "-c", 50, "-i", "0.02e", "-L", 1, *key,
                                          *(["-t"] if i < 2 else []), address))
        for client in clients:
            run = client.end()
            self.assert_status(run, 0)
            test = run.document["tests"][0]
            self.assertEqual(test["summary"]["received"], 50)
            self.assertEqual(test["receiver"]["port"], PORT)
            if len(run.document["tests"]) > 1:
                back = run.document["tests"][1]
                self.assertIn(back["sender"]["port"], OWN_PORTS)
                self.assertEqual(back["summary"]["received"], 50)
        self.assertEqual(len(self.server.find("shared test port UDP .*:861, receive buffer")), 2)
        self.assertEqual(self.server.find("a port of its own"), [])
        self.assert_never_logged(self.server, "strangers|datagrams dropped|dropped at")

    def check_mode(self, mode, address):
        control = self.connect(mode, address)
        senders = [control.udp() for _ in range(5)]
        stranger = control.udp()
        asked = [self.ask(control, udp) for udp in senders]
        self.assertEqual({port for port, _ in asked}, {PORT})
        self.assertEqual(len(self.sockets(PORT)), 2)
        self.assertEqual(control.start(), owamp.OK)
        packets = [owamp.PacketKeys(mode, sid, control.keys) for _, sid in asked]
        # Session i sends packets 0 to i - 1; what another sends in its name is not its own.
        for i, udp in enumerate(senders):
            for seq in range(i):
                udp.sendto(packets[i].packet(seq), (address, PORT))
            stranger.sendto(packets[i].packet(3), (address, PORT))
        lines = self.finish(control, [(sid, i) for i, (_, sid) in enumerate(asked)])
        for i, line in enumerate(lines):
            self.assertRegex(line, "^%d packets received, 0 lost, 0 duplicates" % i)
            self.assertNotIn("strangers", line)
            self.assertNotIn("discarded", line)
        if mode != owamp.OPEN:
            return
        for i, (_, sid) in enumerate(asked):
            self.assertEqual([record.seq for record in control.fetch(sid).records], list(range(i)))

    def test_senders_are_told_apart(self):
        self.serve()
        for mode in (owamp.OPEN, owamp.ENCRYPTED):
            for address in (self.net.v4, self.net.v6):
                with self.subTest(mode=mode, address=address):
                    self.check_mode(mode, address)
        found = self.server.wait_log(r"notice: shared test port UDP (\S+): \d+ datagrams dropped of senders")
        self.assertIn(found[1], ("0.0.0.0:861", "[::]:861"))

    def test_strangers_are_said_seldom(self):
        """Once, with a count; the next time a minute later, or at the end. All are counted."""
        self.serve()
        control = self.connect()
        udp = control.udp()
        line = r"notice: shared test port UDP 0\.0\.0\.0:861: (\d+) datagrams dropped .*, (\d+) so far"
        for i in range(7):
            udp.sendto(b"x" * i, (self.net.v4, PORT))
        self.server.wait_log(line)
        for _ in range(5):
            udp.sendto(b"stranger", (self.net.v4, PORT))
        # The server looks once a second: this takes two. And what was sent before has been read after it.
        run = self.owping(self.space, "-t", "-A", "O", "-c", 100, "-i", "0.02f", "-L", 0.5, self.net.v4)
        self.assertEqual(run.document["tests"][0]["summary"]["received"], 100)
        self.server.end(self)
        found = self.server.find(line)
        self.assertEqual(len(found), 2, "lines about strangers")
        self.assertEqual(sum(int(match[1]) for match in found), 12)
        self.assertEqual(int(found[-1][2]), 12)

    def test_before_and_after(self):
        """What a sender sends before Start-Sessions or after the end is no part of any session."""
        self.serve()
        control = self.connect()
        udp = control.udp()
        _, sid = self.ask(control, udp)
        packets = owamp.PacketKeys(owamp.OPEN, sid)
        udp.sendto(packets.packet(0), (self.net.v4, PORT))
        # A stranger's that was sent later has been read: so was this one.
        control.udp().sendto(b"stranger", (self.net.v4, PORT))
        self.server.wait_log("1 datagrams dropped of senders")
        self.assertEqual(control.start(), owamp.OK)
        udp.sendto(packets.packet(1), (self.net.v4, PORT))
        self.assertRegex(self.finish(control, [(sid, 2)])[0], "^1 packets received")
        udp.sendto(packets.packet(0), (self.net.v4, PORT))
        self.assertNotIn(0, [record.seq for record in control.fetch(sid).records if not record.lost])

    def test_taken_place(self):
        """Of two sessions from one sender the second gets a port of its own, until the first is over."""
        self.serve()
        udp = self.connect().udp()
        for mode in (owamp.OPEN, owamp.ENCRYPTED):
            with self.subTest(mode=mode):
                mark = self.server.mark()
                control = self.connect(mode)
                asked = [self.ask(control, udp) for _ in range(2)]
                self.assertEqual(asked[0][0], PORT)
                self.assertIn(asked[1][0], OWN_PORTS)
                self.server.wait_log("debug: .*: the session gets a port of its own: another session "
                                     "receives from the same address and port", mark)
                self.assertEqual(control.start(), owamp.OK)
                for count, (port, sid) in enumerate(asked, 1):
                    packets = owamp.PacketKeys(mode, sid, control.keys)
                    for seq in range(count):
                        udp.sendto(packets.packet(seq), (self.net.v4, port))
                lines = self.finish(control, [(sid, i) for i, (_, sid) in enumerate(asked, 1)])
                for count, line in enumerate(lines, 1):
                    self.assertRegex(line, "^%d packets received, 0 lost" % count)
                # Its results are still there in open mode; its place is not.
                port, _ = self.ask(control, udp)
                self.assertEqual(port, PORT)
                control.close()
                self.server.wait_log("closed by the peer", mark)
                # Nor does one that was never started keep it.
                control = self.connect(mode)
                port, _ = self.ask(control, udp)
                self.assertEqual(port, PORT)
                control.close()

    def ask_for(self, control, receiver, udp):
        head, body = owamp.request_session(True, control.local, receiver, udp.getsockname()[1])
        control.write(head)
        control.write_hmac()
        control.write(body)
        control.write_hmac()
        return control.read_accept_session()

    def test_receiver_address(self):
        """One that is ours, or none; of a list of addresses, one of the list."""
        self.serve()
        control = self.connect()
        self.assertEqual(self.ask_for(control, "192.0.2.1", control.udp())[:2], (owamp.OK, PORT))
        self.assertEqual(self.ask_for(control, "203.0.113.1", control.udp())[:2], (owamp.UNSUPPORTED, 0))
        self.server.wait_log("session refused .*Receiver Address is not one of this host")
        self.server.end(self)
        self.serve(CONF + 'listen = {"127.0.0.1", "[::1]"}\n')
        self.assertEqual(sorted(self.sockets(PORT)),
                         sorted(["0100007F:035D", "00000000000000000000000001000000:035D"]))
        control = self.connect()
        self.assertEqual(self.ask_for(control, "127.0.0.1", control.udp())[:2], (owamp.OK, PORT))
        accept, port, _ = self.ask_for(control, "192.0.2.1", control.udp())
        self.assertEqual(accept, owamp.OK)
        self.assertIn(port, OWN_PORTS)
        self.server.wait_log("port of its own: the shared test port is not open at the Receiver Address")

    def test_one_socket_an_address(self):
        """However often an address is listened on, and with the wildcard beside it."""
        self.serve('shared_test_port = 7000\ntest_ports = 7000-7010\n'
                   'listen = {"127.0.0.1:861", "0.0.0.0:8861", "[::1]:861", "[::1]:862"}\n')
        self.assertEqual(sorted(self.sockets(7000)),
                         sorted(["00000000:1B58", "00000000000000000000000001000000:1B58"]))
        control = self.connect()
        self.assertEqual(self.ask(control, control.udp())[0], 7000)
        # test_ports may overlap.
        accept, port, _ = control.request(False, 5000)
        self.assertEqual(accept, owamp.OK)
        self.assertIn(port, range(7001, 7011))

    def test_cannot_be_bound(self):
        """Ends the start, with the reason."""
        taken = self.net.server.call(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        self.keep(taken).bind(("::1", 7000))
        result = self.run_owampd("--listen", "[::1]:5861", "--shared-test-port", "7000")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr,
                         r"error: shared_test_port: binding UDP \[::1\]:7000: Address already in use\n")
        # A family that is missing is; an address that is taken is not.
        result = self.run_owampd("--listen", "5861", "--shared-test-port", "7000")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr,
                         r"error: shared_test_port: binding UDP \[::\]:7000: Address already in use\n")

    def test_without_ipv6(self):
        self.net.server.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
        self.serve()
        self.assert_served(self.space, self.net.v4, "-A", "O", "-t")

    def test_privileged_port(self):
        """It is bound before the privileges go; without any, it cannot be."""
        self.serve(CONF + 'user = "nobody"\n')
        run = self.assert_served(self.space, self.net.v4, "-A", "O", "-t")
        self.assertEqual(run.document["tests"][0]["receiver"]["port"], PORT)
        self.server.end(self)
        result = subprocess.run(self.net.server.command(
            ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", harness.program("owampd"),
             "--foreground", "--listen", "127.0.0.1:5861", "--shared-test-port", "861"]),
            capture_output=True, text=True, timeout=harness.PATIENCE, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"binding UDP 127\.0\.0\.1:861: Permission denied: ports below 1024 "
                                        "take root or CAP_NET_BIND_SERVICE\n")

    def test_reload(self):
        """Whatever a reload says of the port: sessions are received where the answers say."""
        self.serve()
        for i, value in enumerate((862, 0)):
            self.server.write_conf(self.server.conf.replace("shared_test_port = %d\n" % (PORT, 862)[i],
                                                            "shared_test_port = %d\n" % value))
            self.server.reload("notice: reloaded")
            run = self.owping(self.space, "-t", "-A", "O", "-c", 20, "-i", "0.01f", "-L", 0.5, self.net.v4)
            self.assert_status(run, 0)
            test = run.document["tests"][0]
            self.assertEqual((test["receiver"]["port"], test["summary"]["received"]), (PORT, 20))

    def test_drops(self):
        """What the port's buffer had no room for is no loss; its count is said as that of the port."""
        packets = 60000  # of each of two: more than 64 MiB hold
        self.serve()
        flood = ("-c", packets, "-i", "0.000005f", "-L", 2, "-z", 0.5, "-E", 0.05)
        clients = [self.start(self.space, "owping", "-t", "-A", "O", *flood, self.net.v4) for _ in range(2)]
        self.server.wait_count("1 session started", 2)
        self.server.signal(signal.SIGSTOP)
        harness.until(lambda: self.space.datagrams_sent() >= 2 * packets, "all packets sent")
        self.server.signal(signal.SIGCONT)
        for client in clients:
            client.end()
        # Whose packets found no room is a matter of who sent first.
        line = r"warning: .* finished: (\d+) packets received, (\d+) lost(?:, (\d+) dropped at our own " \
               r"socket)?, 0 duplicates; (\d+) dropped at the shared port for all its sessions$"
        found = self.server.wait_count(line, 2)
        received, lost, dropped = (sum(int(match[i] or 0) for match in found) for i in (1, 2, 3))
        self.assertGreater(dropped, 0)
        self.assertEqual((lost, received + dropped), (0, 2 * packets))
        self.assertEqual({int(match[4]) for match in found}, {dropped})

    def test_buffer(self):
        """Without CAP_NET_ADMIN the kernel may give less than 64 MiB, which the log says once a socket."""
        with open("/proc/sys/net/core/rmem_max", encoding="ascii") as file:
            most = 2 * int(file.read())  # the kernel doubles what it is asked for
        if most >= 64 << 20:
            self.skipTest("net.core.rmem_max allows for all that is wanted")
        self.serve('shared_test_port = 861\n',
                   wrapper=("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-all"))
        text = "%.0f KiB" % (most / 1024) if most < 1 << 20 else "%.1f MiB" % (most / (1 << 20))
        found = self.server.find(r"shared test port UDP \S+:861, receive buffer (.*)$")
        self.assertEqual([match[1] for match in found],
                         [text + " where 64.0 MiB are wanted: raise net.core.rmem_max"] * 2)


class LinkLocal(harness.SystemTest):
    def test_link_local(self):
        """Addresses that mean something only with their link."""
        net = self.keep(netns.Veth())
        addresses = {}
        for name, space in (("server", net.server), ("client", net.client)):
            def look(s=space):
                shown = s.ip("-6", "addr", "show", "dev", net.interface)
                return re.search(r"inet6 (fe80::\S+)/64 scope link (?!tentative)", shown)

            addresses[name] = harness.until(look, "a link-local address")[1]
        server = self.owampd(net.server, conf=CONF, limits=harness.GENEROUS)
        run = self.owping(net.client, "-t", *harness.QUICK, "%s%%%s" % (addresses["server"], net.interface))
        self.assert_status(run, 0)
        self.assertEqual(run.document["tests"][0]["receiver"]["port"], PORT)
        self.assert_never_logged(server, "a port of its own")


if __name__ == "__main__":
    harness.main()
