import assert from "node:assert/strict";
import test from "node:test";

import handle from "./payment.js";

const order = (data) => ({ specversion: "1.0", id: "o-1", source: "/shop", type: "order.created", data });

test("an order over the limit is flagged", () => {
  assert.deepEqual(handle(order({ order_id: "A7", amount: 10000.01, currency: "EUR", items: [] })), {
    type: "order.flagged",
    id: "o-1/payment",
    data: { order_id: "A7", amount: 10000.01, currency: "EUR", decision: "flagged" },
  });
});

test("an order at the limit is processed", () => {
  assert.equal(handle(order({ order_id: "A7", amount: 10000, currency: "EUR" })).type, "payment.processed");
});

test("a bad order is a permanent failure", () => {
  const bad = { code: "invalid-amount", retry: false };
  assert.throws(() => handle(order({ order_id: "A7", amount: "much", currency: "EUR" })), bad);
  assert.throws(() => handle(order(undefined)), { code: "invalid-data", retry: false });
});

test("another type has no reply", () => {
  assert.equal(handle({ type: "order.cancelled", data: {} }), undefined);
});
