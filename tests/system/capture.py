"""What is on the wire: UDP datagrams seen and forged with packet sockets."""
import collections
import select
import socket
import struct
import threading
import time

import owamp

ETH_P_ALL = 3

# ttl is the hop limit and tos the traffic class in IPv6.
Datagram = collections.namedtuple("Datagram", "version source sport target dport ttl tos payload")


def parse(packet):
    """The UDP datagram in an IP packet, or None."""
    version = packet[0] >> 4
    if version == 4:
        header = (packet[0] & 15) * 4
        if packet[9] != socket.IPPROTO_UDP:
            return None
        source, target = (socket.inet_ntop(socket.AF_INET, packet[i:i + 4]) for i in (12, 16))
        ttl, tos = packet[8], packet[1]
    elif version == 6:
        header = 40
        if packet[6] != socket.IPPROTO_UDP:
            return None
        source, target = (socket.inet_ntop(socket.AF_INET6, packet[i:i + 16]) for i in (8, 24))
        ttl, tos = packet[7], struct.unpack(">H", packet[:2])[0] >> 4 & 0xFF
    else:
        return None
    sport, dport, length = struct.unpack(">HHH", packet[header:header + 6])
    return Datagram(version, source, sport, target, dport, ttl, tos, packet[header + 8:header + length])


class Capture:
    """Collects what arrives on an interface (not what leaves) until it is closed."""

    def __init__(self, space, interface):
        def create():
            created = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
            created.bind((interface, ETH_P_ALL))
            return created

        self._socket = space.call(create)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._news = threading.Condition()
        self._seen = []
        self._quit, self._quit_write = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            ready = select.select([self._quit, self._socket], [], [])[0]
            if self._socket in ready:
                packet, address = self._socket.recvfrom(65535)
                datagram = parse(packet) if address[2] != socket.PACKET_OUTGOING else None
                if datagram:
                    with self._news:
                        self._seen.append(datagram)
                        self._news.notify_all()
            elif ready:
                return

    def datagrams(self, dport=None):
        with self._news:
            return [d for d in self._seen if dport is None or d.dport == dport]

    def wait(self, count, timeout=owamp.TIMEOUT):
        """The first count datagrams."""
        deadline = time.monotonic() + timeout
        with self._news:
            while len(self._seen) < count:
                if not self._news.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise AssertionError("%d of %d datagrams in %s s" % (len(self._seen), count, timeout))
            return self._seen[:count]

    def close(self):
        self._quit_write.send(b"x")
        self._thread.join(owamp.TIMEOUT)
        for each in (self._socket, self._quit, self._quit_write):
            each.close()


class Forger:
    """Sends UDP datagrams that seem to come from the sender of a captured one."""

    def __init__(self, space, version):
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._socket = space.call(lambda: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP))
        if version == 6:
            # The kernel fills in the checksum, which IPv6 wants.
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 6)

    def send(self, like, payload):
        header = struct.pack(">HHHH", like.sport, like.dport, 8 + len(payload), 0)
        self._socket.sendto(header + payload, (like.target, 0))

    def close(self):
        self._socket.close()
