"""The parts of `run`: a month of usage, engines that load and bill it, and the table of what they took."""
