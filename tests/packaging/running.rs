//! Each overlay's worker runs here as in its pod, with real brokers that want its login: it starts, does what comes, and drains
//! in the time that the pod gives it. Addresses are those of this machine, and that is all that is changed.

use std::collections::BTreeSet;

use async_nats::jetstream::{self, stream};
use async_nats::{ConnectOptions, HeaderMap};

use super::brokers::{Own, unique};
use super::jwt::House;
use super::kafka::{self, Topic};
use super::pod::{Volumes, Worker, mounts};
use super::receiver::Receiver;
use super::rendered::Overlay;
use super::secured::{PASSWORD, secured};
use super::worker::running::post;
use super::worker::{Home, Running, eventually, guests};

const ORDER: &str = r#"{"order_id": "1", "amount": 12, "currency": "EUR"}"#;
const EVENTS: usize = 300;

/// It is nobody, may nothing, and can write nowhere but into its data.
fn is_confined(worker: &Worker) {
    if rustix::process::getuid().is_root() {
        assert_eq!(worker.status("Uid"), "65532");
    }
    assert_eq!(
        (worker.status("CapEff").as_str(), worker.status("NoNewPrivs").as_str()),
        ("0000000000000000", "1")
    );
    for directory in ["/", "/tmp", "/weir", "/weir/triggers", "/weir/secrets", "/weir/functions", "/weir/aot"]
    {
        assert!(!mounts() || worker.is_read_only(directory), "{directory} can be written");
    }
    assert!(!mounts() || !worker.is_read_only("/weir/data"));
    for probe in ["/healthz", "/readyz"] {
        worker.admin(probe);
    }
    // The image has them.
    assert_eq!(worker.metric("weir_compiles_total", &[]), 0);
}

fn login(authority: &str) -> [(&'static str, String); 5] {
    [
        ("kafka/protocol", "SASL_SSL".to_owned()),
        ("kafka/sasl.mechanism", "SCRAM-SHA-512".to_owned()),
        ("kafka/user", "weir".to_owned()),
        ("kafka/password", PASSWORD.to_owned()),
        ("kafka/ca.crt", authority.to_owned()),
    ]
}

/// One Kafka for all who need it, one after the other.
#[test]
fn those_that_need_kafka_run_as_in_their_pods() {
    let (own, secure, authority) = secured("deployed");
    let secrets = login(&authority);
    let secrets: Vec<(&str, &str)> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let elsewhere = [("my-cluster-kafka-bootstrap.kafka:9093", secure.as_str())];
    let topics: Vec<Topic> = [
        ("orders", 3),
        ("orders.replies", 1),
        ("orders.dead-letters", 1),
        ("weir.usage", 1),
        ("knative-broker-weir-orders", 1),
    ]
    .map(|(name, partitions)| Topic::at(&own.address, name, partitions))
    .into();
    topics.iter().for_each(Topic::create);
    let usage = || kafka::records(&own.address, "weir.usage").len();

    let overlay = Overlay::of("consumer-kafka");
    let volumes = Volumes::of(&overlay, &elsewhere, &secrets);
    volumes.check(&overlay);
    let publish = |from: usize| {
        for n in from..from + EVENTS {
            topics[0].publish(n as i32 % 3, Some(&n.to_string()), "order.created", &n.to_string(), ORDER);
        }
        topics[0].flush();
    };
    publish(0);
    let worker = volumes.start(&overlay);
    eventually("it has a partition", || worker.log().contains("partition taken: ").then_some(()));
    println!("its first partition after {:?}", worker.age());
    is_confined(&worker);
    eventually("all is committed", || (topics[0].lag_of("weir-orders") == 0).then_some(()));
    // What is under way when the pod is told to go ends, and what is not begun is for the next.
    publish(EVENTS);
    worker.stop();
    let next = Volumes::of(&overlay, &elsewhere, &secrets);
    let worker = next.start(&overlay);
    eventually("all is committed", || (topics[0].lag_of("weir-orders") == 0).then_some(()));
    eventually("replies have come round", || (topics[1].lag_of("weir-replies") == 0).then_some(()));
    worker.stop();
    let replies = kafka::records(&own.address, "orders.replies");
    let ids: BTreeSet<_> = replies.iter().map(|record| record.headers["ce_id"].clone()).collect();
    assert_eq!((replies.len(), ids.len(), usage()), (2 * EVENTS, 2 * EVENTS, 2 * EVENTS), "each once");

    for name in ["sink", "sink-direct", "sink-service", "broker"] {
        let overlay = Overlay::of(name);
        let direct = name != "sink";
        let (before, volumes) = (usage(), Volumes::of(&overlay, &elsewhere, &secrets));
        volumes.check(&overlay);
        let worker = volumes.start(&overlay);
        is_confined(&worker);
        let mut connection = worker.http();
        for n in 0..EVENTS {
            let answer = post(&mut connection, "order.created", &n.to_string(), &[], ORDER).unwrap();
            assert_eq!(answer.status, if direct { 200 } else { 202 }, "{name}: {}", answer.text());
            let replied = answer.header("ce-type");
            assert_eq!(replied, direct.then_some("payment.processed"), "{name}");
        }
        if direct {
            // Whoever was answered is billed for.
            assert_eq!(usage(), before + EVENTS, "{name}");
            assert_eq!(worker.metric("weir_attempts_total", &["succeeded"]), EVENTS as u64, "{name}");
            worker.stop();
            continue;
        }
        worker.stop();
        let before = volumes.succeeded() as u64;
        // Its claim has what was not done; the replies come round and meet nobody.
        let worker = volumes.start(&overlay);
        eventually("all is done", || {
            let all = before + worker.metric("weir_attempts_total", &["succeeded"]);
            (all >= EVENTS as u64 && worker.metric("weir_lag_events", &[]) == 0).then_some(())
        });
        worker.stop();
        assert_eq!(volumes.succeeded(), EVENTS, "{name}: each once");
    }

    let overlay = Overlay::gateway();
    let secrets = [secrets, vec![("http/publisher", "t0ken")]].concat();
    let volumes = Volumes::of(&overlay, &elsewhere, &secrets);
    volumes.check(&overlay);
    let worker = volumes.start(&overlay);
    is_confined(&worker);
    let mut connection = worker.http();
    let mut answered = |token: &str| {
        let token = ("authorization", token);
        post(&mut connection, "order.created", "1", &[token], ORDER).unwrap().status
    };
    assert_eq!([answered("Bearer another"), answered("Bearer t0ken")], [401, 202]);
    worker.stop();
}

/// As docs/kubernetes-from-knative.md has it; there Kafka's own tool copies the offsets.
#[test]
fn a_worker_goes_on_where_another_group_stopped() {
    let orders = Topic::new(3);
    (0..90).for_each(|n| orders.publish(n % 3, None, "order.created", &n.to_string(), "{}"));
    orders.flush();
    // The topic's own group is the one that was there: it has done 20 of each partition.
    (0..3).for_each(|partition| orders.commit(partition, 20, ""));
    let group = unique("weir-shop");
    orders.carry_over(&group);
    assert_eq!(orders.lag_of(&group), 30, "as far behind as the other");
    let documents = orders
        .documents(kafka::AUDIT)
        .replace(&format!("consumerGroup: {}", orders.name), &format!("consumerGroup: {group}"));
    let home = Home::new(&documents);
    home.write("audit.wasm", &guests::audit());
    let running = Running::start(&home, &[]);
    eventually("all is committed", || (orders.lag_of(&group) == 0).then_some(()));
    assert_eq!(running.terminate().code, Some(0));
    let succeeded = home.succeeded("default/audit");
    kafka::once_each(&succeeded, 30);
    assert!((60..90).all(|n| succeeded.contains_key(&n.to_string())), "{succeeded:?}");
}

#[test]
fn the_one_that_reads_nats_runs_as_in_its_pod() {
    let house = House::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let at = |file: &str| format!("{}/.tools/brokers/nats-deployed/{file}", env!("CARGO_MANIFEST_DIR"));
    let conf =
        format!("{}tls {{ cert_file: {:?}, key_file: {:?} }}\n", house.conf(), at("cert.pem"), at("key.pem"));
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let files = [("more.conf", conf.as_str()), ("cert.pem", cert.as_str()), ("key.pem", key.as_str())];
    let own = Own::nats("deployed", &files);
    let port = own.address.rsplit(':').next().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let context = runtime.block_on(async {
        let options = ConnectOptions::with_credentials(&house.creds()).unwrap();
        let options = options.require_tls(true).add_root_certificates(at("cert.pem").into());
        jetstream::new(options.connect(format!("tls://localhost:{port}")).await.unwrap())
    });
    for (name, subject) in
        [("ORDERS", "orders.>"), ("REPLIES", "replies.orders"), ("DEAD-LETTERS", "dead-letters.orders")]
    {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            ..stream::Config::default()
        };
        runtime.block_on(context.create_stream(config)).unwrap();
    }
    let publish = |from: usize| {
        runtime.block_on(async {
            for n in from..from + EVENTS {
                let mut headers = HeaderMap::new();
                for (name, value) in [
                    ("ce-specversion", "1.0"),
                    ("ce-source", "/shop"),
                    ("ce-type", "order.created"),
                    ("ce-datacontenttype", "application/json"),
                ] {
                    headers.insert(name, value);
                }
                headers.insert("ce-id", n.to_string());
                let sent =
                    context.publish_with_headers("orders.created", headers, ORDER.into()).await.unwrap();
                sent.await.unwrap();
            }
        });
    };
    let lag = |name: &str| {
        runtime.block_on(async {
            let stream = context.get_stream(name).await.ok()?;
            let info = stream.consumer_info("weir").await.ok()?;
            Some(info.num_pending + info.num_ack_pending as u64)
        })
    };
    let messages = |name: &str| {
        runtime.block_on(context.get_stream(name)).unwrap().cached_info().state.messages as usize
    };

    let billing = Receiver::start();
    billing.state().token = Some("t0ken".to_owned());
    let overlay = Overlay::of("consumer-nats");
    let (server, usage) = (format!("localhost:{port}"), billing.url());
    let elsewhere =
        [("nats.nats:4222", server.as_str()), ("https://openmeter.openmeter/api/v1/events", usage.as_str())];
    let creds = house.creds();
    let secrets =
        [("nats/creds", creds.as_str()), ("nats/ca.crt", cert.as_str()), ("openmeter/token", "t0ken")];
    // As it stands: here billing is spoken to without TLS, which is warned of.
    Volumes::of(&overlay, &[], &secrets).check(&overlay);
    let volumes = Volumes::of(&overlay, &elsewhere, &secrets);
    publish(0);
    let worker = volumes.start(&overlay);
    is_confined(&worker);
    eventually("all is acknowledged", || (lag("ORDERS") == Some(0)).then_some(()));
    publish(EVENTS);
    worker.stop();
    let next = Volumes::of(&overlay, &elsewhere, &secrets);
    let worker = next.start(&overlay);
    eventually("all is acknowledged", || {
        (lag("ORDERS") == Some(0) && lag("REPLIES") == Some(0)).then_some(())
    });
    worker.stop();
    assert_eq!((messages("REPLIES"), messages("DEAD-LETTERS")), (2 * EVENTS, 0));
    let billed = billing.state();
    assert_eq!((billed.first.len(), billed.received, &billed.wrong), (2 * EVENTS, 2 * EVENTS, &Vec::new()));
}
