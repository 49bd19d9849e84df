"""A server that says what it likes."""
import socket
import threading

import owamp


class FakeServer:
    """Greets each connection and collects what the client then sends."""

    def __init__(self, space, address, modes=owamp.OPEN, count=1024):
        def create():
            created = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            created.bind((address, 0))
            created.listen(16)
            return created

        self._greeting = owamp.GREETING.pack(modes, b"c" * 16, b"s" * 16, count)
        self._socket = space.call(create)
        self.target = "%s:%d" % self._socket.getsockname()
        self.received = []  # octets of each connection
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            connection.settimeout(owamp.TIMEOUT)
            with connection:
                connection.sendall(self._greeting)
                data = b""
                while len(data) < 164:
                    try:
                        part = connection.recv(4096)
                    except ConnectionResetError:
                        part = b""
                    if not part:
                        break
                    data += part
                self.received.append(data)

    def close(self):
        """Returns when all connections have ended."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(owamp.TIMEOUT)
        self._socket.close()
