// Posts events with the JavaScript SDK of CloudEvents to a URL, and says what came back, a line of JSON for each request.

const { CloudEvent, HTTP } = require("cloudevents");

const url = process.argv[2];

function event(id, data = { amount: 7, text: "größe" }, more = {}) {
  const attributes = { id, source: "/sdk/javascript", type: "order.created", subject: "A 7", team: "shop" };
  return new CloudEvent({ datacontenttype: "application/json", ...attributes, ...more, data });
}

async function post(mode, { headers, body }) {
  const answer = await fetch(url, { method: "POST", headers: { ...headers, prefer: "reply" }, body });
  const text = await answer.text();
  let reply = null;
  if (answer.status === 200) {
    const { id, type, source } = HTTP.toEvent({ headers: Object.fromEntries(answer.headers), body: text });
    reply = { id, type, source };
  }
  console.log(JSON.stringify({ mode, status: answer.status, reply }));
}

async function main() {
  await post("binary", HTTP.binary(event("javascript-binary")));
  await post("structured", HTTP.structured(event("javascript-structured")));
  const bytes = event("javascript-bytes", new Uint8Array([0, 255]), { datacontenttype: "application/octet-stream" });
  await post("bytes", HTTP.structured(bytes));
  const batch = JSON.stringify([1, 2].map((number) => event(`javascript-batch-${number}`)));
  await post("batch", { headers: { "content-type": "application/cloudevents-batch+json" }, body: batch });
}

main();
