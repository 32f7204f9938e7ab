//! From bytes to an event and back, in every form that one takes on its way.

use std::hint::black_box;

use weir::dispatch::{Outcome, Reason};
use weir::event::{Position, Uid, binary, record, structured};
use weir::function::answer;
use weir::journal::{Entry, Reply};

use super::meter::{Clock::Thread, Table, cost};
use super::sample;

pub(crate) fn measure(table: &Table) {
    table.section("Codecs");
    let json = sample::json(0);
    let event = structured::decode(json.as_bytes()).expect("the sample is an event");
    let step = |run: &mut dyn FnMut()| cost(Thread, 1, run);

    let decoded = step(&mut || drop(black_box(structured::decode(black_box(json.as_bytes())))));
    table.row("decode, structured", decoded, Some(560.0));

    let message = binary::encode_http(&event);
    let headers: Vec<_> = message.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let body = message.body.as_deref().unwrap_or_default();
    let decoded = step(&mut || {
        drop(black_box(binary::decode_http(black_box(&headers).iter().copied(), black_box(body))));
    });
    table.row("decode, binary (HTTP headers)", decoded, Some(85.0));

    let mut out = Vec::with_capacity(1024);
    let encoded = step(&mut || {
        out.clear();
        record::encode(black_box(&event), &mut out);
    });
    table.row("record encode", encoded, None);

    let bytes = sample::record(&event);
    let decoded = step(&mut || drop(black_box(record::decode(black_box(&bytes)))));
    table.row("record decode (thrice an event: queue, core, executor)", decoded, Some(120.0));

    let encoded = step(&mut || {
        out.clear();
        structured::encode(black_box(&event), &mut out);
    });
    table.row("encode the envelope for the guest", encoded, Some(46.0));

    let output = sample::answer();
    let read = step(&mut || drop(black_box(answer::read(black_box(&output), "payment", Uid(9)))));
    table.row("read the answer: one reply without a source", read, Some(600.0));

    let position = Position { source: sample::SOURCE, partition: 0, offset: 1 };
    let id = step(&mut || {
        black_box(Uid::of_delivery(black_box(position), Uid(9), 0));
    });
    table.row("delivery id (a digest)", id, None);

    let entry = Entry {
        delivery: Uid(9),
        position,
        trigger: "default/process-payments",
        function: "default/payment",
        tenant: "default",
        version: 0,
        replay: 0,
        attempt: 1,
        outcome: Outcome::Succeeded,
        reason: Reason::None,
        ended: 1_800_000_000_000_000_000,
        wall_ns: 1_700,
        init_ns: None,
        fuel: 4_000,
        price: 0,
        memory: 131_072,
        memory_limit: 0,
        bytes_in: 400,
        bytes_out: 200,
        event_id: &event.id,
        event_source: &event.source,
        event_type: &event.ty,
        replies: vec![Reply { id: "order-00000000/payment".into(), ty: "payment.processed" }],
        fenced: false,
        dead_letter: false,
    };
    let encoded = step(&mut || {
        out.clear();
        black_box(&entry).encode(&mut out);
    });
    table.row("journal entry encode", encoded, None);
}
