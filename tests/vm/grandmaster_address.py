"""Where test_ptp.py finds the machine that runs grandmaster."""
ADDRESS = "192.0.2.1"
PORT = 9000
CLIENT = "192.0.2.2"
