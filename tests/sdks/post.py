"""Posts events with the Python SDK of CloudEvents to a URL, and says what came back, a line of JSON for each request."""

import json
import sys
import urllib.error
import urllib.request

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

url = sys.argv[1]


def event(id, data={"amount": 7, "text": "größe"}, **more):
    attributes = {"id": id, "source": "/sdk/python", "type": "order.created", "subject": "A 7", "team": "shop"}
    return CloudEvent(
        attributes={"specversion": "1.0", "datacontenttype": "application/json", **attributes, **more}, data=data
    )


def post(mode, message):
    headers = {**message.headers, "Prefer": "reply"}
    request = urllib.request.Request(url, data=message.body, headers=headers, method="POST")
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as refused:
        answer = refused
    reply, body = None, answer.read()
    if answer.status == 200:
        got = from_http_event(HTTPMessage(headers=dict(answer.headers), body=body))
        reply = {"id": got.get_id(), "type": got.get_type(), "source": got.get_source()}
    print(json.dumps({"mode": mode, "status": answer.status, "reply": reply}))


post("binary", to_binary_event(event("python-binary")))
post("structured", to_structured_event(event("python-structured")))
post("bytes", to_structured_event(event("python-bytes", b"\x00\xff", datacontenttype="application/octet-stream")))
both = [to_structured_event(event(f"python-batch-{number}")).body for number in (1, 2)]
batch = {"content-type": "application/cloudevents-batch+json"}
post("batch", HTTPMessage(headers=batch, body=b"[" + b",".join(both) + b"]"))
