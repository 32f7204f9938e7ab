//! Shipment: what attempts cost reaches billing whole, each charge once, whatever the receiver does and however often the worker
//! is killed. WEIR_SEED repeats the kills; WEIR_BILLING_KILLS says how many.

mod worker;

#[allow(dead_code)]
#[path = "storm/dice.rs"]
mod dice;
#[path = "billing/ledger.rs"]
mod ledger;
#[path = "billing/receiver.rs"]
mod receiver;

use std::collections::{BTreeMap, BTreeSet};

use dice::Dice;
use ledger::Ledger;
use receiver::{MOODS, Mood, Receiver};
use serde_json::Value;
use weir::worker::query::EntryLine;
use worker::{Connection, Home, Running, eventually, guests};

/// Two functions with a price each, one of which traps on a `!`; `billing` is the BillingSink's spec.
fn home(billing: &str) -> Home {
    let home = Home::new(&format!(
        "apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: brittle}}
spec: {{module: brittle.wasm, tenant: '$customer, acme', price: {{call: '0.0000002', gibMillisecond: '0.000000017'}}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: all}}
spec:
  broker: default
  subscriber: {{ref: {{kind: Function, name: brittle}}}}
  delivery: {{retry: 2, backoffPolicy: linear, backoffDelay: PT0.01S}}
---
apiVersion: weir.dev/v1alpha1
kind: BillingSink
metadata: {{name: usage}}
spec: {billing}
"
    ));
    home.write("brittle.wasm", &guests::brittle());
    home
}

fn http(receiver: &Receiver, more: &str) -> Home {
    home(&format!("{{http: {{url: '{}'}}, interval: PT0.05S{more}}}", receiver.url()))
}

/// What of the journal is to be charged: the entries of each charge.
fn charges(home: &Home) -> BTreeMap<String, Vec<EntryLine>> {
    let mut charges: BTreeMap<String, Vec<EntryLine>> = BTreeMap::new();
    for entry in home.journal() {
        charges.entry(entry.charge.clone()).or_default().push(entry);
    }
    charges
}

fn all_have_gone(home: &Home, receiver: &Receiver, events: usize) {
    eventually("all events have been attempted, and all of that has gone", || {
        let about: BTreeSet<String> =
            charges(home).into_values().map(|entries| entries[0].event_id.clone()).collect();
        let status = home.status();
        // What is tried again has an entry already.
        let is_over = (status.events_in_flight, status.held, status.parked) == (0, 0, 0);
        (about.len() == events && is_over && receiver.state().first.len() == charges(home).len())
            .then_some(())
    });
}

fn metric(running: &Running, name: &str) -> Option<String> {
    let text = Connection::open(running.admin()).unwrap().get("/metrics").unwrap().text();
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

#[test]
fn each_attempt_is_shipped_once_in_order_and_nothing_again_after_a_clean_stop() {
    let receiver = Receiver::start();
    receiver.state().token = Some("open sesame".to_owned());
    let token = "token: {secretKeyRef: {name: billing, key: token}}";
    let home = home(&format!(
        "{{http: {{url: '{}', {token}}}, batch: 7, interval: PT0.05S, subjects: {{acme: cus_1}}}}",
        receiver.url()
    ));
    let refused = Running::try_start(&home, &[]).unwrap_err();
    assert!(refused.log.contains("BillingSink default/usage: the secret 'billing/token'"), "{}", refused.log);
    home.secret("billing/token", "open");
    let running = Running::start(&home, &[]);
    for n in 0..40 {
        let (data, customer) = if n % 10 == 3 { ("{\"a\":\"!\"}", "globex") } else { ("{}", "") };
        let more: &[(&str, &str)] = if customer.is_empty() { &[] } else { &[("ce-customer", customer)] };
        running.publish("t", &format!("e-{n}"), more, data);
    }
    eventually("it knocks, and may not come in", || (receiver.state().requests > 1).then_some(()));
    // The right token is read from its file as soon as it is there.
    home.secret("billing/token", "open sesame");
    all_have_gone(&home, &receiver, 40);
    let entries = home.journal();
    {
        let state = receiver.state();
        assert_eq!(state.wrong, Vec::<String>::new());
        let charges: Vec<_> = entries.iter().map(|entry| entry.charge.clone()).collect();
        assert_eq!(state.order, charges, "in the order of the journal");
        assert_eq!(state.received, entries.len());
        assert!(state.batches.iter().all(|batch| *batch <= 7), "{:?}", state.batches);
        let subject = |id: &str| {
            let found = state.first.values().find(|event| event["data"]["event_id"] == id).unwrap();
            (found["subject"].clone(), found["data"]["tenant"].clone(), found["data"]["cause"].clone())
        };
        assert_eq!(subject("e-1"), ("cus_1".into(), "acme".into(), "first".into()));
        assert_eq!((subject("e-3").0, subject("e-3").1), ("globex".into(), "globex".into()));
        let retries = state.first.values().filter(|event| event["data"]["cause"] == "retry").count();
        assert_eq!(retries, 8, "four events, each tried again twice");
    }
    eventually("the numbers say so", || {
        let shipped = metric(&running, "weir_shipped_entries_total{sink=\"default/usage\"}");
        let waiting = metric(&running, "weir_waiting_entries{sink=\"default/usage\"}");
        (shipped == Some(entries.len().to_string()) && waiting == Some("0".to_owned())).then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));
    let running = Running::start(&home, &[]);
    running.publish("t", "one more", &[], "{}");
    all_have_gone(&home, &receiver, 41);
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(receiver.state().received, entries.len() + 1);
}

#[test]
fn a_charge_that_is_refused_is_put_aside_and_the_others_go_on() {
    let receiver = Receiver::start();
    receiver.state().poison = Some("e-13".to_owned());
    let home = http(&receiver, ", batch: 8");
    let running = Running::start(&home, &[]);
    for n in 0..30 {
        running.publish("t", &format!("e-{n}"), &[], "{}");
    }
    eventually("the others are there", || (receiver.state().first.len() == 29).then_some(()));
    eventually("it is counted", || {
        let aside = metric(&running, "weir_quarantined_entries_total{sink=\"default/usage\"}")?;
        (aside == "1").then_some(())
    });
    running.publish("t", "after", &[], "{}");
    eventually("and it goes on", || (receiver.state().first.len() == 30).then_some(()));
    let kept = std::fs::read_to_string(home.data().join("shipments/default.usage.refused.jsonl")).unwrap();
    let line: Value = serde_json::from_str(kept.trim_end()).unwrap();
    assert_eq!(line["event"]["data"]["event_id"], "e-13");
    assert!(line["refused"].as_str().unwrap().contains("400"), "{line}");
    assert!(running.said("billing refuses a charge for good").is_some());
    assert_eq!(receiver.state().received, 30, "nothing was sent twice for it");
}

#[test]
fn a_file_gets_a_line_for_each_attempt() {
    for (name, head) in [("usage.jsonl", 0), ("usage.csv", 1)] {
        let home = home(&format!("{{file: {{path: {name}}}, interval: PT0.05S}}"));
        let running = Running::start(&home, &[]);
        for n in 0..20 {
            running.publish("t", &format!("e-{n}"), &[], "{}");
        }
        let lines = || std::fs::read_to_string(home.path().join(name)).unwrap_or_default();
        eventually("they are there", || (lines().lines().count() == 20 + head).then_some(()));
        let text = lines();
        assert!(charges(&home).keys().all(|charge| text.contains(charge)), "{text}");
        assert_eq!(running.terminate().code, Some(0));
    }
}

/// The worker stops taking events in rather than forget what they cost, says so, and goes on when billing is back.
#[test]
fn a_journal_that_is_full_of_what_billing_does_not_take_stops_the_intake() {
    let receiver = Receiver::start();
    receiver.be(Mood::Down);
    let home = http(&receiver, ", batch: 1000");
    let options = ["--set", "journal.max-bytes=1MiB", "--set", "journal.keep=0B"];
    let running = Running::start(&home, &options);
    let mut connection = running.connect();
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let mut published = 0;
    let refused = eventually("the journal is full", || {
        let event =
            |n| format!("{{\"specversion\":\"1.0\",\"id\":\"e-{n}\",\"source\":\"/shop\",\"type\":\"t\"}}");
        let events: Vec<String> = (published..published + 200).map(event).collect();
        let response = connection.post("/", &headers, format!("[{}]", events.join(",")).as_bytes()).unwrap();
        if response.status == 202 {
            published += 200;
            return None;
        }
        Some(response)
    });
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains("journal.max-bytes"), "{}", refused.text());
    let ready = Connection::open(running.admin()).unwrap().get("/readyz").unwrap();
    assert!(ready.status == 503 && ready.text().contains("the journal is full"), "{}", ready.text());
    assert!(running.said("no events are taken in").is_some());
    let running = {
        running.kill();
        Running::start(&home, &options)
    };
    receiver.be(Mood::Well);
    eventually("it is ready again", || {
        let ready = Connection::open(running.admin()).unwrap().get("/readyz").unwrap();
        (ready.status == 200).then_some(())
    });
    eventually("everything has gone", || (receiver.state().first.len() == published).then_some(()));
    eventually("and its disk is given back", || {
        running.publish("t", "x", &[], "{}");
        let volumes = std::fs::read_dir(home.data().join("journal")).unwrap().count();
        (volumes <= 2).then_some(())
    });
}

/// Their queues and listeners number their events alike; what tells them apart is kept with the data, and a restart finds it.
#[test]
fn no_two_workers_charges_have_one_id_and_a_restart_goes_on_with_its_own() {
    let receiver = Receiver::start();
    let homes = [http(&receiver, ""), http(&receiver, "")];
    let mut sources = [BTreeSet::new(), BTreeSet::new()];
    let mut total = 0;
    for (turn, mode) in ["http.mode=stored", "http.mode=stored", "http.mode=direct"].into_iter().enumerate() {
        for (which, home) in homes.iter().enumerate() {
            let running = Running::start(home, &["--set", mode]);
            for n in 0..10 {
                running.publish("t", &format!("{which}-{turn}-{n}"), &[], "{}");
            }
            total += 10;
            eventually("they are billed", || (receiver.state().first.len() == total).then_some(()));
            assert_eq!(running.terminate().code, Some(0));
            let begin = format!("{which}-");
            let mine = |event: &&Value| event["data"]["event_id"].as_str().unwrap().starts_with(&begin);
            let state = receiver.state();
            sources[which] =
                state.first.values().filter(mine).map(|event| event["source"].to_string()).collect();
            let ids: BTreeSet<&String> = state.first.keys().map(|(_, id)| id).collect();
            assert_eq!(ids.len(), total, "whatever their sources");
        }
    }
    let [one, other] = &sources;
    assert_eq!((one.len(), other.len()), (2, 2), "a queue and a listener");
    assert_eq!(
        one.intersection(other).count(),
        1,
        "the listeners are called alike, and have partitions of their own"
    );
}

#[test]
fn every_charge_is_received_however_often_the_worker_is_killed() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seed = number("WEIR_SEED").unwrap_or(11);
    let kills = number("WEIR_BILLING_KILLS").unwrap_or(8);
    println!("WEIR_SEED={seed}");
    let mut dice = Dice::new(seed);
    let receiver = Receiver::start();
    let home = http(&receiver, ", batch: 16");
    let options = ledger::ROOM;
    let mut running = Running::start(&home, &options);
    let (mut published, mut ledger) = (0, Ledger::default());
    for _ in 0..kills {
        receiver.be(MOODS[dice.within(0..MOODS.len() as u64) as usize]);
        let mut connection = running.connect();
        for _ in 0..dice.within(1..60) {
            let data = if dice.within(0..9) == 0 { "{\"a\":\"!\"}" } else { "{}" };
            // Long, so that volumes are full soon.
            let id = format!("e-{published}-{}", "x".repeat(1_000));
            // One that is not answered is sent again, and is another event then: it has another id.
            published += 1;
            let response = worker::running::post(&mut connection, "t", &id, &[], data).unwrap();
            assert_eq!(response.status, 202, "{}", response.text());
        }
        if dice.within(0..3) == 0 {
            receiver.be(Mood::Well);
        }
        std::thread::sleep(std::time::Duration::from_micros(dice.within(0..150_000)));
        running.kill();
        ledger.look(0, &home);
        running = Running::start(&home, &options);
    }
    receiver.be(Mood::Well);
    eventually("all events are done, and all of that has gone", || {
        let status = home.status();
        let is_done = status.events_in_flight + status.held + status.parked == 0;
        let waiting = metric(&running, "weir_waiting_entries{sink=\"default/usage\"}")?;
        let about: BTreeSet<String> =
            receiver.state().first.values().map(|event| event["data"]["event_id"].to_string()).collect();
        (is_done && waiting == "0" && about.len() == published).then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));
    ledger.look(0, &home);
    let state = receiver.state();
    assert_eq!(state.wrong, Vec::<String>::new());
    let billed: BTreeSet<&String> = state.first.keys().map(|(_, id)| id).collect();
    assert_eq!(billed, ledger.charges().collect(), "what was received is what was attempted");
    state.first.values().for_each(|event| ledger.assert_knows(event));
    assert!(kills < 100 || ledger.dropped() == 1, "volumes have been dropped");
    println!(
        "{kills} kills: {published} events, {} charges, received {} times in {} requests",
        state.first.len(),
        state.received,
        state.requests
    );
}

/// By tenant, function and second: attempts, nanoseconds, and trillionths of money.
type Sums = BTreeMap<(String, String, String), (u64, u64, u128)>;

/// What the journal comes to: of each charge the first.
fn sums_of_the_journal(home: &Home) -> Sums {
    let mut sums = Sums::new();
    let mut met = BTreeSet::new();
    for entry in home.journal() {
        if !met.insert(entry.charge.clone()) {
            continue;
        }
        let second = i128::from(entry.ended_unix_ns - entry.ended_unix_ns % 1_000_000_000);
        let second = jiff::Timestamp::from_nanosecond(second).unwrap().to_string();
        let sum = sums.entry((entry.tenant, entry.function, second)).or_default();
        *sum = (sum.0 + 1, sum.1 + entry.wall_ns, sum.2 + entry.price.0);
    }
    sums
}

/// What was received comes to: of each id the first.
fn sums_received(receiver: &Receiver) -> Sums {
    let mut sums = Sums::new();
    for event in receiver.state().first.values() {
        let data = &event["data"];
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        let number = |name: &str| data[name].as_u64().unwrap();
        assert_eq!((&event["type"], &event["time"]), (&"dev.weir.usage.rollup.v1".into(), &data["from"]));
        let price: weir::money::Money = serde_json::from_value(data["price"].clone()).unwrap();
        let sum = sums.entry((text("tenant"), text("function"), text("from"))).or_default();
        *sum = (sum.0 + number("attempts"), sum.1 + number("wall_ns"), sum.2 + price.0);
    }
    sums
}

/// Sums go where the sink wants them, each under one id with one content, and they come to what the journal has, to the
/// nanosecond, whatever is killed and however the receiver is.
#[test]
fn sums_of_windows_come_to_the_same() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (seed, kills) = (number("WEIR_SEED").unwrap_or(17), number("WEIR_BILLING_KILLS").unwrap_or(6));
    println!("WEIR_SEED={seed}");
    let mut dice = Dice::new(seed);
    let receiver = Receiver::start();
    let home = http(&receiver, ", batch: 3, rollup: PT1S");
    // What is compared at the end is all of the journal, of however many kills.
    let kept = ["--set", "journal.keep=8GiB", "--set", "journal.max-bytes=16GiB"];
    let mut running = Running::start(&home, &kept);
    let mut published = 0;
    for turn in 0..kills {
        receiver.be(MOODS[dice.within(0..MOODS.len() as u64) as usize]);
        let until = std::time::Instant::now() + std::time::Duration::from_millis(dice.within(100..1800));
        while std::time::Instant::now() < until {
            let data = if dice.within(0..9) == 0 { "{\"a\":\"!\"}" } else { "{}" };
            let customer = ["acme", "globex", "initech"][dice.within(0..3) as usize];
            running.publish("t", &format!("e-{published}"), &[("ce-customer", customer)], data);
            published += 1;
        }
        if turn % 2 == 1 {
            receiver.be(Mood::Well);
            let before = receiver.state().received;
            eventually("a window is over, and its sums have come", || {
                running.publish("t", "another", &[], "{}");
                (receiver.state().received > before).then_some(())
            });
        }
        running.kill();
        running = Running::start(&home, &kept);
    }
    receiver.be(Mood::Lost);
    eventually("all has been attempted", || {
        let journal = home.journal();
        let about: BTreeSet<&str> = journal.iter().map(|entry| entry.event_id.as_str()).collect();
        (about.len() > published && home.status().events_in_flight == 0 && home.status().parked == 0)
            .then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));
    // What is not over yet goes when somebody says that nothing more comes.
    receiver.be(Mood::Well);
    let rescued = home.weir(&["journal", "rescue", "documents.yaml"]);
    assert!(rescued.status.success(), "{rescued:?}");
    let (journal, received) = (sums_of_the_journal(&home), sums_received(&receiver));
    assert_eq!(received, journal);
    let state = receiver.state();
    assert_eq!(state.wrong, Vec::<String>::new());
    assert!(state.first.len() < home.journal().len() / 2, "{} sums", state.first.len());
    println!(
        "{kills} kills: {published} events, {} sums, received {} times",
        state.first.len(),
        state.received
    );
}

/// The disk goes with the worker: what was answered has been billed by then.
#[test]
fn without_a_lasting_disk_nothing_is_answered_before_billing_has_it() {
    let receiver = Receiver::start();
    let home = http(&receiver, ", batch: 16");
    let fleeting = ["--set", "data.durable=false", "--set", "http.mode=direct"];
    let options = [&fleeting[..], &["--set", "http.request-timeout=2s"]].concat();
    let refused = Running::try_start(&home, &options).unwrap_err();
    assert!(
        refused.log.contains("data.durable is false: the events of the Broker default/default"),
        "{}",
        refused.log
    );
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    let backed = "
---
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: away}
spec: {topic: away, bootstrapServers: ['127.0.0.1:1']}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default, annotations: {weir.dev/backing: KafkaSink/away}}
spec: {delivery: {deadLetterSink: {ref: {kind: KafkaSink, name: away}}}}
";
    home.write("documents.yaml", format!("{documents}{backed}").as_bytes());
    receiver.be(Mood::Lost);
    let mut running = Running::start(&home, &options);
    let post = |running: &Running, id: &str| {
        worker::running::post(&mut running.connect(), "t", id, &[], "{}").unwrap().status
    };
    assert_eq!(post(&running, "unknown"), 503, "billing has not said that it has it");
    let options = [&fleeting[..], &["--set", "http.request-timeout=60s"]].concat();
    let anew = |running: Running| {
        running.kill();
        std::fs::remove_dir_all(home.data()).unwrap();
        Running::start(&home, &options)
    };
    running = anew(running);
    let mut answered = Vec::new();
    for round in 0..4 {
        receiver.be(Mood::Well);
        for n in 0..10 {
            let id = format!("e-{round}-{n}");
            assert_eq!(post(&running, &id), 202);
            let billed = |event: &Value| event["data"]["event_id"] == id.as_str();
            assert!(receiver.state().first.values().any(billed), "{id} was answered and is not billed");
            answered.push(id);
        }
        receiver.be(MOODS[1 + round % 4]);
        running = anew(running);
    }
    let state = receiver.state();
    let billed: BTreeSet<&str> =
        state.first.values().map(|event| event["data"]["event_id"].as_str().unwrap()).collect();
    assert!(answered.iter().all(|id| billed.contains(id.as_str())));
}
