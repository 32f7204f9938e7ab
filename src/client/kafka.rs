//! Clients of Kafka are made here: with where names of brokers lead, and a token if they log in with one.

use std::sync::Arc;

use rdkafka::admin::AdminClient;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafka;
use rdkafka::{ClientConfig, ClientContext};

use super::{bearer, detours, lifeline};

const SERVERS: &str = "bootstrap.servers";

/// Is it about a connection, perhaps one that was lost long before anybody asked? The client makes another by itself: whoever
/// reads goes on, and asks how long nothing has come.
pub fn is_of_a_connection(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
        )
    )
}

/// The client within, as C knows it.
pub trait Native {
    fn native(&self) -> *mut RDKafka;
}

impl<C: ConsumerContext> Native for BaseConsumer<C> {
    fn native(&self) -> *mut RDKafka {
        self.client().native_ptr()
    }
}

impl<C: ProducerContext> Native for BaseProducer<C> {
    fn native(&self) -> *mut RDKafka {
        self.client().native_ptr()
    }
}

impl<C: ProducerContext> Native for ThreadedProducer<C> {
    fn native(&self) -> *mut RDKafka {
        self.client().native_ptr()
    }
}

impl<C: ClientContext> Native for AdminClient<C> {
    fn native(&self) -> *mut RDKafka {
        self.inner().native_ptr()
    }
}

pub fn make<T: Native>(
    config: &ClientConfig,
    create: impl FnOnce(&ClientConfig) -> KafkaResult<T>,
) -> KafkaResult<T> {
    let client = match config.get(SERVERS).filter(|_| detours::are_set()) {
        None => create(config)?,
        Some(servers) => {
            // It asks for the addresses of what it knows at once, so it is told of servers after where they lead.
            let mut without = config.clone();
            without.remove(SERVERS);
            let client = create(&without)?;
            detours::follow(client.native(), servers);
            client
        }
    };
    bearer::log_in(config, client.native());
    Ok(client)
}

/// One that lives as long as the worker: of tokens it gets the next ones, too, and brokers that it has lost it finds again.
pub fn make_for_long<T: Native + Send + Sync + 'static>(
    config: &ClientConfig,
    create: impl FnOnce(&ClientConfig) -> KafkaResult<T>,
) -> KafkaResult<Arc<T>> {
    let client = Arc::new(make(config, create)?);
    bearer::stay_logged_in(config, &client);
    if let Some(servers) = config.get(SERVERS) {
        lifeline::keep(servers, &client);
    }
    Ok(client)
}
