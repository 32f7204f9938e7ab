//! The schemas for editors and docs/documents.md: as they are printed, valid by the draft's own, and fitting what the
//! repository and others have written. `UPDATE_EXPECTED=1` writes them anew.

#[allow(dead_code)] // Each test binary uses what it needs of this.
#[path = "packaging/yaml.rs"]
mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};
use weir::config::{Severity, load, load_settings, load_text, schema};

/// A schema, ready to be asked.
struct Judge(Schemas, SchemaIndex);

impl Judge {
    fn named(name: &str) -> Judge {
        let schema = schema::all().find(|schema| schema.name == name).expect(name);
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let value: Value = serde_json::from_str(&schema.text()).unwrap();
        compiler.add_resource("schema.json", value).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Judge(schemas, index)
    }

    /// Nothing, if it fits.
    fn objections(&self, value: &Value) -> String {
        self.0.validate(value, self.1).err().map(|error| format!("{error:#}")).unwrap_or_default()
    }
}

fn updating() -> bool {
    std::env::var_os("UPDATE_EXPECTED").is_some()
}

fn is_current(path: &str, expected: &str) {
    if updating() {
        std::fs::write(path, expected).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == expected, "{path} is not what the shapes say: UPDATE_EXPECTED=1 writes it anew");
}

#[test]
fn the_schemas_in_docs_are_those_of_this_version() {
    let files: BTreeSet<String> = schema::all().map(|schema| schema.file()).collect();
    for entry in std::fs::read_dir("docs/schemas").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(files.contains(&name), "docs/schemas/{name} is of no schema");
    }
    schema::all().for_each(|schema| is_current(&format!("docs/schemas/{}", schema.file()), &schema.text()));
}

#[test]
fn the_page_of_documents_is_that_of_this_version() {
    is_current("docs/documents.md", &schema::page());
}

#[test]
fn each_schema_is_valid_by_the_draft_s_own() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    let draft = compiler.compile("https://json-schema.org/draft/2020-12/schema", &mut schemas).unwrap();
    for schema in schema::all() {
        let value: Value = serde_json::from_str(&schema.text()).unwrap();
        assert_eq!(value["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", schema.name);
        let wrong = schemas.validate(&value, draft).err().map(|error| format!("{error:#}"));
        assert_eq!(wrong, None, "{}", schema.name);
        Judge::named(schema.name);
    }
    // That it would be seen.
    assert!(schemas.validate(&json!({"type": "text"}), draft).is_err());
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|is| is == "yaml")).collect()
}

#[test]
fn the_repository_s_own_documents_fit() {
    let documents = Judge::named("documents");
    let overlays = std::fs::read_dir("deploy/knative-eventing").unwrap();
    let overlays =
        overlays.map(|entry| entry.unwrap().path().join("triggers.yaml")).filter(|file| file.is_file());
    let files = yaml_files("triggers").into_iter().chain(overlays);
    let mut texts: Vec<String> = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let readme = std::fs::read_to_string("README.md").unwrap();
    let examples = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    texts.extend(examples.filter(|text| text.contains("apiVersion: ")).map(str::to_owned));
    let mut kinds = BTreeSet::new();
    for document in texts.iter().flat_map(|text| yaml::documents(text)) {
        assert_eq!(documents.objections(&document), "", "{document}");
        let kind = document["kind"].as_str().unwrap().to_owned();
        if schema::all().any(|schema| schema.name == kind) {
            assert_eq!(Judge::named(&kind).objections(&document), "", "{document}");
            kinds.insert(kind);
        }
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
    let example = yaml::document(&std::fs::read_to_string("docs/weir.example.yaml").unwrap());
    assert_eq!(Judge::named("settings").objections(&example), "");
}

/// What does not fit is refused, and most of what is refused does not fit: the rest is what other documents, files and
/// expressions say.
#[test]
fn most_mistakes_do_not_fit() {
    let judge = Judge::named("documents");
    let (mut refused, mut unfit) = (0, 0);
    for file in yaml_files("tests/mistakes").into_iter().chain(yaml_files("tests/cases/mistakes")) {
        let text = std::fs::read_to_string(&file).unwrap();
        // It is about what is no YAML, or about anchors, which an editor resolves before it looks at a schema.
        if file.ends_with("yaml.yaml") || text.contains("- *") {
            continue;
        }
        for document in yaml::documents(&text) {
            let loaded = load_text(&file.to_string_lossy(), &document.to_string());
            let objections = judge.objections(&document);
            let fits = objections.is_empty();
            assert!(fits || loaded.config.is_none(), "{document}: {objections}");
            refused += usize::from(loaded.config.is_none());
            unfit += usize::from(!fits);
        }
    }
    println!("{unfit} of {refused} documents with mistakes do not fit");
    assert!(refused > 50 && unfit * 3 > refused * 2, "{unfit} of {refused}");
}

#[test]
fn documents_of_others_are_let_pass_and_lists_are_looked_into() {
    let judge = Judge::named("documents");
    let service =
        json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {}}});
    let broker =
        json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "a"}});
    let list = |item: &Value| json!({"apiVersion": "v1", "kind": "List", "items": [service, item]});
    assert_eq!(judge.objections(&service), "");
    assert_eq!(judge.objections(&list(&broker)), "");
    assert_eq!(judge.objections(&Value::Null), "");
    let others_trigger = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "Trigger", "spec": 1});
    assert_eq!(judge.objections(&others_trigger), "");
    for (field, wrong) in
        [("kind", "Brokr"), ("apiVersion", "eventing.knative.dev/v1beta1"), ("apiVersion", "v1")]
    {
        let mut document = broker.clone();
        document[field] = wrong.into();
        // What a kind of Knative's is meant to be, the loader alone can guess.
        assert_eq!(judge.objections(&document).is_empty(), wrong == "Brokr", "{document}");
    }
    let mut wrong = broker.clone();
    wrong["spec"] = json!({"delivry": {}});
    assert!(!judge.objections(&wrong).is_empty() && !judge.objections(&list(&wrong)).is_empty());
    let ours = json!({"apiVersion": "weir.dev/v1alpha1", "kind": "Functoin", "metadata": {"name": "a"}});
    assert!(!judge.objections(&ours).is_empty());
}

/// Each value of each setting is judged as the worker does.
#[test]
fn settings_are_judged_alike() {
    let judge = Judge::named("settings");
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(7),
        json!(5000),
        json!(2_000_000),
        json!(99_999_999_999_i64),
        json!(""),
        json!("a"),
        json!("7"),
        json!("64KiB"),
        json!("2 MB"),
        json!("1Kib"),
        json!("1s"),
        json!("1h30m"),
        json!("PT2S"),
        json!("10"),
        json!("1y"),
        json!("127.0.0.1:8081"),
        json!("[::1]:8081"),
        json!("localhost:80"),
        json!("info"),
        json!("json"),
        json!("wran"),
        json!([]),
        json!(["a", "b"]),
        json!(["a,b"]),
        json!([1]),
        json!({}),
        json!({"secret": "a/b"}),
        json!({"secret": "a"}),
        json!("secret:a/b"),
        json!({"a": 1}),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.yaml");
    let mut accepted = 0;
    for row in weir::config::settings::TABLE {
        for value in &values {
            let nested = row.name.rsplit('.').fold(value.clone(), |inner, word| json!({word: inner}));
            std::fs::write(&file, nested.to_string()).unwrap();
            let (_, diagnostics) = load_settings(Some(&file), &|_| None, &[]);
            // Bounds of what is written as text, two settings together, and whether a secret is there.
            let unknowable =
                ["is out of range", "is http.address already", "is neither in", "there is no http."];
            let errors: Vec<_> = diagnostics
                .sorted()
                .into_iter()
                .filter(|d| d.severity == Severity::Error)
                .map(|d| d.message.clone())
                .collect();
            // What a selector says is a language of its own.
            let known = errors
                .iter()
                .filter(|error| row.name != "select" && !unknowable.iter().any(|part| error.contains(part)));
            let objections = judge.objections(&nested);
            match objections.is_empty() {
                true => assert_eq!(known.count(), 0, "{nested}: {errors:?}"),
                false => assert!(!errors.is_empty(), "{nested}: {objections}"),
            }
            accepted += usize::from(objections.is_empty());
        }
        let misspelt =
            row.name.rsplit('.').fold(Value::Null, |inner, word| json!({format!("{word}x"): inner}));
        assert!(!judge.objections(&misspelt).is_empty(), "{misspelt}");
    }
    assert!(accepted > 150, "{accepted}");
    let theirs = json!({"server": {"host": "0.0.0.0", "port": 8080}, "http.max-body": "2MiB"});
    assert_eq!(judge.objections(&theirs), "");
}

/// What a CRD accepts fits, unless the worker refuses it; then it may fit or not.
#[test]
fn published_manifests_fit_what_reads_them() {
    let Some(root) = std::env::var_os("WEIR_CONFORMANCE").map(PathBuf::from) else {
        println!("conformance data absent: suite left out");
        return;
    };
    let folder = root.join("manifests");
    let index: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.join("MANIFEST.json")).unwrap()).unwrap();
    let judge = Judge::named("documents");
    let (mut fitting, mut others) = (0, 0);
    for manifest in index.iter().filter(|manifest| manifest["schema"] == "ok") {
        let file = folder.join(manifest["file"].as_str().unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        let ours = schema::all().any(|schema| manifest["kind"] == schema.name);
        // Of others' documents this reader of YAML may know too little.
        if !ours {
            others += 1;
            continue;
        }
        let objections: Vec<String> =
            yaml::documents(&text).iter().map(|document| judge.objections(document)).collect();
        let refused = refused(&file);
        assert!(objections.iter().all(String::is_empty) || refused, "{}: {objections:?}", file.display());
        fitting += usize::from(!refused);
    }
    assert!(fitting > 30 && others > 30, "{fitting} {others}");
}

/// For anything but what stands in other files.
fn refused(file: &Path) -> bool {
    let loaded = load(&[file.to_owned()]);
    let errors = loaded.diagnostics.sorted().into_iter().filter(|d| d.severity == Severity::Error);
    errors.filter(|d| !d.message.starts_with("no Function") && !d.message.starts_with("no Broker")).count()
        > 0
}
