//! The bring-up of a switch as SVG: a row for each stage, on the time from its beginning.

use anyhow::Result;
use serde::Serialize;

use super::templates;
use crate::record::BringUp;

const LABELS: f64 = 170.0;
const BARS: f64 = 440.0;
/// For the length behind the last bar.
const BEHIND: f64 = 74.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 26.0;
/// How narrow a bar may be and still be seen.
const LEAST: f64 = 2.0;
/// How many lines of the time there are at most.
const TICKS: f64 = 9.0;

#[derive(Serialize)]
struct Chart {
    title: String,
    width: f64,
    height: f64,
    bottom: f64,
    label_x: f64,
    rows: Vec<Row>,
    ticks: Vec<Tick>,
    ready: Option<Tick>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    line: String,
    y: f64,
    x: f64,
    width: f64,
    took: String,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    text: String,
}

/// `span` is the seconds that the chart is wide, so that several can be compared.
pub fn chart(bring_up: &BringUp, span: f64) -> Result<String> {
    templates::render("gantt.svg", &drawn(bring_up, span.max(0.1)))
}

/// How long it took, as far as is known.
pub fn span(bring_up: &BringUp) -> f64 {
    let ends = bring_up.stages.iter().map(|stage| stage.ended).chain(bring_up.ready);
    ends.fold(bring_up.began, f64::max) - bring_up.began
}

fn drawn(bring_up: &BringUp, span: f64) -> Chart {
    let x = |moment: f64| LABELS + ((moment - bring_up.began) / span).clamp(0.0, 1.0) * BARS;
    let rows = bring_up.stages.iter().enumerate().map(|(number, stage)| Row {
        name: stage.name.clone(),
        line: stage.line.clone(),
        y: HEAD + number as f64 * ROW,
        x: x(stage.began),
        width: (x(stage.ended) - x(stage.began)).max(LEAST),
        took: format!("{:.1} s", (stage.ended - stage.began).max(0.0)),
    });
    let rows: Vec<Row> = rows.collect();
    let bottom = HEAD + rows.len() as f64 * ROW;
    let step = step(span);
    let ticks = (0_u32..).map(|number| f64::from(number) * step).take_while(|second| *second <= span);
    Chart {
        title: format!("{}: {}", bring_up.device, bring_up.occasion),
        width: LABELS + BARS + BEHIND,
        height: bottom + 8.0,
        bottom,
        label_x: LABELS - 8.0,
        rows,
        ticks: ticks.map(|second| Tick { x: x(bring_up.began + second), text: format!("{second} s") }).collect(),
        ready: bring_up.ready.map(|ready| Tick { x: x(ready), text: format!("ready {:.1} s", ready - bring_up.began) }),
    }
}

/// The round number of seconds between two lines.
fn step(span: f64) -> f64 {
    let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
    steps.into_iter().find(|step| span / step <= TICKS).unwrap_or((span / TICKS).ceil())
}
