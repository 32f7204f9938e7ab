//! A broker that lives in a topic: what is posted to it and what is replied comes round by a source, to any worker.

use crate::kafka::{Topic, once_each};
use crate::worker::{Home, Running, eventually, guests};
use crate::{run, sink};

#[test]
fn what_is_posted_and_replied_comes_round() {
    const EVENTS: usize = 200;
    let topic = Topic::new(4);
    let broker = "---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: default, annotations: \
                  {weir.dev/backing: KafkaSink/orders}}\n";
    let documents = [
        sink("orders", &topic.address, &topic.name),
        broker.to_owned(),
        run("first", "order.created", "key", ""),
        run("second", "order.checked", "key", ""),
        run("audit", "order.done", "key", ""),
    ];
    let homes = [(); 2].map(|()| Home::new(&topic.documents(&documents.concat())));
    for home in &homes {
        home.write("first.wasm", &guests::answering("order.checked"));
        home.write("second.wasm", &guests::answering("order.done"));
        home.write("audit.wasm", &guests::audit());
    }
    let running = homes.each_ref().map(|home| Running::start(home, &[]));
    for n in 0..EVENTS {
        running[n % 2].publish("order.created", &n.to_string(), &[("ce-partitionkey", &n.to_string())], "{}");
    }
    let done = |trigger: &str| {
        let mut all = homes[0].succeeded(trigger);
        homes[1].succeeded(trigger).into_iter().for_each(|(id, times)| *all.entry(id).or_default() += times);
        all
    };
    eventually("all have come round", || (done("default/audit").len() == EVENTS).then_some(()));
    topic.until_done();
    assert_eq!(topic.records().len(), 3 * EVENTS);
    for worker in running {
        assert_eq!(worker.terminate().code, Some(0));
    }
    for trigger in ["default/first", "default/second", "default/audit"] {
        once_each(&done(trigger), EVENTS);
    }
}
