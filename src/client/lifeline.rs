//! Clients that live long and have lost all of their brokers. librdkafka forgets the brokers that an answer does not name; one
//! that has just started may name none, itself included, and the client then looks for no other, for ever (librdkafka 5301).
//! So each is asked now and then whether it hears anybody, and told of its servers anew if not.

#![allow(unsafe_code)] // The crate has no way to tell a client of servers.

use std::ffi::CString;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

use super::kafka::Native;

/// How often each is asked.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long it has for an answer.
const PATIENCE_MS: i32 = 2000;
/// After so many times without one it is told more seldom: what it is told is kept.
const OFTEN: u32 = 12;

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

struct Line {
    client: Weak<dyn Native + Send + Sync>,
    servers: CString,
    /// So often in a row it has heard nobody.
    missed: u32,
}

/// Looks after a client, for as long as it lives.
pub fn keep<T: Native + Send + Sync + 'static>(servers: &str, client: &Arc<T>) {
    let client: Weak<T> = Arc::downgrade(client);
    let servers = CString::new(servers).expect("servers are read from documents, or an option");
    LINES.lock().unwrap_or_else(PoisonError::into_inner).push(Line { client, servers, missed: 0 });
}

/// Looks at all of them, for ever. Must be called on a tokio runtime.
pub async fn watch() {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

/// At each once.
pub fn look() {
    let mut lines = std::mem::take(&mut *LINES.lock().unwrap_or_else(PoisonError::into_inner));
    lines.retain_mut(Line::look);
    LINES.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
}

impl Line {
    /// Is its client still there?
    fn look(&mut self) -> bool {
        let Some(client) = self.client.upgrade() else { return false };
        if hears(client.native()) {
            self.missed = 0;
            return true;
        }
        self.missed += 1;
        if self.missed <= OFTEN || self.missed.is_multiple_of(OFTEN) {
            tracing::debug!("a Kafka client hears no broker: it is told of its servers anew");
            // SAFETY: the client lives, and the text is copied.
            unsafe { native::rd_kafka_brokers_add(client.native(), self.servers.as_ptr()) };
        }
        true
    }
}

/// Any broker that says who the others are.
fn hears(client: *mut RDKafka) -> bool {
    let mut found = ptr::null();
    // SAFETY: whoever calls holds the client; what it finds is ours, and given back.
    unsafe {
        let error = native::rd_kafka_metadata(client, 0, ptr::null_mut(), &raw mut found, PATIENCE_MS);
        if found.is_null() {
            return false;
        }
        let named = (*found).broker_cnt > 0;
        native::rd_kafka_metadata_destroy(found);
        named && error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}
