"""owampd's start with an archive that cannot be used."""
import contextlib
import os
import sqlite3

import archive_case
import archive_helper
import harness

PAGE = 4096


class Start(archive_case.ArchiveTest):
    """Exit status 1, the reason with the file's name; the file is as it was."""

    def made(self):
        """A real one."""
        self.serve()
        self.assert_whole(self.measure())
        self.server.end(self)

    def assert_refuses(self, reason, *arguments, path=None, at_rest=True):
        path = path or self.path
        before = archive_helper.digest(path) if os.path.isfile(path) else None
        conf = os.path.join(self.directory(), "conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write("pbkdf2_count = 1024\n")
        server = harness.Process(self.net.server, [
            harness.program("owampd"), "--foreground", "--config", conf, "--archive", path, *arguments])
        self.processes.append(server)
        self.addCleanup(server.kill)
        self.assertEqual(server.wait(), 1)
        self.assertEqual(len(server.find("archive %s(-lock)?: .*(%s)" % (path, reason))), 1, server.log())
        self.assertEqual(server.find("ready"), [])
        self.assertIsNone(harness.SANITIZER.search(server.log()))
        if before and at_rest:
            self.assertEqual(archive_helper.digest(path), before, "the file was changed")

    def test_no_archive(self):
        with open(self.path, "wb") as file:
            file.write(os.urandom(20 * PAGE))
        self.assert_refuses("file is not a database")

    def test_corrupt(self):
        self.made()
        with open(self.path, "r+b") as file:
            file.seek(PAGE)
            file.write(os.urandom(os.path.getsize(self.path) - PAGE))
        self.assert_refuses("malformed")

    def test_cut_off(self):
        self.made()
        os.truncate(self.path, 3 * PAGE)
        self.assert_refuses("malformed")

    def test_newer(self):
        self.made()
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA user_version = 99")
        self.assert_refuses("is of schema version 99, written by a newer release")

    def test_something_else(self):
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("CREATE TABLE recipes (name TEXT)")
        self.assert_refuses("is an SQLite database of something else")

    def test_directory(self):
        self.assert_refuses("not a regular file", path=self.folder)

    def test_no_directory(self):
        self.assert_refuses("cannot be created: .*: No such file or directory",
                            path=os.path.join(self.folder, "nowhere", "archive"))

    def test_no_permission(self):
        """As the user that the server is to run as."""
        self.made()
        os.remove(self.path + "-lock")
        denied = "Permission denied"
        # The last cannot have a log beside the file.
        for mode, folder_mode, reason in ((0o600, 0o755, denied), (0o644, 0o755, denied),
                                          (0o666, 0o700, denied), (0o666, 0o755, "folder|unable to open")):
            with self.subTest(file=oct(mode), folder=oct(folder_mode)):
                os.chmod(self.path, mode)
                os.chmod(self.folder, folder_mode)
                self.assert_refuses(reason, "--user", "nobody")

    def test_in_use(self):
        """By another owampd."""
        self.serve()
        self.assert_refuses(r"in use by another owampd \(pid %d\)" % self.server.pid,
                            "--listen", "127.0.0.1:8610", at_rest=False)
        self.assert_whole(self.measure())


if __name__ == "__main__":
    harness.main()
