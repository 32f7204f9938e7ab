//! What a release says of itself: the SBOM and the licences are those of what is linked, and the page on upgrades is in the image's
//! sources.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{instructions, last_stage, root, text};

fn made() -> (Value, String) {
    let directory = tempfile::tempdir().unwrap();
    let done = Command::new(root().join("scripts/sbom")).arg(directory.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    (serde_json::from_str(&read("sbom.cdx.json")).unwrap(), read("third-party.txt"))
}

#[test]
fn the_sbom_and_the_licences_are_of_what_is_linked() {
    let (sbom, licences) = made();
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&Value::from("CycloneDX"), &Value::from("1.6")));
    assert_eq!(sbom["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let lock = text("Cargo.lock");
    let components = sbom["components"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for component in components {
        let said = |key: &str| component[key].as_str().unwrap();
        let (name, version) = (said("name"), said("version"));
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        assert_eq!(said("purl"), format!("pkg:cargo/{name}@{version}"));
        assert!(licences.contains(&format!("{name} {version}: ")), "{name}");
        names.insert(name);
    }
    assert!(names.len() > 100, "{}", names.len());
    // Of each graph's end there is a component.
    let known: BTreeSet<&str> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
    for dependency in sbom["dependencies"].as_array().unwrap() {
        for on in dependency["dependsOn"].as_array().unwrap() {
            assert!(known.contains(on.as_str().unwrap()), "{on}");
        }
    }
    // What is linked, what only builds, what only tests.
    for (name, linked) in
        [("rdkafka", true), ("sled", true), ("bindgen", false), ("proptest", false), ("rcgen", false)]
    {
        assert_eq!(names.contains(name), linked, "{name}");
    }
    assert!(licences.contains("Apache License") && licences.contains("Permission is hereby granted"));
}

#[test]
fn the_image_has_them() {
    let built =
        instructions().into_iter().find(|(word, rest)| word == "RUN" && rest.contains("scripts/sbom"));
    assert!(built.is_some_and(|(_, run)| run.contains("scripts/sbom /out/doc")));
    assert!(last_stage("COPY").iter().any(|copy| copy == "--from=build /out/doc /usr/share/doc/weir"));
    let release = text("scripts/release");
    for needed in ["--platform linux/amd64,linux/arm64", "--sbom=true", "--provenance=mode=max"] {
        assert!(release.contains(needed), "{needed}");
    }
}
