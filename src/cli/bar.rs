//! How far a command has got, on a terminal only.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::function::{Step, Watch};

pub fn bar(total: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() && total > 1 {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}")
        .expect("the template is right");
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}

/// Which function is being compiled, of so many: `compiling 3/20 shop/payment ...`. Empty until one is.
pub fn compiling() -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{msg}").expect("the template is right");
    ProgressBar::with_draw_target(None, target).with_style(style).with_finish(ProgressFinish::AndClear)
}

/// What tells it, for functions of these names.
pub fn watch(bar: &ProgressBar, names: Vec<String>) -> Watch {
    let bar = bar.clone();
    Box::new(move |function, step| {
        let at = names.iter().position(|name| name == function).map_or(0, |at| at + 1);
        let doing = match step {
            Step::Compiling => "compiling",
            Step::Waiting => "waiting for another process that compiles",
        };
        bar.set_message(format!("{doing} {at}/{} {function} ...", names.len()));
    })
}
