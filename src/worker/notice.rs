//! What people and programs are told of a trigger's budget: a line in the log, and an event for the trigger's broker.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::json;

use super::budget::{Level, State};
use crate::config::BudgetPolicy;
use crate::event::{Data, Event, Uid, record};
use crate::journal::usage;
use crate::sink::parcel::{Instead, Outlet, Parcel};

/// Four fifths of a budget are used.
const NEAR: &str = "dev.weir.budget.near.v1";
/// All of it.
const SPENT: &str = "dev.weir.budget.spent.v1";

pub(super) fn log(level: Level, state: &State<'_>) {
    let State { trigger, budget, used, percent, .. } = state;
    let (budget, policy) = (format!("{}/day", budget.limit), budget.policy.as_str());
    match level {
        Level::Fine => {}
        Level::Near => tracing::warn!(trigger, %used, budget, percent, policy, "a budget is nearly used up"),
        Level::Spent => {
            tracing::warn!(trigger, %used, budget, percent, policy, "{}", match state.budget.policy {
                BudgetPolicy::Pause => "a budget is used up: nothing more of it begins before midnight UTC",
                BudgetPolicy::DeadLetter => "a budget is used up: what comes before midnight UTC is a dead letter",
            })
        }
    }
}

/// The event, as a record. Of a worker, a trigger and a day there is one of each type: what a crash repeats has its id.
pub(super) fn record(level: Level, state: &State<'_>, time: u64) -> Vec<u8> {
    let State { trigger, uid, budget, used, percent, day, until, worker } = state;
    let ty = if level == Level::Spent { SPENT } else { NEAR };
    let data = json!({
        "trigger": trigger,
        "budget": format!("{}/day", budget.limit),
        "used": used.to_string(),
        "percent": percent,
        "policy": budget.policy.as_str(),
        "worker": worker.to_string(),
        "until": usage::time(*until),
    });
    let event = Event {
        id: Uid::of_document(&worker.to_string(), &format!("{ty}/{day}"), &uid.to_string())
            .to_string()
            .into(),
        source: format!("/triggers/{trigger}").into(),
        ty: Cow::Borrowed(ty),
        subject: Some(Cow::Borrowed(trigger)),
        time: Some(usage::time(time).into()),
        dataschema: None,
        datacontenttype: Some("application/json".into()),
        extensions: Vec::new(),
        data: Some(Data::Json(data.to_string().into())),
    };
    let mut bytes = Vec::with_capacity(512);
    record::encode(&event, &mut bytes);
    bytes
}

/// For a broker whose events live in a topic.
pub(super) fn parcel(outlet: Arc<Outlet>, record: Vec<u8>, broker: Uid) -> Parcel {
    Parcel::of_event(outlet, record, Instead::Reply(broker))
}
