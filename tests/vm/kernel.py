"""Debian's own kernel, ready to boot: downloaded and unpacked below a folder, never installed."""
import fcntl
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
META = "linux-image-amd64"
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
TOOLS = ("apt-get", "apt-cache", "dpkg-deb", "busybox", "cpio", "depmod", "modprobe", "xz", "make", "gcc")
ELF = b"\x7fELF"
XZ = b"\xfd7zXZ\0"

NETWORK = ("-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20")

# A download or a build of modules that takes longer hangs.
PATIENCE = 300


class Unavailable(Exception):
    """Why there can be no virtual machine here."""


class Failed(Exception):
    """What should have worked, and what it said."""


def _run(*command, **options):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
                              **options)
    except subprocess.TimeoutExpired:
        raise Failed("%s: not finished in %d s" % (" ".join(command), PATIENCE)) from None
    if done.returncode != 0:
        output = (done.stdout[-2000:] + done.stderr[-2000:]).decode("utf-8", "replace").strip()
        raise Failed("%s: %s" % (" ".join(command), output or "exit status %d" % done.returncode))
    return done.stdout


class _Packages:
    """apt, with the machine's package lists, or with lists of its own where those are missing or too old."""

    def __init__(self, folder):
        self._folder = folder
        self._lists = os.path.join(folder, "lists")
        self._options = []

    def refresh(self):
        os.makedirs(os.path.join(self._lists, "partial"))
        self._options = ["-o", "Dir::State::Lists=" + self._lists, "-o", "Dir::Cache::pkgcache=",
                         "-o", "Dir::Cache::srcpkgcache="]
        _run("apt-get", "-qq", *NETWORK, *self._options, "update")

    def forget(self):
        shutil.rmtree(self._lists, True)

    def dependency(self, package, pattern):
        text = _run("apt-cache", *self._options, "depends", package).decode()
        found = re.search(r"Depends: (%s)\n" % pattern, text)
        if not found:
            raise Failed("%s depends on no %s" % (package, pattern))
        return found[1]

    def download(self, *packages):
        _run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", *NETWORK, *self._options, "download", *packages,
             cwd=self._folder)


def _download(folder):
    """The kernel, what modules are built with, and the kernel's version."""
    packages = _Packages(folder)

    def fetch():
        image = packages.dependency(META, r"linux-image-\S+")
        version = image[len("linux-image-"):]
        headers = "linux-headers-" + version
        packages.download(image, headers, packages.dependency(headers, r"linux-headers-\S+-common"),
                          packages.dependency(headers, r"linux-kbuild-\S+"))
        return version

    try:
        try:
            return fetch()
        except Failed:
            packages.refresh()
            return fetch()
    except Failed as error:
        raise Unavailable("the kernel cannot be downloaded: %s" % error) from None
    finally:
        packages.forget()


def _unpack(folder, version, final):
    for name in os.listdir(folder):
        if name.endswith(".deb"):
            _run("dpkg-deb", "-x", os.path.join(folder, name), folder)
            os.unlink(os.path.join(folder, name))
    # They find each other by absolute paths.
    _run("sed", "-i", "s:/usr/src/:%s/usr/src/:" % final,
         os.path.join(folder, "usr/src/linux-headers-%s/Makefile" % version))


def _uncompress(folder, version):
    """QEMU boots an ELF kernel at once; one that has to uncompress itself takes twice as long."""
    with open(os.path.join(folder, "boot/vmlinuz-" + version), "rb") as file:
        image = file.read()
    at = image.find(XZ)
    while at >= 0:
        # What follows the kernel in the file is not xz: only the output counts.
        kernel = subprocess.run(["xz", "-dc"], input=image[at:], capture_output=True, check=False).stdout
        if kernel.startswith(ELF):
            with open(os.path.join(folder, "vmlinux"), "wb") as file:
                file.write(kernel)
            return
        at = image.find(XZ, at + 1)
    raise Failed("%s: no kernel compressed with xz in it" % version)


class Kernel:
    def __init__(self, folder):
        self.folder = folder
        self.image = os.path.join(folder, "vmlinux")
        self.version = os.listdir(os.path.join(folder, "lib/modules"))[0]
        self.modules = os.path.join(folder, "lib/modules", self.version)

    def make_initrd(self, target):
        """busybox, the modules that the host's / is mounted with, and init."""
        paths = []
        for module in BOOT_MODULES:
            depends = _run("modprobe", "-d", self.folder, "-S", self.version, "--show-depends", module).decode()
            paths += [path for path in re.findall(r"^insmod (\S+)", depends, re.MULTILINE) if path not in paths]
        with tempfile.TemporaryDirectory(prefix="owamp-initrd-") as root:
            for name in ("bin", "proc", "modules", "host", "changes", "new"):
                os.mkdir(os.path.join(root, name))
            shutil.copy(shutil.which("busybox"), os.path.join(root, "bin"))
            shutil.copy(os.path.join(HERE, "init"), root)
            for number, path in enumerate(paths):
                shutil.copy(path, os.path.join(root, "modules/%02d.ko" % number))
            _run("sh", "-c", 'find . | cpio --quiet -o -H newc >"$0"', target, cwd=root)

    def build_modules(self, source, target):
        """Those of tests/vm/modules, where they have changed."""
        os.makedirs(target, exist_ok=True)
        for name in os.listdir(source):
            _copy_if_changed(os.path.join(source, name), os.path.join(target, name))
        _run("make", "-C", os.path.join(self.folder, "usr/src/linux-headers-" + self.version), "M=" + target,
             "CC=gcc", "modules")


def _copy_if_changed(source, target):
    with open(source, "rb") as file:
        text = file.read()
    try:
        with open(target, "rb") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(target, "wb") as file:
        file.write(text)


def _make(cache, folder):
    # Complete or not there: a run that is interrupted leaves nothing that the next one would take.
    with tempfile.TemporaryDirectory(prefix="kernel-", dir=cache) as making:
        made = os.path.join(making, "kernel")
        os.mkdir(made)
        version = _download(made)
        _unpack(made, version, folder)
        _uncompress(made, version)
        _run("depmod", "-b", made, version)
        os.rename(made, folder)


def prepare(cache, modules):
    """The kernel in the folder cache, with modules of ours; made where needed. Raises Unavailable or Failed."""
    for tool in TOOLS:
        if not shutil.which(tool):
            raise Unavailable("%s is not installed" % tool)
    folder = os.path.join(cache, "kernel")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            _make(cache, folder)
        kernel = Kernel(folder)
        kernel.build_modules(modules, os.path.join(cache, "modules"))
        return kernel
