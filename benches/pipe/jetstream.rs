//! A stream on a real NATS server of this machine, and what a bare client makes of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, AckKind, Context};
use async_nats::{Client, HeaderMap};
use futures_util::StreamExt;
use tokio::runtime::Runtime;

use super::function::payment;
use super::meter::Clock;
use super::{brokers, sample};

/// Events whose acknowledgements are waited for together.
const UNDER_WAY: usize = 1024;
const BATCH: usize = 512;

pub(crate) struct Stream {
    pub(crate) address: String,
    pub(crate) name: String,
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    context: Context,
}

/// What a bare loop does.
pub(crate) struct Bare {
    pub(crate) seconds: f64,
    /// Of all threads of the process.
    pub(crate) cpu: f64,
    pub(crate) answers: usize,
}

impl Stream {
    pub(crate) fn new(name: &str) -> Stream {
        let address = brokers::nats();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let name = brokers::unique(name);
        let config = Config {
            name: name.clone(),
            subjects: vec![format!("{name}.>")],
            storage: StorageType::File,
            ..Config::default()
        };
        let (client, context) = runtime.block_on(async {
            let client = async_nats::connect(&address).await.expect("the server answers");
            let context = jetstream::new(client.clone());
            context.create_stream(config).await.expect("a stream");
            (client, context)
        });
        Stream { address, name, runtime, client, context }
    }

    /// With so many structured events of the sample, or of another type.
    pub(crate) fn filled(name: &str, events: usize, ty: &str) -> Stream {
        let stream = Stream::new(name);
        stream.runtime.block_on(async {
            let mut sent = VecDeque::new();
            for number in 0..events {
                let value = sample::json(number).replace("order.created", ty);
                stream.publish(&mut sent, value).await;
            }
            stream.settle(&mut sent).await;
        });
        stream
    }

    pub(crate) fn subject(&self) -> String {
        format!("{}.created", self.name)
    }

    /// No more than so many under way.
    pub(crate) async fn publish(&self, sent: &mut VecDeque<PublishAckFuture>, value: String) {
        if sent.len() >= UNDER_WAY {
            sent.pop_front().expect("it is full").await.expect("the server takes it");
        }
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/cloudevents+json");
        let published = self.context.publish_with_headers(self.subject(), headers, value.into()).await;
        sent.push_back(published.expect("it goes out"));
    }

    pub(crate) async fn settle(&self, sent: &mut VecDeque<PublishAckFuture>) {
        for acknowledged in sent.drain(..) {
            acknowledged.await.expect("the server takes it");
        }
    }

    /// All of it, from the first message to the last acknowledgement, by a loop that calls the example function natively and
    /// publishes what it answers: no journal and no ledger.
    pub(crate) fn drain(&self, to: &Stream, events: usize) -> Bare {
        self.runtime.block_on(async {
            let stream = self.context.get_stream(&self.name).await.expect("it is there");
            let config = pull::Config {
                durable_name: Some("bare".to_owned()),
                ack_policy: AckPolicy::Explicit,
                max_ack_pending: 10 * BATCH as i64,
                ..pull::Config::default()
            };
            let consumer = stream.create_consumer(config).await.expect("a durable");
            let (begun, cpu) = (Instant::now(), Clock::Process.now());
            let (mut done, mut answers, mut output) = (0, 0, Vec::new());
            let mut sent = VecDeque::new();
            while done < events {
                let batch = consumer.fetch().max_messages(BATCH).expires(Duration::from_secs(1));
                let mut batch = batch.messages().await.expect("the server answers");
                while let Some(message) = batch.next().await {
                    let message = message.expect("a message");
                    weir_guest::respond(&message.payload, payment::handle, &mut output);
                    if !output.is_empty() {
                        to.publish(&mut sent, String::from_utf8(output.clone()).expect("JSON")).await;
                        answers += 1;
                    }
                    message.ack_with(AckKind::Ack).await.expect("it goes out");
                    done += 1;
                }
            }
            to.settle(&mut sent).await;
            self.client.flush().await.expect("the server takes it");
            Bare { seconds: begun.elapsed().as_secs_f64(), cpu: Clock::Process.now() - cpu, answers }
        })
    }
}

impl Drop for Stream {
    /// It may be large.
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.context.delete_stream(&self.name));
    }
}
