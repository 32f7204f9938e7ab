//! Routing at scale: what 10,000 triggers cost an event against 10, by what their filters ask for.
//!
//! Every kind has a trigger for each of so many tenants, and every event is for one tenant, so that it meets as many triggers
//! of 10,000 as of 10. Events are spread over 10 tenants, or over all of them: then there are 10,000 types, sources and
//! regions to be told apart, and what no cache holds is in the numbers, too.

use std::hint::black_box;

use weir::event::{Data, Event, Uid, Value};
use weir::trigger::cesql::Expression;
use weir::trigger::{Criteria, DataFilter, Filter, Memo, Routes};

use super::meter::{Clock, Cost, Table, cost};

const BROKER: Uid = Uid(3);
const EVENTS: usize = 10_000;
/// Where each asks every trigger.
const EVENTS_OF_THE_WORST: usize = 100;
const FEW: usize = 10;
const MANY: usize = 10_000;

type Kind = (&'static str, fn(usize) -> Criteria, Subject);

/// Whether the events' subjects come again.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    OfAHundred,
    Unique,
}
use Subject::{OfAHundred, Unique};

const KINDS: [Kind; 13] = [
    ("exact: type", |t| exact("type", &ty(t)).into(), Unique),
    (
        "exact: type and an extension",
        |t| Filter::all([exact("type", &ty(t)), exact("region", &region(t))]).into(),
        Unique,
    ),
    (
        "exact: type and source",
        |t| Filter::all([exact("type", &ty(t)), exact("source", &source(t))]).into(),
        Unique,
    ),
    ("exact: an extension", |t| exact("region", &region(t)).into(), Unique),
    ("any of three types", |t| any_type(t).into(), Unique),
    ("cesql: type IN (three)", |t| cesql(&format!("type IN ('{}', 'x{t}', 'y{t}')", ty(t))).into(), Unique),
    ("prefix: type", |t| Filter::prefix(pair("type", &format!("com.t{t}."))).into(), Unique),
    ("suffix: source", |t| Filter::suffix(pair("source", &format!("/t{t}/checkout"))).into(), Unique),
    ("not, and suffix: source", |t| not_and_suffix(t).into(), Unique),
    ("cesql: LIKE in the middle of type", |t| cesql(&format!("type LIKE '%.t{t}.%'")).into(), Unique),
    ("cesql: LIKE of type, subject of few values", |t| type_and_subject(t).into(), OfAHundred),
    ("cesql: LIKE of type, subject all different", |t| type_and_subject(t).into(), Unique),
    ("data filter behind exact: type", behind_type, Unique),
];

const MIXED: Kind = ("mixed: ten kinds a tenant", mixed, Unique);

/// What no index or memo can help with.
const WORST: [Kind; 2] = [
    (
        "cesql: LIKE in the middle of subject, all different",
        |t| cesql(&format!("subject LIKE '%/t{t}/%'")).into(),
        Unique,
    ),
    (
        "cesql: arithmetic over an extension, all different",
        |t| cesql(&format!("number % 10000 = {t}")).into(),
        Unique,
    ),
];

pub(crate) fn measure(table: &Table) {
    table.section("Routing, 10,000 triggers against 10: events for 10 tenants");
    for kind in KINDS {
        compare(table, kind, [FEW, FEW], EVENTS);
    }
    compare(table, MIXED, [1, 1], EVENTS);
    table.section("Routing, 10,000 triggers against 10: events for all tenants");
    for kind in KINDS {
        compare(table, kind, [FEW, MANY], EVENTS);
    }
    compare(table, MIXED, [1, MANY / 10], EVENTS);
    table.section("Routing, the worst: every trigger must be asked about every event");
    for kind in WORST {
        compare(table, kind, [FEW, FEW], EVENTS_OF_THE_WORST);
    }
}

/// `tenants`: how many the events are for, with few triggers and with many.
fn compare(table: &Table, (name, criteria, subject): Kind, tenants: [usize; 2], events: usize) {
    let few = route(FEW, criteria, events_for(tenants[0], subject, events));
    let many = route(MANY, criteria, events_for(tenants[1], subject, events));
    table.row(&format!("{name}: 10"), few, None);
    table.row(&format!("{name}: 10,000"), many, None);
    table.value("  how many times the cost", many.median / few.median, Some(1.1));
}

fn events_for(tenants: usize, subject: Subject, events: usize) -> Vec<Event<'static>> {
    (0..events).map(|n| event(n, n % tenants, subject)).collect()
}

fn route(count: usize, criteria: fn(usize) -> Criteria, events: Vec<Event<'_>>) -> Cost {
    let routes = Routes::new((0..count).map(|n| (BROKER, criteria(n))));
    let (mut memo, mut matched) = (Memo::default(), Vec::new());
    let mut met = None;
    cost(Clock::Thread, events.len(), || {
        for event in &events {
            matched.clear();
            routes.matching(BROKER, black_box(event), &mut memo, &mut matched);
            // Each event meets as many.
            assert_eq!(*met.get_or_insert(matched.len()), matched.len());
        }
        assert_ne!(met, Some(0));
    })
}

fn ty(tenant: usize) -> String {
    format!("com.t{tenant}.order.created")
}

fn source(tenant: usize) -> String {
    format!("/shops/t{tenant}/checkout")
}

fn region(tenant: usize) -> String {
    format!("region-{tenant}")
}

fn event(n: usize, tenant: usize, subject: Subject) -> Event<'static> {
    let subject = match subject {
        OfAHundred => format!("/orders/{}", n % 100).into(),
        Unique => format!("/orders/t{tenant}/{n}").into(),
    };
    Event {
        id: format!("order-{n}").into(),
        source: source(tenant).into(),
        ty: ty(tenant).into(),
        subject: Some(subject),
        time: None,
        dataschema: None,
        datacontenttype: Some("application/json".into()),
        extensions: vec![
            ("region".into(), Value::String(region(tenant).into())),
            ("number".into(), Value::Integer(i32::try_from(n * 10_000 + tenant).expect("it fits"))),
        ],
        data: Some(Data::Json(
            r#"{"order_id":"7","amount":1299.5,"currency":"EUR","items":[{"sku":"A-1009","quantity":2}]}"#
                .into(),
        )),
    }
}

fn pair(name: &str, value: &str) -> [(String, String); 1] {
    [(name.to_owned(), value.to_owned())]
}

fn exact(name: &str, value: &str) -> Filter {
    Filter::exact(pair(name, value))
}

fn cesql(text: &str) -> Filter {
    Filter::cesql(Expression::parse(text).expect("it is written rightly"))
}

fn any_type(tenant: usize) -> Filter {
    Filter::any([
        exact("type", &ty(tenant)),
        exact("type", &format!("x{tenant}")),
        exact("type", &format!("y{tenant}")),
    ])
}

fn not_and_suffix(tenant: usize) -> Filter {
    Filter::all([
        !exact("type", &format!("com.t{tenant}.order.deleted")),
        Filter::suffix(pair("source", &format!("/t{tenant}/checkout"))),
    ])
}

fn type_and_subject(tenant: usize) -> Filter {
    cesql(&format!("type LIKE '%.t{tenant}.%' AND subject LIKE '%orders%' AND subject NOT LIKE '%test%'"))
}

fn behind_type(tenant: usize) -> Criteria {
    let data = DataFilter::parse("/amount > 1000 and /currency in [\"EUR\", \"CHF\"]")
        .expect("it is written rightly");
    Criteria { filter: exact("type", &ty(tenant)), data: Some(data) }
}

/// Trigger `n` is one of ten of its tenant. Seven of them match the tenant's events.
fn mixed(n: usize) -> Criteria {
    let tenant = n / 10;
    let of = |text: String| Criteria::from(cesql(&text));
    match n % 10 {
        0 => exact("type", &ty(tenant)).into(),
        1 => behind_type(tenant),
        2 => Filter::all([exact("type", &ty(tenant)), exact("region", "region-x")]).into(),
        3 => any_type(tenant).into(),
        4 => Filter::prefix(pair("type", &format!("com.t{tenant}.order."))).into(),
        5 => not_and_suffix(tenant).into(),
        6 => of(format!("type LIKE 'com.t{tenant}.%' AND source LIKE '/shops/t{tenant}/%'")),
        7 => of(format!("type LIKE '%.t{tenant}.payment.%' OR type LIKE '%.t{tenant}.refund.%'")),
        8 => of(format!("type LIKE 'com.t{tenant}.%' AND subject LIKE '%/orders/%'")),
        _ => of(format!("region = 'region-{tenant}' AND LENGTH(subject) < 4")),
    }
}
