"""The one error of the test cluster's scripts."""


class ClusterError(Exception):
    """The test cluster could not do what was asked; the text says why, with the daemon's last log lines."""
