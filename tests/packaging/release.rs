//! What a release says of itself: the SBOM and the licences are those of what is linked, and the page on upgrades is in the image's
//! sources.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

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

/// In that folder, with nobody's own settings.
fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments);
    let done = command.output().unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// All of the script but the engine, which is asked for by what it would have got.
#[test]
fn a_release_is_of_what_is_committed_and_in_the_changelog() {
    let directory = tempfile::tempdir().unwrap();
    let (sources, tools) = (directory.path().join("weir"), directory.path().join("tools"));
    std::fs::create_dir_all(sources.join("scripts")).unwrap();
    std::fs::create_dir(&tools).unwrap();
    std::fs::copy(root().join("scripts/release"), sources.join("scripts/release")).unwrap();
    let manifest = text("Cargo.toml");
    std::fs::write(sources.join("Cargo.toml"), &manifest).unwrap();
    std::fs::write(sources.join("CHANGELOG.md"), "## [Unreleased]: 0.1.0\n").unwrap();
    git(&sources, &["init", "-q"]);
    git(&sources, &["add", "."]);
    git(&sources, &["commit", "-qm", "all"]);
    let engine = tools.join("docker");
    std::fs::write(&engine, "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$0.asked\"\n").unwrap();
    std::fs::set_permissions(&engine, Permissions::from_mode(0o755)).unwrap();
    let release = |arguments: &[&str]| -> Output {
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        Command::new(sources.join("scripts/release")).args(arguments).env("PATH", path).output().unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    let refused = |arguments: &[&str], code: i32, why: &str| {
        let done = release(arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(code) && said.contains(why), "{arguments:?}: {said}");
        assert!(!tools.join("docker.asked").exists(), "{arguments:?}");
    };
    refused(&[], 64, "usage: scripts/release REGISTRY/weir");
    refused(&["registry.example/weir"], 1, &format!("CHANGELOG.md has no [{version}]"));
    std::fs::write(sources.join("CHANGELOG.md"), format!("## [{version}]\n")).unwrap();
    refused(&["registry.example/weir"], 1, "there is what is not committed");
    git(&sources, &["commit", "-qam", "noted"]);
    let done = release(&["registry.example/weir"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let asked = std::fs::read_to_string(tools.join("docker.asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!((&asked[..2], asked.last()), (&["buildx", "build"][..], Some(&".")));
    let of = |option: &str| asked[asked.iter().position(|one| *one == option).unwrap() + 1];
    assert_eq!(of("--platform"), "linux/amd64,linux/arm64");
    assert_eq!(of("--tag"), format!("registry.example/weir:{version}"));
    assert_eq!(of("--label"), format!("org.opencontainers.image.version={version}"));
}
