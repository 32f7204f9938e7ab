//! What attempts cost by their function's price: noted with each, so that another price does not touch what was before.

mod worker;

use worker::{Home, Running, eventually, guests};

fn documents(price: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: audit}}\nspec:\n  module: audit.wasm\n  tenant: acme\n\
         {price}---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: all}}\nspec:\n  broker: default\n  \
         subscriber: {{ref: {{kind: Function, name: audit}}}}\n"
    )
}

#[test]
fn each_attempt_has_the_price_of_its_day() {
    let home = Home::new(&documents("  price: {call: \"0.0000002\", gibMillisecond: \"0.000000017\"}\n"));
    home.write("audit.wasm", &guests::audit());
    let running = Running::start(&home, &[]);
    running.publish("t", "first", &[], "{}");
    eventually("it is run", || home.succeeded("default/all").contains_key("first").then_some(()));
    let of = |id: &str| home.about(id).pop().unwrap().price;
    let entry = home.about("first").pop().unwrap();
    let milliseconds = u128::from(entry.wall_ns).div_ceil(1_000_000);
    let memory = (milliseconds * u128::from(entry.memory_bytes) * 17_000).div_ceil(1 << 30);
    assert_eq!(entry.price.0, 200_000 + memory);

    home.write("documents.yaml", documents("  price: {call: \"3\", minimum: \"5.5\"}\n").as_bytes());
    running.hangup();
    eventually("the other price is in force", || {
        running.publish("t", "again", &[], "{}");
        eventually("it is run", || home.succeeded("default/all").contains_key("again").then_some(()));
        home.about("again").iter().any(|entry| entry.price.to_string() == "5.5").then_some(())
    });
    assert_eq!(of("first"), entry.price);
    home.write("documents.yaml", documents("").as_bytes());
    running.hangup();
    eventually("nothing is asked any more", || {
        running.publish("t", "free", &[], "{}");
        eventually("it is run", || home.succeeded("default/all").contains_key("free").then_some(()));
        home.about("free").iter().any(|entry| entry.price.is_nothing()).then_some(())
    });
    let sum: u128 = home.journal().iter().map(|entry| entry.price.0).sum();
    assert_eq!(home.cost().table.total.price.0, sum);
    let table = home.weir(&["cost", "--by", "tenant"]).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.lines().next().unwrap().trim_end().ends_with("PRICE"), "{table}");
    assert!(table.contains("acme"), "{table}");
}

/// Whom the trigger names, else whom the function does; a list's first that the event, or who sent it, says.
#[test]
fn who_pays_is_said_by_the_trigger_the_event_its_sender_or_the_function() {
    let trigger = |name: &str, annotation: &str| {
        format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}{annotation}}}\nspec:\n  \
             broker: default\n  subscriber: {{ref: {{kind: Function, name: audit}}}}\n"
        )
    };
    let home = Home::new(&format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: audit}}\nspec: {{module: audit.wasm, tenant: '$customer, acme', price: {{call: '3'}}, tariffs: {{globex: {{call: '2'}}}}}}\n{}{}{}",
        trigger("function", ""),
        trigger("fixed", ", annotations: {weir.dev/tenant: globex}"),
        trigger("sender", ", annotations: {weir.dev/tenant: '$authid'}"),
    ));
    home.write("audit.wasm", &guests::audit());
    home.secret("http/shop", "open sesame");
    let running = Running::start(&home, &["--set", "http.tokens=secret:http/shop"]);
    let token = ("authorization", "Bearer open sesame");
    running.publish("t", "said", &[token, ("ce-customer", "initech"), ("ce-authid", "forged")], "{}");
    running.publish("t", "silent", &[token], "{}");
    let of = |id: &str| {
        let entries =
            eventually("each trigger has run", || Some(home.about(id)).filter(|entries| entries.len() == 3));
        let mut tenants: Vec<_> =
            entries.into_iter().map(|entry| (entry.trigger.replace("default/", ""), entry.tenant)).collect();
        tenants.sort();
        tenants.into_iter().map(|(_, tenant)| tenant).collect::<Vec<_>>()
    };
    assert_eq!(of("said"), ["globex", "initech", "shop"]);
    assert_eq!(of("silent"), ["globex", "acme", "shop"]);
    let rows = home.weir(&["cost", "--by", "tenant", "--format", "json"]).stdout;
    let answer: weir::worker::query::CostAnswer = serde_json::from_slice(&rows).unwrap();
    let attempts: Vec<_> =
        answer.table.rows.iter().map(|(name, cost)| (name.as_str(), cost.attempts)).collect();
    assert_eq!(attempts, [("acme", 1), ("globex", 2), ("initech", 1), ("shop", 2)]);
    let prices: Vec<_> = answer.table.rows.values().map(|cost| cost.price.to_string()).collect();
    assert_eq!(prices, ["3", "4", "3", "6"], "globex has a tariff of its own");
}

#[test]
fn an_attempt_costs_what_is_in_force_when_it_ends() {
    let documents = |then: &str| {
        format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: audit}}\nspec:\n  module: audit.wasm\n  \
             tenant: $customer, acme\n  price: {{call: '1', then: {then}}}\n  \
             tariffs: {{globex: {{call: '8', then: [{{from: 2020-01-01, call: '9'}}, {{from: 2999-01-01, call: '7'}}]}}}}\n---\n\
             apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: all}}\nspec:\n  broker: default\n  \
             subscriber: {{ref: {{kind: Function, name: audit}}}}\n"
        )
    };
    let home =
        Home::new(&documents("[{from: '2020-01-01T09:00:00Z', call: '2'}, {from: 2999-01-01, call: '3'}]"));
    home.write("audit.wasm", &guests::audit());
    let running = Running::start(&home, &[]);
    running.publish("t", "ours", &[], "{}");
    running.publish("t", "theirs", &[("ce-customer", "globex")], "{}");
    for (id, price) in [("ours", "2"), ("theirs", "9")] {
        let entry = eventually("it is run", || home.about(id).pop());
        assert_eq!(entry.price.to_string(), price);
    }
    for (then, said) in [
        (
            "[{from: 2999-01-01, call: '3'}, {from: 2020-01-01, call: '2'}]",
            "does not begin after the one before it",
        ),
        ("[{from: tomorrow, call: '3'}]", "'tomorrow' is no day and no time after 1970"),
        ("[{from: 2027-02-30, call: '3'}]", "'2027-02-30' is no day"),
        ("[{from: '1969-12-31', call: '3'}]", "is no day and no time after 1970"),
        ("[{call: '3'}]", "from is missing"),
        ("[{from: 2027-01-01, cal: '3'}]", "did you mean 'call'?"),
        ("[{from: 2027-01-01, call: three}]", "'three' is no price"),
        ("3", "expected a list of prices"),
    ] {
        home.write("wrong.yaml", documents(then).as_bytes());
        let output = home.weir(&["check", "wrong.yaml"]);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.code() == Some(78) && text.contains(said), "{then}: {text}");
    }
}

/// What made it failed first: both attempts are in the sum. The tenants of those that get the reply are what it says.
#[test]
fn a_reply_says_what_it_cost_where_that_is_wanted() {
    let trigger = |name: &str, more: &str, ty: &str, function: &str| {
        format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}, annotations: {{{more}}}}}\nspec:\n  \
             broker: default\n  filter: {{attributes: {{type: {ty}}}}}\n  subscriber: {{ref: {{kind: Function, name: {function}}}}}\n"
        )
    };
    let documents = |wanted: bool| {
        [
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: second}\nspec: {module: second.wasm, price: {call: '2.5'}}\n",
            "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: audit}\nspec: {module: audit.wasm}\n",
            &trigger("made", &format!("weir.dev/cost-on-replies: '{wanted}'"), "t", "second"),
            &trigger("cost", "weir.dev/tenant: $weircost", "answered", "audit"),
            &trigger("attempts", "weir.dev/tenant: $weirattempts", "answered", "audit"),
        ]
        .concat()
    };
    // Every other call fails.
    let error = r#"{"error":{"retry":true}}"#;
    let reply = r#"{"specversion":"1.0","type":"answered"}"#;
    let at = |place: u64, text: &str| (place << 32) | text.len() as u64;
    let handle = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (result i64) (i32.and (global.get $calls) (i32.const 1)) (then (i64.const {})) (else (i64.const {})))",
        at(16, error),
        at(256, reply)
    );
    let data =
        |place: u64, text: &str| format!("(data (i32.const {place}) \"{}\")", text.replace('"', "\\\""));
    let more = format!("(global $calls (mut i32) (i32.const 0)) {} {}", data(16, error), data(256, reply));
    for (wanted, tenants) in [(true, ["2", "5"]), (false, ["default", "default"])] {
        let home = Home::new(&documents(wanted));
        home.write("second.wasm", &guests::guest(&handle, &more));
        home.write("audit.wasm", &guests::audit());
        let running = Running::start(&home, &["--set", "executors=1"]);
        running.publish("t", "one", &[], "{}");
        let told = eventually("the reply has been told of", || {
            let journal = home.journal();
            let told = journal.into_iter().filter(|entry| entry.event_type == "answered");
            Some(told.map(|entry| entry.tenant).collect::<Vec<_>>()).filter(|told| told.len() == 2)
        });
        let mut told: Vec<&str> = told.iter().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, tenants);
    }
}
