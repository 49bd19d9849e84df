"""Network namespaces for tests, and links between them.

The namespaces have no name: they live as long as something refers to them, so nothing of them is left behind
even by a test that was killed.
"""
import ctypes
import fcntl
import os
import select
import shutil
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000

TIMEOUT = 20

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (what, os.strerror(error)))


def _in_thread(function):
    """A network namespace is a thread's property; a thread of its own leaves the others where they are."""
    outcome = {}

    def body():
        try:
            outcome["value"] = function()
        except BaseException as error:  # pylint: disable=broad-except
            outcome["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


class Namespace:
    def __init__(self):
        def create():
            _check(_libc.unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)")
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        self._fd = _in_thread(create)
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return "/proc/%d/fd/%d" % (os.getpid(), self._fd)

    def command(self, command):
        """The command line that runs command in here; it dies with the test."""
        return ["nsenter", "--net=" + self.path, "setpriv", "--pdeathsig", "KILL", *command]

    def run(self, *command):
        result = subprocess.run(self.command(command), capture_output=True, text=True, timeout=TIMEOUT,
                                stdin=subprocess.DEVNULL, check=False)
        if result.returncode != 0:
            raise AssertionError("%s: %s" % (" ".join(command), result.stderr.strip()))
        return result.stdout

    def ip(self, *arguments):
        return self.run("ip", *arguments)

    def call(self, function, *arguments):
        """Calls function in the namespace; sockets it opens stay there."""
        def enter():
            _check(_libc.setns(self._fd, CLONE_NEWNET), "setns")
            return function(*arguments)

        return _in_thread(enter)

    def datagrams_sent(self):
        """UDP over IPv4, without what went to closed ports in here: the clock's sources look for a chronyd."""
        def read():
            with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
                return file.read().splitlines()

        for line in self.call(read):
            if line.startswith("Udp: ") and line.split()[1].isdigit():
                return int(line.split()[4]) - int(line.split()[2])
        raise AssertionError("no UDP counters")

    def close(self):
        os.close(self._fd)


class Loopback:
    """One namespace, nothing but its loopback interface."""

    def __init__(self):
        self.server = self.client = Namespace()
        self.v4 = "127.0.0.1"
        self.v6 = "::1"
        self.server.ip("addr", "add", "192.0.2.1/32", "dev", "lo")

    def close(self):
        self.server.close()


class Pair:
    """Two namespaces, a server's and a client's, to be linked by a subclass."""

    interface = "link0"
    v4 = "192.0.2.1"  # the server's
    v6 = "2001:db8::1"
    client_v4 = "192.0.2.2"
    client_v6 = "2001:db8::2"

    def __init__(self):
        self.server = Namespace()
        self.client = Namespace()

    def configure(self):
        for space, v4, v6 in ((self.server, self.v4, self.v6), (self.client, self.client_v4, self.client_v6)):
            space.ip("addr", "add", v4 + "/24", "dev", self.interface)
            space.ip("link", "set", self.interface, "up")
            space.ip("addr", "add", v6 + "/64", "dev", self.interface, "nodad")

    def close(self):
        self.server.close()
        self.client.close()


class Veth(Pair):
    """Linked by the kernel."""

    def __init__(self):
        super().__init__()
        self.server.ip("link", "add", self.interface, "type", "veth", "peer", "name", self.interface,
                       "netns", self.client.path)
        self.configure()


def _open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Wire(Pair):
    """Linked by this program: each IP packet passes through a function, which returns the packets to deliver.

    netem would do for loss, but not every kernel has it, and it cannot choose.
    """

    def __init__(self):
        super().__init__()
        self._server_fd = self.server.call(_open_tun, self.interface)
        self._client_fd = self.client.call(_open_tun, self.interface)
        self.configure()
        self.to_server = self.to_client = lambda packet: [packet]
        self._quit, self._quit_write = os.pipe()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def _forward(self):
        ends = {self._client_fd: (self._server_fd, "to_server"),
                self._server_fd: (self._client_fd, "to_client")}
        while True:
            ready = select.select([self._quit, *ends], [], [])[0]
            if self._quit in ready:
                return
            for fd in ready:
                other, direction = ends[fd]
                for packet in getattr(self, direction)(os.read(fd, 65535)):
                    os.write(other, packet)

    def close(self):
        os.write(self._quit_write, b"x")
        self._thread.join(TIMEOUT)
        for fd in (self._server_fd, self._client_fd, self._quit, self._quit_write):
            os.close(fd)
        super().close()


def unavailable():
    """Why there can be no namespaces here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for name in ("ip", "nsenter", "setpriv"):
        if not shutil.which(name):
            return "%s is not installed" % name
    try:
        Namespace().close()
    except (OSError, AssertionError) as error:
        return "no network namespaces: %s" % error
    return None


def wire_unavailable():
    """Why there can be no Wire; None if there can."""
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    space = Namespace()
    try:
        os.close(space.call(_open_tun, "probe"))
    except OSError as error:
        return "no tun interface: %s" % error
    finally:
        space.close()
    return None
