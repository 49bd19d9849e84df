"""owping --archive FILE where the file cannot be used, from the start or when the results are there."""
import contextlib
import os
import shutil
import sqlite3

import harness
import netns
from test_owping_archive import Base, Wrapped


class Files(Base):
    """What is wrong with a file is found out before anything is measured, if it can be."""

    def setUp(self):
        super().setUp()
        self.serve(netns.Loopback())

    def refused(self, path, reason, space=None):
        run = self.owping(space or self.space, "--archive", path, *harness.QUICK, self.net.v4)
        self.assert_status(run, 1)
        self.assertRegex(run.stderr, "owping: archive %s: %s" % (path, reason))
        self.assertEqual(run.document["archive"]["file"], path)
        self.assertRegex(run.document["archive"]["error"], "%s: %s" % (path, reason))
        self.assertEqual(run.document["error"]["reason"], "archive " + run.document["archive"]["error"])
        self.assertEqual(run.document["tests"], [])

    def powerless(self):
        """Where permissions concern root too."""
        return Wrapped(self.space, ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"])

    def test_records_over_archive(self):
        """-T, -F and owfetch's FILE never replace an archive or another database."""
        self.assert_status(self.owping(self.space, "--archive", self.archive, *harness.QUICK, self.net.v4), 0)
        before = self.dump()
        link = self.files + "/link"
        os.symlink(self.archive, link)
        hard = self.files + "/hard"
        os.link(self.archive, hard)
        dotted = os.path.join(os.path.dirname(self.archive), ".", os.path.basename(self.archive))
        mark = self.server.mark()
        for option in ("-T", "-F"):
            for name in (link, hard, dotted):
                self.not_saved("owping", name, "belongs to the archive", option, name, "--archive", self.archive,
                               *harness.QUICK, self.net.v4)
                self.not_saved("owping", name, "is an SQLite database", option, name, *harness.QUICK, self.net.v4)
            fresh = self.files + "/fresh%s.db" % option
            self.not_saved("owping", self.files + "/./fresh%s.db" % option, "belongs to the archive", option,
                           self.files + "/./fresh%s.db" % option, "--archive", fresh, *harness.QUICK, self.net.v4)
        self.not_saved("owfetch", self.archive, "is an SQLite database", self.net.v4, "0" * 32, self.archive)
        self.assertEqual(self.dump(), before)
        self.assertEqual(self.server.find("session.* started", mark), [])

    def not_saved(self, program, name, reason, *arguments):
        run = self.start(self.space, program, *arguments, json_output=False).end()
        self.assert_status(run, 1)
        self.assertEqual(run.stderr.rstrip(), "%s: %s: %s: it is not overwritten" % (program, name, reason))

    def test_not_there(self):
        self.refused(self.files + "/no/results.db",
                     r"cannot be created: .*: No such file or directory")
        self.refused(self.files, "is not a regular file")
        self.assert_never_logged(self.server, "session.* started")

    def test_something_else(self):
        text = self.files + "/notes.txt"
        with open(text, "w", encoding="ascii") as file:
            file.write("not a database\n" * 100)
        self.refused(text, "file is not a database")
        with open(text, encoding="ascii") as file:
            self.assertEqual(file.read(), "not a database\n" * 100)
        other = self.files + "/other.db"
        with contextlib.closing(sqlite3.connect(other)) as database, database:
            database.execute("CREATE TABLE cakes (name TEXT)")
        before = self.dump(other)
        self.refused(other, "is an SQLite database of something else")
        self.assertEqual(self.dump(other), before)
        self.assert_never_logged(self.server, "session.* started")

    def test_read_only(self):
        self.assert_status(self.owping(self.space, "--archive", self.archive, *harness.QUICK, self.net.v4), 0)
        before = self.dump()
        os.chmod(self.archive, 0o444)
        mark = self.server.mark()
        self.refused(self.archive, "Permission denied", self.powerless())
        self.assertEqual(self.dump(), before)
        self.assertEqual(self.server.find("session.* started", mark), [])

    def test_permission(self):
        os.chmod(self.files, 0o555)
        self.refused(self.archive, "cannot be created: .*: Permission denied", self.powerless())
        self.assertEqual(os.listdir(self.files), [])
        self.assert_never_logged(self.server, "session.* started")

    def start_long(self, space=None):
        """A session of which the first packets have left."""
        client = self.start(space or self.space, "owping", "--archive", self.archive, "-t", "-c", 100, "-i",
                            "0.01f", "-L", 0.2, "-z", 0.1, "-E", 0.1, self.net.v4, json_output=False)
        sent = self.space.datagrams_sent()
        harness.until(lambda: self.space.datagrams_sent() > sent, "test packets")
        return client

    def failed(self, run, reason):
        """The report is there all the same."""
        self.assert_status(run, 1)
        self.assertIn("owping: archive %s: " % self.archive, run.stderr)
        self.assertIn(reason, run.stderr)
        self.assertIn("100 sent, 0 lost (0.000%), 0 duplicates", run.stdout)

    def test_removed_meanwhile(self):
        client = self.start_long()
        os.unlink(self.archive)
        self.failed(client.end(), "removed or replaced while we measured")

    def test_locked_meanwhile(self):
        """By somebody who does not let go."""
        client = self.start_long()
        with contextlib.closing(sqlite3.connect(self.archive, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            self.failed(client.end(), "database is locked")

    def test_full(self):
        """A disk of its own, without room when the results come."""
        disk = self.directory()
        self.archive = disk + "/results.db"
        client = self.start_long(Wrapped(self.space, [
            "unshare", "--mount", "sh", "-c",
            'mount -t tmpfs -o size=400k tmpfs "$0" && exec "$@"', disk]))
        # Only that process sees the disk, which lasts as long as this is open.
        inside = os.open("/proc/%d/root%s" % (client.process.pid, disk), os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, inside)
        seen = "/proc/self/fd/%d/" % inside
        with contextlib.suppress(OSError), open(seen + "filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        self.failed(client.end(), "database or disk is full")
        for name in os.listdir(inside):
            if name != "filler":
                shutil.copy(seen + name, disk)
        self.assertEqual(self.rows("PRAGMA integrity_check"), [{"integrity_check": "ok"}])
        self.assertEqual(self.rows("SELECT count(*) AS n FROM sessions"), [{"n": 0}])


if __name__ == "__main__":
    harness.main()
