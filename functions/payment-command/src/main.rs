//! An order over 10,000 is flagged, any other is processed: a program like any other, which knows nothing of weir. It is
//! started anew for every event.

use std::io;

use serde_json::{json, Value};

const LIMIT: f64 = 10_000.0;

fn main() -> io::Result<()> {
    let event: Value = serde_json::from_reader(io::stdin().lock())?;
    if let Some(answer) = answer(&event) {
        println!("{answer}");
    }
    Ok(())
}

fn answer(event: &Value) -> Option<Value> {
    if event["type"] != "order.created" {
        return None;
    }
    let data = &event["data"];
    let [order_id, amount, currency] = ["order_id", "amount", "currency"].map(|name| &data[name]);
    if order_id.is_null() || amount.is_null() || currency.is_null() {
        return Some(failure("invalid-data", "data: order_id, amount or currency is missing"));
    }
    let Some(number) = amount.as_f64() else {
        return Some(failure("invalid-amount", &format!("data.amount is {amount}, no number")));
    };
    let (ty, decision) =
        if number > LIMIT { ("order.flagged", "flagged") } else { ("payment.processed", "processed") };
    Some(json!({
        "specversion": "1.0",
        "type": ty,
        "id": format!("{}/payment", event["id"].as_str().unwrap_or_default()),
        "datacontenttype": "application/json",
        "data": { "order_id": order_id, "amount": amount, "currency": currency, "decision": decision },
    }))
}

fn failure(code: &str, message: &str) -> Value {
    json!({ "error": { "retry": false, "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ty: &str, data: &str) -> Option<Value> {
        answer(&json!({ "id": "o-1", "type": ty, "data": serde_json::from_str::<Value>(data).unwrap() }))
    }

    #[test]
    fn an_order_over_the_limit_is_flagged() {
        let answer = of("order.created", r#"{"order_id":"A7","amount":10000.010,"currency":"EUR"}"#).unwrap();
        assert_eq!((&answer["type"], &answer["id"]), (&json!("order.flagged"), &json!("o-1/payment")));
        assert_eq!(answer["data"]["amount"].to_string(), "10000.010");
        let answer = of("order.created", r#"{"order_id":"A7","amount":10000,"currency":"EUR"}"#).unwrap();
        assert_eq!(answer["type"], "payment.processed");
    }

    #[test]
    fn what_is_no_order_fails_or_has_no_answer() {
        assert_eq!(of("order.cancelled", "{}"), None);
        assert_eq!(of("order.created", "null").unwrap()["error"]["code"], "invalid-data");
        let answer = of("order.created", r#"{"order_id":"A7","amount":"much","currency":"EUR"}"#).unwrap();
        assert_eq!(answer["error"]["code"], "invalid-amount");
    }
}
