//! What goes wrong around a consumer of a real Kafka: subscribers and sinks that are down, records of every kind, rebalances
//! without end. The right outcome of each, healthy events go on, and the lag that KEDA sees comes back to 0.
//!
//! Short here; the variables that make one long are named in it.

#[path = "brokers/mod.rs"]
mod brokers;
#[path = "kafka_scenarios/circle.rs"]
mod circle;
#[path = "kafka_scenarios/complaint.rs"]
mod complaint;
#[path = "kafka_scenarios/detour.rs"]
mod detour;
#[path = "kafka_scenarios/dlq.rs"]
mod dlq;
#[path = "kafka_scenarios/down.rs"]
mod down;
#[path = "kafka_scenarios/forgotten.rs"]
mod forgotten;
mod kafka;
#[path = "kafka_scenarios/letters.rs"]
mod letters;
#[path = "kafka_scenarios/login.rs"]
mod login;
#[path = "kafka_scenarios/offset_map.rs"]
mod offset_map;
#[path = "kafka_scenarios/records.rs"]
mod records;
#[path = "kafka/secured.rs"]
mod secured;
#[path = "subscribers/server.rs"]
mod server;
#[path = "kafka_scenarios/transactions.rs"]
mod transactions;
#[path = "kafka_scenarios/unrouted.rs"]
mod unrouted;
mod worker;

/// A KafkaSink, to stand before other documents.
fn sink(name: &str, address: &str, topic: &str) -> String {
    format!(
        "---\napiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {{name: {name}}}\nspec: {{topic: {topic}, \
         bootstrapServers: ['{address}']}}\n"
    )
}

/// A trigger of the broker `default` with a function of the same name, and what else its spec says.
fn run(name: &str, ty: &str, order: &str, more: &str) -> String {
    format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: {name}\n  annotations: {{weir.dev/delivery.order: \
         {order}}}\nspec:\n  broker: default\n  filter: {{attributes: {{type: {ty}}}}}\n  \
         subscriber: {{ref: {{kind: Function, name: {name}}}}}\n{more}"
    )
}

fn of_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}
