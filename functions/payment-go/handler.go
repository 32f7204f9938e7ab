// An order over 10,000 is flagged, any other is processed.
package main

import (
	"encoding/json"
	"fmt"

	"payment-go/weir"
)

const limit = 10_000.0

func init() { weir.Handle(handle) }

// The host calls handle; a module needs a main all the same.
func main() {}

// An order's amount is kept as text, so that the reply carries its very digits.
type order struct {
	OrderID  *string         `json:"order_id"`
	Amount   json.RawMessage `json:"amount"`
	Currency *string         `json:"currency"`
}

type decided struct {
	order
	Decision string `json:"decision"`
}

func handle(event weir.Event) ([]weir.Reply, error) {
	if event.Type != "order.created" {
		return nil, nil
	}
	var order order
	if err := event.Data(&order); err != nil {
		return nil, err
	}
	if order.OrderID == nil || order.Amount == nil || order.Currency == nil {
		return nil, weir.Permanent("invalid-data", "data: order_id, amount or currency is missing")
	}
	var amount float64
	if err := json.Unmarshal(order.Amount, &amount); err != nil {
		return nil, weir.Permanent("invalid-amount", fmt.Sprintf("data.amount is %s, no number", order.Amount))
	}
	kind, decision := "payment.processed", "processed"
	if amount > limit {
		kind, decision = "order.flagged", "flagged"
	}
	return weir.Replies(weir.Reply{Type: kind, ID: event.ID + "/payment", Data: decided{order, decision}})
}
