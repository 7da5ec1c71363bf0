"""Runs one program and writes what it took to a file descriptor: seconds, the peak as the system counts it, the status.

Usage: launch.py DESCRIPTOR PROGRAM ARGUMENT…

A process of its own, and one that imports next to nothing: Linux counts what the starting process held as the new
one's peak, and this one stays small whatever the comparison remembers.
"""

import os
import sys
import time


def main() -> None:
    descriptor, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(descriptor, False)
    began = time.perf_counter()
    try:
        process = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        os.write(descriptor, f"error {error.strerror}".encode())
        return
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    os.write(descriptor, f"{seconds} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}".encode())


main()
