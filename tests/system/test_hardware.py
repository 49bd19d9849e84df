"""Stamps by the hardware of interfaces that have none: refused, by the kernel's own answers, and said why.

No interface that a test can make has a clock of its own on an ordinary kernel. The way of stamps that there are
is tested with crafted ones, and in the virtual machine.
"""
import subprocess

import harness
import netns


class Refused(harness.SystemTest):
    def refused(self, space, command):
        """What command says; it must end at once and not well."""
        result = subprocess.run(space.command(command), capture_output=True, text=True, check=False,
                                stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
        self.assertIsNone(harness.SANITIZER.search(result.stderr), result.stderr)
        self.assertEqual(result.returncode, 1, result.stderr)
        return result.stderr

    def owampd_refused(self, space, *interfaces):
        path = self.directory() + "/owampd.conf"
        with open(path, "w", encoding="ascii") as file:
            file.write('listen = {"127.0.0.1"}\n')
            file.write("hardware_timestamps = {%s}\n" % ", ".join('"%s"' % name for name in interfaces))
        return self.refused(space, [harness.program("owampd"), "--foreground", "--config", path])

    def owping_refused(self, space, *interfaces):
        return self.refused(space, [harness.program("owping"), "--hardware-timestamps", ",".join(interfaces),
                                    "127.0.0.1"])

    def assert_refused(self, space, interfaces, line):
        for key, text in (("hardware_timestamps", self.owampd_refused(space, *interfaces)),
                          ("--hardware-timestamps", self.owping_refused(space, *interfaces))):
            self.assertEqual(text.count("\n"), 1, text)
            self.assertTrue(text.endswith(": %s: %s\n" % (key, line)), text)

    def test_loopback(self):
        net = self.keep(netns.Loopback())
        self.assert_refused(net.server, ["lo"], "lo: has no hardware clock")

    def test_veth(self):
        net = self.keep(netns.Veth())
        self.assert_refused(net.server, ["link0"], "link0: has no hardware clock")

    def test_none_of_all(self):
        """The name of the one that is to blame."""
        net = self.keep(netns.Veth())
        self.assert_refused(net.client, ["lo", "link0"], "lo: has no hardware clock")
        self.assert_refused(net.client, ["link0", "lo"], "link0: has no hardware clock")

    def test_no_such(self):
        net = self.keep(netns.Loopback())
        self.assertIn("link0: no such interface\n", self.owping_refused(net.client, "link0"))
        self.assertRegex(self.owampd_refused(net.server, "link0"), "no (such )?interface")

    def test_upon_another(self):
        """A macvlan answers what the interface below would."""
        net = self.keep(netns.Veth())
        try:
            net.server.ip("link", "add", "upper0", "link", net.interface, "type", "macvlan")
        except AssertionError as error:
            self.skipTest("no macvlan: %s" % error)
        self.assert_refused(net.server, ["upper0"], "upper0: has no hardware clock")

    def test_dummy(self):
        net = self.keep(netns.Loopback())
        try:
            net.server.ip("link", "add", "dummy0", "type", "dummy")
        except AssertionError as error:
            self.skipTest("no dummy interface: %s" % error)
        self.assert_refused(net.server, ["dummy0"], "dummy0: has no hardware clock")

    def test_tun(self):
        reason = netns.wire_unavailable()
        if reason:
            self.skipTest(reason)
        net = self.keep(netns.Wire())
        self.assert_refused(net.server, ["link0"], "link0: has no hardware clock")


if __name__ == "__main__":
    harness.main()
