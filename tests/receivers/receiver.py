"""A subscriber as its users write it, with the CloudEvents SDK of Python: says on stdout what each event held, and
answers in binary mode."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        event = from_http_event(HTTPMessage(headers=dict(self.headers), body=body))
        held = {
            "id": event.get_id(),
            "source": event.get_source(),
            "type": event.get_type(),
            "subject": event.get_subject(),
            "region": event.get_extension("region"),
            "data": event.get_data(),
        }
        print(json.dumps(held), flush=True)
        reply = CloudEvent(
            attributes={
                "id": "reply-to-" + event.get_id(),
                "source": "/python",
                "type": "received",
                "datacontenttype": "application/json",
            },
            data={"by": "python"},
        )
        message = to_binary_event(reply)
        self.send_response(200)
        for name, value in message.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(message.body)))
        self.end_headers()
        self.wfile.write(message.body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
