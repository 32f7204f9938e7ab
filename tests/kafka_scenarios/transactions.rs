//! Partitions that end in what is no record: the markers of transactions, and records of those that were aborted.

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::brokers;
use crate::kafka::{Topic, once_each};
use crate::worker::{Running, eventually, patience};

#[test]
fn markers_and_aborted_records_are_committed_past() {
    let topic = Topic::new(3);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &topic.address).set("transactional.id", brokers::unique("transaction"));
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(patience()).unwrap();
    let transaction = |partition: i32, count: usize, commits: bool| {
        producer.begin_transaction().unwrap();
        for _ in 0..count {
            let record = BaseRecord::<[u8], [u8]>::to(&topic.name).partition(partition).payload(b"{}");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(patience()).unwrap();
        match commits {
            true => producer.commit_transaction(patience()).unwrap(),
            false => producer.abort_transaction(patience()).unwrap(),
        }
    };
    // One ends in a marker, one in aborted records and theirs, and of one there is nothing else.
    transaction(0, 10, true);
    transaction(1, 10, true);
    transaction(1, 5, false);
    transaction(2, 5, false);
    let home = topic.home("");
    let running = Running::start(&home, &[]);
    // A marker may be written after its transaction has ended: there is no lag then before it, either.
    let committed_are = |offsets: [i64; 3]| {
        eventually("it is committed past", || {
            topic.committed().into_values().map(|(offset, _)| offset).eq(offsets).then_some(())
        });
    };
    committed_are([11, 17, 6]);
    // While it stands there, too.
    transaction(0, 3, false);
    transaction(2, 4, true);
    committed_are([15, 17, 11]);
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 24);
}
