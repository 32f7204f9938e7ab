//! Brokers whose names lead nowhere from here, in documents and in what they say of each other.

use crate::brokers::{Own, free_port, unique};
use crate::kafka::{Topic, once_each};
use crate::worker::{Running, eventually};

#[test]
fn names_lead_where_they_are_told_also_those_that_brokers_say() {
    // It says of itself that it is elsewhere; what the tests read by is another listener.
    let local = free_port();
    let advertised =
        format!("advertised.listeners=PLAINTEXT://broker-0.invalid:9092,LOCAL://127.0.0.1:{local}\n");
    let far = Own::listening("detour", local, &advertised);
    let topic = Topic::at(&format!("127.0.0.1:{local}"), &unique("far"), 2);
    topic.create();
    let maps = [
        format!("--map-host=broker-0.invalid:9092={}", far.address),
        format!("--map-host=kafka.invalid={}", far.address),
    ];
    let maps = maps.each_ref().map(String::as_str);
    let home = topic.home("");
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    home.write("documents.yaml", documents.replace(&topic.address, "kafka.invalid:9092").as_bytes());
    let weir = |arguments: &[&str]| {
        let output = home.weir(&[arguments, &maps].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    // Brokers hear of a new topic a moment after whoever made it.
    eventually("all is there", || weir(&["setup", "documents.yaml"]).0.then_some(()));
    let target = format!("kafka://kafka.invalid:9092/{}", topic.name);
    let (went, said) = weir(&["publish", "--type", "order.created", "--count", "20", "--to", &target]);
    assert!(went, "{said}");
    let (went, said) = weir(&["tap", "orders", "documents.yaml", "--from", "earliest", "--format", "json"]);
    assert_eq!((went, said.lines().count()), (true, 20), "{said}");
    let running = Running::start(&home, &maps);
    eventually("all are done", || (home.succeeded("default/audit").len() == 20).then_some(()));
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 20);
    let (went, said) = weir(&["lag", "orders", "--in", "documents.yaml", "--format", "json"]);
    assert!(went && said.contains("\"lag\":0"), "{said}");
}
