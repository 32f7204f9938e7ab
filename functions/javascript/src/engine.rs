//! One script, ready to answer events.

use rquickjs::context::EvalOptions;
use rquickjs::function::Func;
use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Exception, Function, Module, Persistent, Promise, Runtime,
    Value,
};

use weir_guest::Level;

const PRELUDE: &str = include_str!("prelude.js");

/// Of the stack that functions/build gives the module, the rest is for what runs beneath the script.
const STACK: usize = 192 << 10;

pub struct Engine {
    respond: Persistent<Function<'static>>,
    context: Context,
}

impl Engine {
    /// Loads a script, an ES module whose default export is the handler.
    pub fn load(name: &str, script: &str) -> Result<Engine, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        runtime.set_max_stack_size(STACK);
        let context = Context::full(&runtime).map_err(|error| error.to_string())?;
        let respond = context.with(|ctx| {
            let loaded = load(&ctx, name, script).catch(&ctx);
            loaded.map_err(|error| format!("{name}: {}", told(&error)))
        })?;
        Ok(Engine { respond, context })
    }

    /// The answer to an event, both as the texts that host and function exchange.
    pub fn respond(&self, event: &str) -> Result<String, String> {
        self.context.with(|ctx| {
            let respond = self.respond.clone().restore(&ctx).map_err(|error| error.to_string())?;
            let promise: Promise<'_> = respond.call((event,)).catch(&ctx).map_err(|error| told(&error))?;
            while ctx.execute_pending_job() {}
            match promise.result::<String>() {
                Some(answer) => answer.catch(&ctx).map_err(|error| told(&error)),
                None => Ok(NEVER.to_owned()),
            }
        })
    }
}

/// Nothing happens between events, so what does not come now never comes.
const NEVER: &str =
    r#"{"error":{"retry":false,"code":"never-settled","message":"the handler awaits what never comes"}}"#;

/// In the order of their numbers.
const LEVELS: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

fn load<'js>(ctx: &Ctx<'js>, name: &str, script: &str) -> rquickjs::Result<Persistent<Function<'static>>> {
    let prelude: Function<'js> = ctx.eval_with_options(PRELUDE, options("weir"))?;
    let log =
        Func::from(|level: usize, text: String| weir_guest::log(LEVELS[level.min(LEVELS.len() - 1)], &text));
    let config = Func::from(|key: String| weir_guest::config(&key));
    let answering: Function<'js> = prelude.call((log, config))?;

    let (module, evaluated) = Module::declare(ctx.clone(), name, script)?.eval()?;
    while ctx.execute_pending_job() {}
    match evaluated.result::<()>() {
        Some(done) => done?,
        None => return Err(Exception::throw_type(ctx, "it awaits what never comes")),
    }
    let handler: Value<'js> = module.namespace()?.get("default")?;
    if !handler.is_function() {
        return Err(Exception::throw_type(ctx, "its default export is no function"));
    }
    let respond: Function<'js> = answering.call((handler,))?;
    Ok(Persistent::save(ctx, respond))
}

fn options(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.filename = Some(name.to_owned());
    options
}

/// On one line, with its place.
fn told(error: &CaughtError<'_>) -> String {
    let text = match error {
        CaughtError::Exception(exception) => {
            let name: Option<String> = exception.get("name").ok();
            let place = exception.stack().unwrap_or_default();
            let place = place.lines().next().unwrap_or_default().trim();
            let message = exception.message().unwrap_or_default();
            format!("{}: {message} {place}", name.as_deref().unwrap_or("Error"))
        }
        other => other.to_string(),
    };
    text.trim().replace('\n', " ")
}
