"""A gRPC server over libnghttp2: what the standard port serves, for a tenth of what a call costs there.

From the outside in: `server.py` opens the port and drains it, `connection.py` is one connection on a socket, `call.py`
one call as handlers see it, `protocol.py` a connection without a socket, `heads.py` and `messages.py` how gRPC is
written in HTTP/2. Everything around a call (callers, grants, limits, failures, log, metrics) is the standard port's.
"""
