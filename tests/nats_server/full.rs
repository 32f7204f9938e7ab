//! Streams that are full and refuse what comes: it waits, the worker says so, and all of it is there when there is room.

use crate::nats::{self, Stream};
use crate::server::Server;
use crate::worker::{Home, Running, eventually, guests};

#[test]
fn dead_letters_wait_for_room_in_a_stream_that_is_full() {
    let (stream, letters) = (Stream::new(), Stream::new());
    letters.limit(4);
    let more = format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {{name: letters}}\nspec: {{servers: ['{}'], subject: \
         {}.dead}}\n---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: trap}}\nspec: {{module: trap.wasm}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: trap}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: bad}}}}\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: trap}}}}\n  delivery:\n    retry: 0\n    \
         deadLetterSink: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: NatsSink, name: letters}}}}\n",
        letters.address, letters.name,
    );
    let home = stream.home(&more);
    home.write("trap.wasm", &guests::guest("unreachable", ""));
    (0..12).for_each(|n| stream.publish("bad", &n.to_string(), "{}"));
    let running = Running::start(&home, &["--set", "breaker.failures=0"]);
    eventually("it is full", || (letters.messages() == 4).then_some(()));
    eventually("it says why the rest waits", || {
        running.log().contains("maximum messages exceeded").then_some(())
    });
    // What goes elsewhere does not wait.
    (12..30).for_each(|n| stream.publish("good", &n.to_string(), "{}"));
    eventually("the others are done", || (home.succeeded("default/audit").len() == 30).then_some(()));
    eventually("what has no dead letter is all that is not acknowledged", || {
        stream.lag().filter(|lag| (lag.pending, lag.unacknowledged) == (0, 8))
    });
    letters.limit(-1);
    eventually("all are there", || (letters.messages() == 12).then_some(()));
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert!(home.dead_letters().is_empty());
}

#[test]
fn what_can_t_be_parked_waits_in_memory() {
    let (stream, server) = (Stream::new(), Server::start());
    let trigger = format!(
        "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: ill}}\nspec:\n  broker: default\n  \
         subscriber: {{uri: '{}'}}\n  delivery: {{retry: 50, backoffDelay: PT1S, backoffPolicy: linear}}\n",
        server.url("/ill")
    );
    let home = Home::new(&stream.documents_with("", &format!("{}{trigger}", nats::AUDIT)));
    home.write("audit.wasm", &guests::audit());
    let running = Running::start(&home, &["--set", "hold.time=0s", "--set", "breaker.failures=0"]);
    eventually("it has a parking", || stream.lag_of_parking());
    stream.limit_parking(3);
    (0..10).for_each(|n| stream.publish("order.created", &format!("bad-{n}"), "{}"));
    eventually("it says why", || running.log().contains("maximum messages exceeded").then_some(()));
    stream.publish("order.created", "good", "{}");
    eventually("others go on", || (home.succeeded("default/ill").len() == 1).then_some(()));
    server.open_gate();
    stream.limit_parking(-1);
    eventually("all are delivered", || (home.succeeded("default/ill").len() == 11).then_some(()));
    stream.until_done();
    eventually("nothing is parked", || stream.lag_of_parking().filter(|lag| lag.sum() == 0));
    assert_eq!(running.terminate().code, Some(0));
    assert!(home.dead_letters().is_empty());
}
