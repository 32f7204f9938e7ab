// A subscriber as its users write it, with the CloudEvents SDK of JavaScript: says on stdout what each event held, and
// answers in structured mode.

const { createServer } = require("node:http");
const { CloudEvent, HTTP } = require("cloudevents");

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const event = HTTP.toEvent({ headers: request.headers, body: Buffer.concat(parts).toString() });
    const { id, source, type, subject, region, data } = event;
    console.log(JSON.stringify({ id, source, type, subject, region, data }));
    const reply = new CloudEvent({
      id: `reply-to-${id}`,
      source: "/javascript",
      type: "received",
      datacontenttype: "application/json",
      data: { by: "javascript" },
    });
    const { headers, body } = HTTP.structured(reply);
    response.writeHead(200, headers).end(body);
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
