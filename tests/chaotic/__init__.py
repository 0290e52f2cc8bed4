"""Chaos: real daemons on a spool, random work and random troubles, and a checker that decides whether anything was lost.

``history``     what was done and seen, as JSON lines
``work``        what is submitted, and the ledger in which every run of a job signs
``submitting``  the ways in which people submit, kill and retry
``sites``       where it takes place: ``local_site`` on this machine, ``guest_site`` in guests with NFS
``hosts``       a machine with a daemon, and when that could work
``troubles``    what befalls hosts
``campaign``    the loop that does it all at random, and the end, when everything is mended
``evidence``    what stands on the disk afterwards
``checker``     the rules; ``excuses``: when a node may lose what it had
``excerpt``     what the history tells of a violation
``mutant``      runs a daemon with a mutation of the protocol, which the checker must find
"""
