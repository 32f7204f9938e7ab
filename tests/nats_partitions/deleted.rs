//! Durables of partitions that are deleted, and their stream: they are waited for, and it goes on with those that are made anew.

use crate::nats::Stream;
use crate::nats::keys::{events, in_order};
use crate::server::Server;
use crate::worker::{Home, Running, eventually};
use crate::{OPTIONS, PARTITIONS, alone, homes, ids, until_done};

fn set_up(home: &Home) {
    let made = home.weir(&["setup", "documents.yaml"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
}

#[test]
fn durables_of_partitions_and_their_stream_are_waited_for() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let home = homes(&stream, 1, &server, "/nap/1", "{retry: 3}").pop().unwrap();
    let running = Running::start(&home, &OPTIONS);
    let delivered = |events: usize| {
        eventually("all are delivered", || (ids(&server, "/nap/1").len() == events).then_some(()));
        until_done(&stream);
    };
    stream.publish_keyed(&events(0..60, 10));
    delivered(60);
    // One that is made anew begins where the document says.
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    home.write(
        "documents.yaml",
        documents.replace("partitions: 6", "partitions: 6\n  initialPosition: latest").as_bytes(),
    );
    (0..PARTITIONS).for_each(|number| stream.delete_consumer(&format!("weir-{number}")));
    eventually("it says what is missing", || running.log().contains("weir-3 of the stream").then_some(()));
    assert!(running.log().contains("is gone: it is waited for"), "{}", running.log());
    set_up(&home);
    stream.publish_keyed(&events(60..120, 10));
    delivered(120);

    stream.delete();
    eventually("it says what is missing", || running.log().contains("is not there").then_some(()));
    stream.create_partitioned(PARTITIONS);
    set_up(&home);
    stream.publish_keyed(&events(120..180, 10));
    delivered(180);
    assert_eq!(running.terminate().code, Some(0));
    let got = ids(&server, "/nap/1");
    in_order(&got, 10);
    assert_eq!(got.len(), 180, "none twice");
}
