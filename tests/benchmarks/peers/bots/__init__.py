"""The bots that are compared: plain processes, each started as `python -m tests.benchmarks.peers.bots.<name> --api URL`.

They print `ready <port>` once they take calls, and `tasks <number>` whenever they get SIGUSR1.
"""
