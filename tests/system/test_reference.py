"""The tests' own AES and schedule generator, against published vectors."""
import unittest

import harness
import owamp
from aes import AES, CBC

# RFC 4656 appendix B gives the sums of 1,000,000 deviates, which take too long here. These are checkpoints on
# the way there, of a separate program that reproduces all four sums: the first deviate, SUM[1000] and
# SUM[10000].
CHECKPOINTS = {
    "2872979303ab47eeac028dab3829dab2": (0x6D27E540, 0x3EB7D735C01, 0x276B1B252495),
    "0102030405060708090a0b0c0d0e0f00": (0xC2127448, 0x3F0A9B48272, 0x26D5259F60E3),
    "deadbeefdeadbeefdeadbeefdeadbeef": (0x17EF33648, 0x3D2CD1C4AB4, 0x2726D4D83748),
    "feed0feed1feed2feed3feed4feed5ab": (0x300D1C98, 0x4067FAC41CA, 0x27853D4DE631),
}


class Reference(unittest.TestCase):
    def test_aes(self):
        # FIPS 197 appendix C.1.
        aes = AES(bytes(range(16)))
        clear = bytes.fromhex("00112233445566778899aabbccddeeff")
        secret = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")
        self.assertEqual(aes.encrypt(clear), secret)
        self.assertEqual(aes.decrypt(secret), clear)

    def test_cbc(self):
        # NIST SP 800-38A, F.2.1, the first two blocks.
        key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
        clear = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
        secret = bytes.fromhex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")
        self.assertEqual(CBC(key, bytes(range(16))).encrypt(clear), secret)
        stream = CBC(key, bytes(range(16)))
        self.assertEqual(stream.decrypt(secret[:16]) + stream.decrypt(secret[16:]), clear)

    def test_exponentials(self):
        for sid, (first, thousand, ten_thousand) in CHECKPOINTS.items():
            with self.subTest(sid=sid):
                deviates = owamp.exponentials(bytes.fromhex(sid))
                total = [next(deviates) for _ in range(10000)]
                self.assertEqual(total[0], first)
                self.assertEqual(sum(total[:1000]), thousand)
                self.assertEqual(sum(total), ten_thousand)


if __name__ == "__main__":
    harness.main()
