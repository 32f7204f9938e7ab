//! The example function: an order over 10,000 is flagged, any other is processed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use weir_guest::{Error, Event, Reply};

const LIMIT: f64 = 10_000.0;

weir_guest::handler!(handle);

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    order_id: Cow<'a, str>,
    /// Kept as text, so that the reply carries the very digits of the order.
    #[serde(borrow)]
    amount: &'a RawValue,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

#[derive(Serialize)]
struct Decided<'a> {
    order_id: &'a str,
    amount: &'a RawValue,
    currency: &'a str,
    decision: &'static str,
}

pub fn handle(event: Event<'_>) -> Result<Option<Reply>, Error> {
    if event.ty != "order.created" {
        return Ok(None);
    }
    let order: Order<'_> = event.data()?;
    let amount: f64 = serde_json::from_str(order.amount.get()).map_err(|_| {
        Error::permanent("invalid-amount", format!("data.amount is {}, no number", order.amount))
    })?;
    let (ty, decision) =
        if amount > LIMIT { ("order.flagged", "flagged") } else { ("payment.processed", "processed") };
    let decided =
        Decided { order_id: &order.order_id, amount: order.amount, currency: &order.currency, decision };
    Reply::new(ty).id(format!("{}/payment", event.id)).data(&decided).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ty: &str, data: &str) -> String {
        let event =
            format!(r#"{{"specversion":"1.0","id":"o-1","source":"/shop","type":"{ty}","data":{data}}}"#);
        let mut output = Vec::new();
        weir_guest::respond(event.as_bytes(), handle, &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn an_order_over_the_limit_is_flagged() {
        assert_eq!(
            answer("order.created", r#"{"order_id":"A7","amount":10000.01,"currency":"EUR","items":[]}"#),
            concat!(
                r#"{"specversion":"1.0","type":"order.flagged","id":"o-1/payment","#,
                r#""datacontenttype":"application/json","#,
                r#""data":{"order_id":"A7","amount":10000.01,"currency":"EUR","decision":"flagged"}}"#
            )
        );
    }

    #[test]
    fn an_order_at_the_limit_is_processed() {
        let output = answer("order.created", r#"{"order_id":"A7","amount":10000.00,"currency":"EUR"}"#);
        assert!(output.contains(r#""type":"payment.processed""#), "{output}");
        assert!(output.contains(r#""amount":10000.00,"currency":"EUR","decision":"processed""#), "{output}");
    }

    #[test]
    fn another_type_has_no_reply() {
        assert_eq!(answer("order.cancelled", "{}"), "");
    }

    #[test]
    fn bad_data_is_a_permanent_error() {
        let output = answer("order.created", r#"{"order_id":"A7","amount":"much","currency":"EUR"}"#);
        assert_eq!(
            output,
            r#"{"error":{"retry":false,"code":"invalid-amount","message":"data.amount is \"much\", no number"}}"#
        );
        let output = answer("order.created", r#"{"amount":1,"currency":"EUR"}"#);
        assert!(output.starts_with(r#"{"error":{"retry":false,"code":"invalid-data""#), "{output}");
        assert!(output.contains("order_id"), "{output}");
    }
}
