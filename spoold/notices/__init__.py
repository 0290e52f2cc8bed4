"""Telling people that a batch has ended: an outbox in the spool, and what empties it.

- ``records``: a notice, and when it is tried again. Pure.
- ``outbox``: its files. Each lies in ``waiting/``, ``sent/`` or ``failed/``, and that is its state.
- ``summary``, ``rendering``: what is told, as data, as text and as HTML. Pure.
- ``gathering``: reading that from the spool.
- ``places``, ``settings``: ``notify.yaml``, and the file that holds the token.
- ``programs``: running a program that may hang. ``channels``: the ways to tell somebody, each a program.
- ``matrix``, ``rooms``: the program that talks to a home server, in a process of its own.
- ``notifier``: when a daemon looks at the outbox. ``telling``: what it does about what waits there.
"""
