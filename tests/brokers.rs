//! The brokers that other tests run against are real and answer: Apache Kafka and the NATS server.

#[path = "brokers/mod.rs"]
mod brokers;

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use runtime::block_on;

/// A runtime for a call or two.
mod runtime {
    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn kafka_keeps_what_is_produced_in_its_order() {
    let address = brokers::kafka();
    let topic = brokers::unique("smoke");
    let config = |more: &[(&str, &str)]| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address);
        for (name, value) in more {
            config.set(*name, *value);
        }
        config
    };
    let admin: AdminClient<DefaultClientContext> = config(&[]).create().unwrap();
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let made = block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");

    let producer: BaseProducer = config(&[("enable.idempotence", "true")]).create().unwrap();
    for n in 0..100 {
        let payload = n.to_string();
        producer.send(BaseRecord::<str, str>::to(&topic).payload(&payload).key("k")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();

    let consumer: BaseConsumer =
        config(&[("group.id", &topic), ("auto.offset.reset", "earliest")]).create().unwrap();
    consumer.subscribe(&[&topic]).unwrap();
    for n in 0..100 {
        // Nothing at all also stands for a group that gathers.
        let until = Instant::now() + PATIENCE;
        let message = std::iter::from_fn(|| (Instant::now() < until).then(|| consumer.poll(PATIENCE)));
        let message = message.flatten().next().expect("it is there").unwrap();
        assert_eq!((message.offset(), message.payload()), (n, Some(n.to_string().as_bytes())));
    }
}

#[test]
fn nats_acknowledges_what_it_has_stored() {
    let address = brokers::nats();
    let name = brokers::unique("smoke");
    block_on(async {
        let client = async_nats::connect(&address).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let stream = async_nats::jetstream::stream::Config {
            name: name.clone(),
            subjects: vec![format!("{name}.>")],
            ..Default::default()
        };
        let mut stream = jetstream.create_stream(stream).await.unwrap();
        for n in 1..=10_u64 {
            let ack = jetstream.publish(format!("{name}.orders"), "x".into()).await.unwrap().await.unwrap();
            assert_eq!(ack.sequence, n);
        }
        assert_eq!(stream.info().await.unwrap().state.messages, 10);
        jetstream.delete_stream(&name).await.unwrap();
    });
}
