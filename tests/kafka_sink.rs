//! What goes to Kafka is there before anything says so: replies, dead letters, parked records and the events of brokers,
//! against the real thing.

#[path = "kafka_sink/backing.rs"]
mod backing;
#[path = "brokers/mod.rs"]
mod brokers;
#[path = "kafka_sink/dead_letters.rs"]
mod dead_letters;
#[path = "kafka_sink/porter.rs"]
mod porter;
#[path = "kafka_sink/topic.rs"]
mod topic;
mod worker;
