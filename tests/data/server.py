"""A mirror on this machine that can do what mirrors do: serve ranges or not, cut connections, send other bytes."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """files: name -> bytes. cuts: name -> bytes after which each of the next connections is cut."""

    def __init__(self, files, ranges=True, cuts=None, status=None, shift=0):
        self.files, self.ranges, self.cuts = files, ranges, dict(cuts or {})
        self.status, self.shift = status, shift
        self.asked = []  # (name, Range header)

    def answer(self, request):
        name, asked = request.path.rpartition("/")[2], request.headers.get("Range")
        self.asked.append((name, asked))
        if self.status or name not in self.files:
            request.send_error(self.status or 404)
            return
        whole, start = self.files[name], 0
        if asked and self.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(whole):
                request.send_error(416)
                return
            request.send_response(206)
            at = start + self.shift
            request.send_header("Content-Range", f"bytes {at}-{len(whole) - 1}/{len(whole)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(whole) - start))
        request.end_headers()
        left = self.cuts.get(name)
        request.wfile.write(whole[start : start + left[0]] if left else whole[start:])
        if left:
            left.pop(0)


@contextlib.contextmanager
def serving(*mirrors):
    """The addresses of the mirrors while they answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            mirrors[int(self.path.split("/")[1])].answer(self)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        yield [f"{base}/{k}/" for k in range(len(mirrors))]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
