//! The templates of the page and its drawings. Whatever they are given is escaped.

use anyhow::{Context, Result};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

const TEMPLATES: [(&str, &str); 3] = [
    ("report.html", include_str!("templates/report.html")),
    ("topology.svg", include_str!("templates/topology.svg")),
    ("gantt.svg", include_str!("templates/gantt.svg")),
];

pub fn render(name: &str, values: &impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.context("the usual delimiters")?);
    environment.add_filter("seconds", |seconds: f64| format!("{seconds:.1} s"));
    environment.add_filter("one_digit", |number: f64| format!("{number:.1}"));
    environment.add_filter("px", px);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).with_context(|| format!("the template {name} is wrong"))?;
    }
    let template = environment.get_template(name)?;
    template.render(Value::from(Serde(values))).with_context(|| format!("the template {name} cannot be filled"))
}

/// No more digits than a drawing shows.
fn px(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
