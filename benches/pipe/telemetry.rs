//! What telemetry costs the whole worker: the same events with a receiver of OTLP and without, in turns.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use super::meter::Table;
use super::process::Worker;
use super::publisher::Form;
use super::{publisher, sample};

/// Seconds of work: what a connection and a first page cost must not count for more than they do.
const EVENTS: usize = 200_000;
const ROUNDS: usize = 5;

pub(crate) fn measure(table: &Table) {
    table.section("Telemetry by OTLP: CPU time of the whole worker, with against without (an event, over HTTP, batches of 100)");
    let receiver = receiver();
    for (name, sampling, target) in [
        ("a hundredth of the traces", "0.01", Some(1.05)),
        ("no trace but metrics", "0", None),
        ("every trace", "1", None),
    ] {
        let mut ratios: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let without = each(&[]);
                let endpoint = format!("telemetry.otlp.endpoint=http://{receiver}");
                let sampling = format!("telemetry.sampling={sampling}");
                let settings =
                    [&*endpoint, "telemetry.otlp.protocol=http", &sampling, "telemetry.otlp.interval=1s"];
                each(&settings) / without
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        table.value(&format!("{name}, median of {ROUNDS}"), ratios[ROUNDS / 2], target);
        table.value("  the least", ratios[0], None);
        table.value("  the most", ratios[ROUNDS - 1], None);
    }
}

/// CPU time of the worker, of all its threads, in ns an event.
fn each(settings: &[&str]) -> f64 {
    let data = tempfile::tempdir_in(sample::scratch()).expect("the scratch directory is writable");
    let worker = Worker::start_with(data.path(), &sample::documents(), settings);
    let start = worker.cpu();
    publisher::publish(worker.http, EVENTS, Form::Batch(100), 4, 202);
    worker.await_settled(2 * EVENTS as u64);
    let cpu = worker.cpu() - start;
    worker.stop();
    cpu / EVENTS as f64
}

/// Takes whatever is posted.
fn receiver() -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    let serve = move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
            told.send(listener.local_addr().expect("it has an address")).expect("it is waited for");
            while let Ok((stream, _)) = listener.accept().await {
                let service = service_fn(|request: Request<hyper::body::Incoming>| async {
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
                });
                let connection = async move {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                };
                weir::worker::tasks::task(connection);
            }
        });
    };
    drop(weir::worker::tasks::thread("receiver", serve));
    address.recv().expect("the receiver listens")
}
