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
