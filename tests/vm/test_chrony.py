"""chronyd that really steers the clock, from a chronyd in another namespace: whose clock it is as well."""
import vm_case
import clock_case
import kernel_clock
import netns

MILLISECOND = 10**6

SOURCES = 'chrony "daemon" { host = 127.0.0.1 }\nkernel "system" { }'
SERVER = """local stratum 1
allow
cmdport 0
bindcmdaddress /
pidfile {directory}/server.pid
"""
CLIENT = """server {server} iburst minpoll 2 maxpoll 2
{further}
bindcmdaddress /
pidfile {directory}/client.pid
"""


class Chrony(vm_case.VmCase):
    def start(self, further):
        self.net = self.keep(netns.Veth())
        self.files = self.directory()
        self.chronyd(self.net.server, "server", SERVER, "-x")
        self.looks = self.watch(self.net.client, SOURCES)
        self.chronyd(self.net.client, "client", CLIENT.replace("{further}", further))

    def chronyd(self, space, name, text, *options):
        path = "%s/%s.conf" % (self.files, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text.format(server=self.net.v4, directory=self.files))
        self.daemon(space, "chronyd", "-d", *options, "-f", path, name=name)

    def wait_steering(self):
        # Server and client have the same clock: it cannot be off, and after some measurements chronyd knows that.
        look = self.looks.wait_for(
            lambda look: look["synchronized"] and look["sources"]["daemon"]["steers"]
            and look["sources"]["daemon"]["bound_ns"] < 5 * MILLISECOND, "chronyd steers")
        self.assertEqual(look["sources"]["daemon"]["state"], "valid")
        self.assertEqual(look["steered_by"], "chronyd")
        self.assertEqual(look["steps"], 0)
        return look

    def test_with_rtcsync(self):
        self.start("rtcsync")
        self.wait_steering()
        look = self.looks.wait_source("system", lambda source: source["text"].startswith("chronyd keeps it, "),
                                      "the kernel is told, and passed over")
        self.assertFalse(look["alarm"])
        state = kernel_clock.read()
        self.assertEqual(state.status & kernel_clock.STA_UNSYNC, 0)
        self.assertNotEqual(state.freq, 0)
        self.assertLess(state.maxerror_us, 20000)

    def test_without_rtcsync(self):
        """Then the kernel does not know."""
        self.start("")
        look = self.wait_steering()
        self.assertEqual((look["source"], look["sources"]["system"]["state"]), ("chrony", "doubtful"))
        self.assertRegex(look["sources"]["system"]["text"], "^nobody tells the kernel .*STA_UNSYNC")
        self.assertEqual(kernel_clock.read().status & kernel_clock.STA_UNSYNC, kernel_clock.STA_UNSYNC)


if __name__ == "__main__":
    vm_case.main(clock_case.harness.missing("chronyd"))
