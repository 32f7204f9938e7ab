package main

import (
	"fmt"
	"strings"
	"testing"

	"payment-go/weir"
)

func answer(kind, data string) string {
	event := fmt.Sprintf(`{"specversion":"1.0","id":"o-1","source":"/shop","type":"%s","data":%s}`, kind, data)
	return string(weir.Respond([]byte(event), handle))
}

func TestAnOrderOverTheLimitIsFlagged(t *testing.T) {
	said := answer("order.created", `{"order_id":"A7","amount":10000.010,"currency":"EUR","items":[]}`)
	expected := `{"data":{"order_id":"A7","amount":10000.010,"currency":"EUR","decision":"flagged"},` +
		`"datacontenttype":"application/json","id":"o-1/payment","specversion":"1.0","type":"order.flagged"}`
	if said != expected {
		t.Errorf("expected %s\nactual %s", expected, said)
	}
}

func TestOtherOrdersAndTypes(t *testing.T) {
	for _, one := range []struct{ kind, data, part string }{
		{"order.created", `{"order_id":"A7","amount":10000.00,"currency":"EUR"}`, `"type":"payment.processed"`},
		{"order.created", `{"order_id":"A7","amount":"much","currency":"EUR"}`, `"code":"invalid-amount"`},
		{"order.created", `{"amount":1,"currency":"EUR"}`, `{"error":{"retry":false,"code":"invalid-data"`},
		{"order.created", `null`, `"code":"invalid-data"`},
	} {
		if said := answer(one.kind, one.data); !strings.Contains(said, one.part) {
			t.Errorf("%s is not in %s", one.part, said)
		}
	}
	if said := answer("order.cancelled", "{}"); said != "" {
		t.Errorf("no reply was expected: %s", said)
	}
}
