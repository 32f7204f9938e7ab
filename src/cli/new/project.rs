//! The files of a new project. What it does is the example's work, in the example's own words.

use super::language::Language;

/// A file within the project's folder, and all that stands in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub path: String,
    pub text: String,
}

/// What has another name in every project.
struct Names<'n> {
    name: &'n str,
    module: String,
    script: String,
}

pub(super) fn files(name: &str, language: Language) -> Vec<File> {
    let names = Names { name, module: language.module(name), script: language.script(name) };
    let mut files = vec![
        names.file("triggers/{{name}}.yaml", include_str!("templates/function.yaml")),
        names.file("triggers/{{name}}_test.yaml", include_str!("templates/function_test.yaml")),
    ];
    files.extend(match language {
        Language::Rust => rust(&names),
        Language::Go => go(&names),
        Language::JavaScript => javascript(&names),
        Language::C => c(&names),
    });
    files
}

impl Names<'_> {
    fn file(&self, path: &str, text: &str) -> File {
        File { path: self.named(path), text: self.named(text) }
    }

    fn named(&self, text: &str) -> String {
        text.replace("{{name}}", self.name)
            .replace("{{module}}", &self.module)
            .replace("{{script}}", &self.script)
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
    }

    /// A source of the example, which is named `payment` and adds that to the ids of its replies.
    fn example(&self, path: &str, text: &str) -> File {
        let text = text.replace("\"payment-go/", &format!("\"example.com/{}/", self.name));
        let text = text.replace("/payment", &format!("/{}", self.name));
        self.file(path, &text.replace("\"payment.c\"", &format!("\"{}.c\"", self.name)))
    }
}

fn rust(names: &Names<'_>) -> Vec<File> {
    macro_rules! sdk {
        ($($file:literal)*) => {
            [$(names.file(
                concat!("weir-guest/src/", $file),
                include_str!(concat!("../../../functions/sdk/src/", $file)),
            )),*]
        };
    }
    let mut files = vec![
        names.file("Cargo.toml", include_str!("templates/rust/Cargo.toml")),
        names.example("src/lib.rs", include_str!("../../../functions/payment/src/lib.rs")),
        names.file(".cargo/config.toml", include_str!("../../../functions/.cargo/config.toml")),
        names.file(".gitignore", include_str!("templates/rust/gitignore")),
        names.file("weir-guest/Cargo.toml", include_str!("templates/rust/sdk.toml")),
    ];
    files.extend(sdk!["abi.rs" "error.rs" "event.rs" "handler.rs" "host.rs" "lib.rs" "panic.rs" "reply.rs"]);
    files
}

fn go(names: &Names<'_>) -> Vec<File> {
    macro_rules! sdk {
        ($($file:literal)*) => {
            [$(names.file(
                concat!("weir/", $file),
                include_str!(concat!("../../../functions/payment-go/weir/", $file)),
            )),*]
        };
    }
    let mut files = vec![
        names.file("go.mod", include_str!("templates/go/go.mod")),
        names.example("handler.go", include_str!("../../../functions/payment-go/handler.go")),
        names.example("handler_test.go", include_str!("../../../functions/payment-go/handler_test.go")),
        names.file(".gitignore", include_str!("templates/go/gitignore")),
    ];
    files.extend(sdk!["abi_wasip1.go" "event.go" "handler.go" "host.go" "host_other.go" "host_test.go" "host_wasip1.go" "reply.go"]);
    files
}

fn javascript(names: &Names<'_>) -> Vec<File> {
    vec![
        names.file("package.json", include_str!("templates/javascript/package.json")),
        names.example("{{name}}.js", include_str!("../../../functions/payment-js/payment.js")),
        names.example("{{name}}.test.js", include_str!("../../../functions/payment-js/payment.test.js")),
        names.file(".gitignore", include_str!("templates/javascript/gitignore")),
    ]
}

fn c(names: &Names<'_>) -> Vec<File> {
    vec![
        names.file("Makefile", include_str!("templates/c/Makefile")),
        names.example("{{name}}.c", include_str!("../../../functions/payment-c/payment.c")),
        names.example("test.c", include_str!("../../../functions/payment-c/test.c")),
        names.file("weir.h", include_str!("../../../functions/c/weir.h")),
        names.file(".gitignore", include_str!("templates/c/gitignore")),
    ]
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn nothing_of_the_templates_and_the_example_s_name_is_left() {
        for language in Language::value_variants() {
            let files = files("greeter", *language);
            for file in &files {
                assert!(!file.path.contains("{{") && !file.text.contains("{{n"), "{}", file.path);
                assert!(
                    !file.text.contains("{{m") && !file.text.contains("{{s") && !file.text.contains("{{v"),
                    "{}",
                    file.path
                );
                assert!(
                    !file.text.contains("/payment") && !file.text.contains("payment-go"),
                    "{}",
                    file.path
                );
                assert!(file.text.ends_with('\n'), "{}", file.path);
            }
            let mut paths: Vec<_> = files.iter().map(|file| &file.path).collect();
            paths.sort();
            paths.dedup();
            assert_eq!(paths.len(), files.len(), "{paths:?}");
        }
    }

    #[test]
    fn the_whole_sdk_is_there() {
        for (language, from, to) in [
            (Language::Rust, "functions/sdk/src", "weir-guest/src"),
            (Language::Go, "functions/payment-go/weir", "weir"),
        ] {
            let files = files("greeter", language);
            for source in
                std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(from)).unwrap()
            {
                let path = format!("{to}/{}", source.unwrap().file_name().to_str().unwrap());
                assert!(files.iter().any(|file| file.path == path), "{path}");
            }
        }
    }
}
