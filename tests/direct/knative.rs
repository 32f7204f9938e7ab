//! A KafkaSource drives the sink: success, reply, retry, dead letter, overload.

use base64::Engine;

use super::kafka_source::KafkaSource;
use super::*;

#[test]
fn records_succeed_and_replies_come_back() {
    let home = home();
    let running = start(&home, &[]);
    let mut source = KafkaSource::new(running.http(), 3);
    source.deliver_event("nothing", "1", "{}");
    source.deliver_event("reply", "2", r#"{"n":1}"#);
    source.deliver_record("k", "plain");
    assert_eq!(source.statuses, [202, 200, 202]);
    let reply = &source.replies[0];
    assert_eq!((reply["type"].as_str(), reply["source"].as_str()), ("replied", "/functions/reply"));
    assert!(reply["knativebrokerttl"].parse::<u8>().is_ok(), "a broker that it goes to can end a loop");
    assert!(source.dead_letters.is_empty());
}

#[test]
fn what_may_succeed_later_is_retried_and_then_a_dead_letter_that_says_why() {
    let home = home();
    let running = start(&home, &["breaker.failures=0"]);
    let mut source = KafkaSource::new(running.http(), 2);
    source.deliver_event("busy", "1", "{}");
    assert_eq!(source.statuses, [503; 3]);
    let letter = &source.dead_letters[0];
    assert_eq!((letter["knativeerrorcode"].as_str(), letter["weirreason"].as_str()), ("503", "guest"));
    let data = base64::engine::general_purpose::STANDARD.decode(&letter["knativeerrordata"]).unwrap();
    assert!(String::from_utf8(data).unwrap().contains("busy: later"));
    assert_eq!(home.about("1").len(), 3, "each try has its cost");
}

#[test]
fn what_can_t_succeed_is_not_retried() {
    let home = home();
    let running = start(&home, &[]);
    let mut source = KafkaSource::new(running.http(), 5);
    source.deliver_event("never", "1", "{}");
    source.deliver_event("nothing", "", "{}");
    source.deliver_event("nothing", "3", "{}");
    assert_eq!(source.statuses, [422, 400, 202]);
    let outcomes: Vec<_> = source.dead_letters.iter().map(|letter| letter.get("weiroutcome")).collect();
    assert_eq!(outcomes, [Some(&"permanent".to_owned()), None]);
}

#[test]
fn it_recovers_when_its_function_does() {
    let home = home();
    let running = start(&home, &["breaker.failures=2", "breaker.wait=1s", "reload.interval=0s"]);
    let mut source = KafkaSource::new(running.http(), 20);
    let mended = std::thread::scope(|scope| {
        let delivering = scope.spawn(|| {
            source.deliver_event("busy", "1", "{}");
            source
        });
        eventually("it has failed", || (home.about("1").len() >= 2).then_some(()));
        home.write("busy.wasm", &guests::audit());
        running.hangup();
        delivering.join().unwrap()
    });
    assert_eq!(mended.statuses.last(), Some(&202), "{:?}", mended.statuses);
    assert!(mended.dead_letters.is_empty());
}

#[test]
fn an_overloaded_worker_says_when_to_come_again_and_loses_nothing() {
    let home = home();
    let running = start(&home, &["http.max-concurrent-requests=1", "function.timeout=8s"]);
    let mut holding = running.connect();
    holding
        .send(
            b"POST / HTTP/1.1\r\nhost: x\r\nce-specversion: 1.0\r\nce-id: long\r\nce-source: /s\r\nce-type: endless\r\n\
              content-length: 0\r\n\r\n",
        )
        .unwrap();
    eventually("it has begun", || (home.status().arrived == 1).then_some(()));
    let mut source = KafkaSource::new(running.http(), 20);
    source.deliver_event("nothing", "patient", "{}");
    assert!(matches!(source.statuses[0], 429 | 503), "{:?}", source.statuses);
    assert_eq!(source.statuses.last(), Some(&202));
    assert!(source.dead_letters.is_empty());
    assert_eq!(holding.response().unwrap().status, 504);
    assert_eq!(home.succeeded("default/nothing-nothing").len(), 1);
}
