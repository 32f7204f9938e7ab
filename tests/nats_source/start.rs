//! Where a durable begins that is made for a source.

use crate::nats::{self, Stream};
use crate::worker::{Home, Running, eventually, guests};
use crate::{alone, once_each};

/// Ten messages before the durable is made, the last five of them later, and ten after.
fn begun(spec: &str, annotations: impl Fn(&Stream) -> String) -> Vec<String> {
    let stream = Stream::new();
    stream.publish_all(0..5);
    let written: jiff::Timestamp = stream.written(5).parse().unwrap();
    eventually("it is another millisecond", || {
        (jiff::Timestamp::now().as_millisecond() > written.as_millisecond()).then_some(())
    });
    stream.publish_all(5..10);
    let metadata = format!("metadata: {{name: orders{}}}", annotations(&stream));
    let documents = stream.documents_with(spec, nats::AUDIT);
    let home = Home::new(&documents.replacen("metadata: {name: orders}", &metadata, 1));
    home.write("audit.wasm", &guests::audit());
    let running = Running::start(&home, &[]);
    eventually("it has a durable", || running.said("consumer taken: going on"));
    stream.publish_all(10..20);
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    let done = home.succeeded("default/audit");
    once_each(&done, done.len());
    let mut ids: Vec<_> = done.into_keys().collect();
    ids.sort_by_key(|id| id.parse::<u32>().unwrap());
    ids
}

fn ids(from: u32) -> Vec<String> {
    (from..20).map(|id| id.to_string()).collect()
}

#[test]
fn a_durable_that_is_new_begins_where_the_document_says() {
    let _alone = alone();
    assert_eq!(begun("initialPosition: latest", |_| String::new()), ids(10));
    assert_eq!(begun("initialPosition: earliest", |_| String::new()), ids(0));
    let since = |stream: &Stream| {
        // Documents say no more than milliseconds.
        format!(", annotations: {{weir.dev/initial-offset: \"{}Z\"}}", &stream.written(6)[..23])
    };
    assert_eq!(begun("", since), ids(5));
}
