//! A worker whose data does not outlive it (`data.durable: false`, a pod without a claim) keeps nothing that is nowhere else: what
//! would have to be is refused, at the start and at a reload.

use crate::config::{Config, DeadLetterTo, Settings};
use crate::event::Uid;

/// Everything that would be kept in the data directory alone.
pub(super) fn check(config: &Config, settings: &Settings) -> Result<(), Vec<String>> {
    if settings.data_durable {
        return Ok(());
    }
    let mut problems = Vec::new();
    if config.billing.is_empty() {
        problems.push(
            "data.durable is false: a BillingSink has to get what attempts cost, and there is none"
                .to_owned(),
        );
    }
    for sink in config.billing.iter().filter(|sink| sink.rollup.is_some()) {
        problems.push(format!(
            "data.durable is false: the BillingSink {}/{} would get sums when a window is over, and nothing settles before; leave \
             'rollup' out",
            sink.namespace, sink.name
        ));
    }
    let own = |uid: Uid| config.brokers.iter().find(|broker| broker.uid == uid && broker.backing.is_none());
    for broker in &config.brokers {
        if own(broker.uid).is_some() && config.triggers.iter().any(|trigger| trigger.broker == broker.uid) {
            problems.push(format!(
                "data.durable is false: the events of the Broker {}/{} would be kept in the data directory; back it by a \
                 KafkaSink (annotation weir.dev/backing), or give its source another sink",
                broker.namespace, broker.name
            ));
        }
    }
    for trigger in config.triggers.iter().chain(&config.of_sources) {
        let kept = match trigger.dead_letter {
            DeadLetterTo::Store | DeadLetterTo::Forward(_) => true,
            DeadLetterTo::Broker(uid) => own(uid).is_some(),
            DeadLetterTo::Sink(_) => false,
        };
        if kept {
            problems.push(format!(
                "data.durable is false: dead letters of {} would be kept in the data directory; name a KafkaSink as its \
                 deadLetterSink",
                trigger.full_name()
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    const TRIGGER: &str = "
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: a}
spec: {broker: default, subscriber: {uri: 'http://a/'}}
";
    const REST: &str = "
---
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: a}
spec: {topic: a, bootstrapServers: ['kafka:9092']}
---
apiVersion: weir.dev/v1alpha1
kind: BillingSink
metadata: {name: a}
spec: {sink: {ref: {kind: KafkaSink, name: a}}}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default, annotations: {weir.dev/backing: KafkaSink/a}}
spec: {delivery: {deadLetterSink: {ref: {kind: KafkaSink, name: a}}}}
";

    #[test]
    fn what_would_be_lost_is_refused_with_all_its_reasons() {
        let config = |text: &str| load_text("a.yaml", text).config.unwrap();
        let lasting = Settings::defaults();
        let mut fleeting = Settings::defaults();
        fleeting.data_durable = false;
        check(&config(TRIGGER), &lasting).unwrap();
        let problems = check(&config(TRIGGER), &fleeting).unwrap_err();
        let about = ["BillingSink", "Broker default/default", "dead letters of default/a"];
        assert!(problems.iter().zip(about).all(|(problem, about)| problem.contains(about)), "{problems:?}");
        assert_eq!(problems.len(), 3);
        check(&config(&format!("{TRIGGER}{REST}")), &fleeting).unwrap();
    }
}
