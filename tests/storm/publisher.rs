//! A publisher that is never put off: it sends at full speed, one request at a time, and sends again whatever was not
//! answered 202, to whichever worker is there by then.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::dice::Dice;
use super::worker::Connection;

/// An order, and what the example makes of it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    amount: u64,
}

impl Order {
    pub(crate) fn reply_type(&self) -> &'static str {
        if self.amount > 10_000 { "order.flagged" } else { "payment.processed" }
    }

    fn data(&self) -> Value {
        json!({ "order_id": self.id, "amount": self.amount, "currency": "EUR" })
    }

    fn structured(&self) -> Value {
        let mut event = json!({ "specversion": "1.0", "type": "order.created", "source": "/shop", "id": self.id,
            "data": self.data() });
        if let Some(key) = &self.key {
            event["partitionkey"] = key.as_str().into();
        }
        event
    }
}

#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) number: u64,
    pub(crate) dice: Dice,
    /// Where the worker listens now.
    pub(crate) target: Arc<Mutex<SocketAddr>>,
    pub(crate) stop: Arc<AtomicBool>,
    /// A message for every 202.
    pub(crate) taken: Sender<()>,
}

/// What a publisher has done.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// In the order in which they were sent, each after the 202 for the one before.
    pub(crate) orders: Vec<Order>,
    /// Requests that were sent again.
    pub(crate) repeats: u64,
}

impl Publisher {
    /// Publishes until told to stop; what has been begun is brought to its 202.
    pub(crate) fn run(mut self) -> Published {
        let mut published = Published::default();
        let mut connection = None;
        while !self.stop.load(Ordering::Relaxed) {
            let count = if self.dice.within(0..3) == 0 { self.dice.within(2..20) } else { 1 };
            let first = published.orders.len() as u64;
            let orders: Vec<Order> = (first..first + count).map(|n| self.order(n)).collect();
            while !self.send(&mut connection, &orders) {
                published.repeats += 1;
            }
            published.orders.extend(orders);
            // Whoever counted may have seen enough.
            let _ = self.taken.send(());
        }
        published
    }

    fn order(&mut self, n: u64) -> Order {
        let key = match self.dice.within(0..8) {
            key @ 0..4 => Some(format!("customer-{}-{key}", self.number)),
            _ => None,
        };
        Order { id: format!("{}-{n}", self.number), key, amount: self.dice.within(1..20_000) }
    }

    /// True: answered 202. What an order alone is sent as is rolled anew for each try.
    fn send(&mut self, connection: &mut Option<Connection>, orders: &[Order]) -> bool {
        let answer = match connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(*self.target.lock().unwrap()),
        }
        .and_then(|mut open| {
            let response = post(&mut open, orders, self.dice.within(0..2) == 0)?;
            Ok((open, response))
        });
        match answer {
            Ok((open, response)) => {
                *connection = Some(open);
                let kept = matches!(response.status, 202 | 503);
                assert!(kept, "{}: {}", response.status, response.text());
                response.status == 202
            }
            Err(_) => {
                // Between two workers there is nobody to connect to.
                std::thread::sleep(Duration::from_millis(2));
                false
            }
        }
    }
}

fn post(
    connection: &mut Connection,
    orders: &[Order],
    binary: bool,
) -> std::io::Result<super::worker::Response> {
    match orders {
        [order] if binary => {
            let mut more = Vec::new();
            if let Some(key) = &order.key {
                more.push(("ce-partitionkey", key.as_str()));
            }
            let data = order.data().to_string();
            super::worker::running::post(connection, "order.created", &order.id, &more, &data)
        }
        [order] => {
            let body = order.structured().to_string();
            connection.post("/", &[("content-type", "application/cloudevents+json")], body.as_bytes())
        }
        orders => {
            let body = Value::from_iter(orders.iter().map(Order::structured)).to_string();
            connection.post("/", &[("content-type", "application/cloudevents-batch+json")], body.as_bytes())
        }
    }
}
