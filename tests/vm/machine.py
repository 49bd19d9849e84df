"""A virtual machine: QEMU, Debian's kernel, and the host's / below a tmpfs as its root."""
import os
import shlex
import subprocess
import tempfile

QEMU = "qemu-system-x86_64"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8", "OWAMP_VM": "1"}

# Run in the machine, by bash, as its first program. The first serial line is the kernel's, the second the command's;
# stty waits until what was written to it has left.
START = """
export {environment}
exec </dev/null >/dev/ttyS1 2>&1
stty raw -echo </dev/ttyS1
mkdir -p /lib/modules
[[ -e /lib/modules/{version} ]] || ln -s {modules} /lib/modules/
ip link set lo up
hostname vm
cd {directory}
setsid -w {command}
echo $? >/run/vm/status
stty raw </dev/ttyS1
echo o >/proc/sysrq-trigger
while :; do :; done
"""


def _start(kernel, command, environment):
    exported = {**ENVIRONMENT, **environment}
    return START.format(environment=" ".join("%s=%s" % (name, shlex.quote(exported[name])) for name in exported),
                        version=kernel.version, modules=shlex.quote(kernel.modules),
                        directory=shlex.quote(os.getcwd()), command=shlex.join(command))


class Machine:
    """Runs one command as root, and ends; a context manager."""

    def __init__(self, kernel, command, environment, memory, link=None, hidden=False):
        """link is a datagram socket that carries the frames of the interface eth0. hidden: all output is log()."""
        self._folder = tempfile.TemporaryDirectory(prefix="owamp-vm-")
        self._qemu = None
        self._arguments = [
            QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-m", str(memory),
            "-kernel", kernel.image, "-initrd", self._path("initrd"),
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
            "-serial", "file:" + self._path("console"),
            "-serial", "file:" + self._path("output") if hidden else "stdio",
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", "local,path=%s,mount_tag=machine,security_model=none" % self._path(""),
            # An interface to nowhere, for its hardware clock.
            "-netdev", "dgram,id=nowhere,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s" % (
                self._path("here"), self._path("nobody")),
            "-device", "e1000e,netdev=nowhere,romfile="]
        self._link = () if link is None else (link.fileno(),)
        for fd in self._link:
            # Descriptors differ, and so do the addresses of the two ends.
            self._arguments += ["-netdev", "socket,id=link,fd=%d" % fd,
                                "-device", "virtio-net-pci,netdev=link,romfile=,mac=52:54:00:00:00:%02x" % fd]
        kernel.make_initrd(self._path("initrd"))
        with open(self._path("start"), "w", encoding="utf-8") as file:
            file.write(_start(kernel, command, environment))

    def _path(self, name):
        return os.path.join(self._folder.name, name)

    def __enter__(self):
        # Whatever becomes of this program, the machine ends with it.
        self._qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self._arguments], stdin=subprocess.DEVNULL,
                                      pass_fds=self._link, start_new_session=True)
        return self

    def __exit__(self, *_):
        self._qemu.kill()
        self._qemu.wait()
        self._folder.cleanup()

    def wait(self, timeout):
        """The command's exit status, or None if there is none: the machine died, or the time is over."""
        try:
            self._qemu.wait(timeout)
            with open(self._path("status"), encoding="ascii") as file:
                return int(file.read())
        except (subprocess.TimeoutExpired, FileNotFoundError, ValueError):
            return None

    def running(self):
        return self._qemu.poll() is None

    def log(self):
        """What its kernel wrote, and what the command did, if that is hidden."""
        text = ""
        for name in ("console", "output"):
            if os.path.exists(self._path(name)):
                with open(self._path(name), encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text
