"""A virtual machine: QEMU, Debian's kernel, and the host's / below a tmpfs as its root."""
import os
import shlex
import shutil
import subprocess
import tempfile

QEMU = "qemu-system-x86_64"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8", "OWAMP_VM": "1"}

# Run in the machine, by bash, as its first program. Its console is the kernel's; the command's is another.
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
sync
echo o >/proc/sysrq-trigger
sleep infinity
"""


class Machine:
    """Runs one command as root and ends."""

    def __init__(self, kernel, command, environment, memory, cpus=1, link=None, stdout=None):
        """link is a datagram socket that carries the frames of a network interface."""
        self.share = tempfile.mkdtemp(prefix="owamp-vm-")
        with open(os.path.join(self.share, "start"), "w", encoding="utf-8") as file:
            file.write(START.format(
                environment=" ".join("%s=%s" % (name, shlex.quote(value))
                                     for name, value in {**ENVIRONMENT, **environment}.items()),
                version=kernel.version, modules=shlex.quote(kernel.modules),
                directory=shlex.quote(os.getcwd()), command=shlex.join(command)))
        initrd = os.path.join(self.share, "initrd")
        kernel.make_initrd(initrd)
        arguments = [
            QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none",
            "-accel", os.environ.get("OWAMP_VM_ACCEL", "tcg,thread=multi"), "-cpu", "max",
            "-smp", str(cpus), "-m", str(memory), "-kernel", kernel.image, "-initrd", initrd,
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
            "-serial", "file:" + self.console, "-serial", "stdio",
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", "local,path=%s,mount_tag=machine,security_model=none" % self.share,
            # An interface to nowhere, for its hardware clock.
            "-netdev", "dgram,id=nowhere,local.type=unix,local.path={0}/nic,remote.type=unix,"
            "remote.path={0}/nobody".format(self.share),
            "-device", "e1000e,netdev=nowhere,romfile="]
        if link is not None:
            arguments += ["-netdev", "socket,id=link,fd=%d" % link.fileno(),
                          "-device", "virtio-net-pci,netdev=link,romfile=,mac=52:54:00:00:00:%02x" % link.fileno()]
        # Whatever becomes of this program, the machine ends with it.
        self._qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *arguments], stdin=subprocess.DEVNULL,
                                      stdout=stdout, pass_fds=() if link is None else (link.fileno(),),
                                      start_new_session=True)

    @property
    def console(self):
        return os.path.join(self.share, "console")

    def wait(self, timeout):
        """The command's exit status, or None if there is none: the machine died, or the time is over."""
        try:
            self._qemu.wait(timeout)
            with open(os.path.join(self.share, "status"), encoding="ascii") as file:
                return int(file.read())
        except (subprocess.TimeoutExpired, FileNotFoundError, ValueError):
            return None

    def running(self):
        return self._qemu.poll() is None

    def log(self):
        """What its kernel wrote."""
        try:
            with open(self.console, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def close(self):
        self._qemu.kill()
        self._qemu.wait()
        shutil.rmtree(self.share, True)
