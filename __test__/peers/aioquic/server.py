"""The HTTP/3 server of aioquic as an upstream. `server.py CERT KEY` says {"port":N} in one line and ends when standard input closes.

    any other        22 bytes of text
    /bytes/N         N bytes of the pattern (pattern.ts); /chunked/N without Content-Length
    /trailers/N      the same, then the trailer x-end: yes
    /echo            the request's body as it arrives; /echo-late once it is whole
    /sent-trailer    the request's trailer x-sum
    /status/N        status N
    /header          what came as x-sent; /authority: the authority that came
"""

import asyncio
import json
import sys

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, StreamReset

TEXT = b"hello from the testkit"

# The largest prime that fits in a byte, as in pattern.ts.
PERIOD = 251


def pattern(length):
    block = bytes(range(PERIOD))
    return (block * (length // PERIOD + 1))[:length]


class Request:
    def __init__(self, fields):
        self.fields = dict(fields)
        self.body = []
        self.trailers = {}
        _, self.name, self.argument, *_ = self.fields[b":path"].decode().split("/") + ["", ""]


class Peer(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = None
        self.requests = {}

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol in H3_ALPN:
            self.http = H3Connection(self._quic)
        if isinstance(event, StreamReset):
            self.requests.pop(event.stream_id, None)
        if self.http is not None:
            for happened in self.http.handle_event(event):
                self.happened(happened)
            self.transmit()

    def happened(self, event):
        stream = event.stream_id
        if isinstance(event, HeadersReceived):
            if stream in self.requests:
                self.requests[stream].trailers = dict(event.headers)
            else:
                self.requests[stream] = Request(event.headers)
                if self.requests[stream].name == "echo":
                    self.head(stream, 200)
        elif isinstance(event, DataReceived) and stream in self.requests:
            request = self.requests[stream]
            if request.name == "echo":
                self.http.send_data(stream, event.data, event.stream_ended)
            else:
                request.body.append(event.data)
        if getattr(event, "stream_ended", False) and stream in self.requests:
            self.answer(stream, self.requests.pop(stream))

    def head(self, stream, status, length=None, last=False):
        fields = [(b":status", str(status).encode()), (b"server", b"aioquic")]
        if length is not None:
            fields.append((b"content-length", str(length).encode()))
        self.http.send_headers(stream, fields, last)

    def answer(self, stream, request):
        match request.name:
            case "echo":
                return
            case "status":
                return self.head(stream, int(request.argument), last=True)
            case "bytes" | "chunked" | "trailers":
                body = pattern(int(request.argument))
            case "echo-late":
                body = b"".join(request.body)
            case "sent-trailer":
                body = request.trailers.get(b"x-sum", b"")
            case "header":
                body = request.fields.get(b"x-sent", b"")
            case "authority":
                body = request.fields[b":authority"]
            case _:
                body = TEXT
        length = None if request.name in ("chunked", "trailers") else len(body)
        if request.fields[b":method"] == b"HEAD":
            return self.head(stream, 200, length, last=True)
        self.head(stream, 200, length)
        trailed = request.name == "trailers"
        self.http.send_data(stream, body, not trailed)
        if trailed:
            self.http.send_headers(stream, [(b"x-end", b"yes")], True)


async def main(certificate, key):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(certificate, key)
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Peer)
    print(json.dumps({"port": server._transport.get_extra_info("sockname")[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if len(sys.argv) != 3:
    sys.exit("usage: server.py CERT KEY")
asyncio.run(main(sys.argv[1], sys.argv[2]))
