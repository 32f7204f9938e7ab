// An order over 10,000 is flagged, any other is processed.
const LIMIT = 10_000;

// An event that will fail however often it is tried. (Any other error is tried again.)
class Permanent extends Error {
  retry = false;
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export default function handle(event) {
  if (event.type !== "order.created") return;

  const { order_id, amount, currency } = event.data ?? {};
  if (order_id === undefined || amount === undefined || currency === undefined) {
    throw new Permanent("invalid-data", "data: order_id, amount or currency is missing");
  }
  if (typeof amount !== "number") {
    throw new Permanent("invalid-amount", `data.amount is ${JSON.stringify(amount)}, no number`);
  }

  const flagged = amount > LIMIT;
  return {
    type: flagged ? "order.flagged" : "payment.processed",
    id: `${event.id}/payment`,
    data: { order_id, amount, currency, decision: flagged ? "flagged" : "processed" },
  };
}
