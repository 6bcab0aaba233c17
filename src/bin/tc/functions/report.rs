//! `tc report`: a function's variants compared, and what follows.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::args::OutputFormat;
use crate::error::{DONE, Failure, NEGATIVE, PENDING};
use crate::find::nearest;
use crate::functions::read::{Found, RangeArgs, Read};
use crate::functions::shape;
use crate::functions::status::{latency, success};
use crate::functions::summary::fallbacks;
use crate::output::csv::Sheet;
use crate::output::figures::{count, percent};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::{Answer, Section, of_store};
use crate::surroundings::Context;
use temporal_code::logs::{self, FunctionSummary, Recommendation, Report, Tally, VariantComparison, VariantSummary};
use temporal_code::text;

/// Compare a function's variants, and say what follows
///
/// Success rates come with Wilson's 95% interval, their differences with Newcombe's. Both are good for one look: who looks
/// every day and acts on the first good one is misled more often. Calls made because another variant had failed are left
/// out of the comparison.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 promote, 1 rollback or invalid, 8 inconclusive.")]
pub(crate) struct ReportArgs {
    /// The function, by its full name
    function: String,
    /// The variant to compare the others with [default: v1, else the one called first]
    #[arg(long, value_name = "VARIANT")]
    baseline: Option<String>,
    #[command(flatten)]
    range: RangeArgs,
}

/// What the intervals are good for.
const HONESTY: &str = "pp: percentage points. The intervals are good for one look: who looks again and again, and acts on \
                       the first clear one, is misled more often.";

/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: Some("variants"),
    columns: "function variant calls successes failures success_rate success_interval.low success_interval.high share \
              latency_ms.mean latency_ms.p50 latency_ms.p90 latency_ms.p95 latency_ms.p99 latency_ms.max fallback.calls \
              fallback.successes baseline compared.success.difference compared.success.low compared.success.high \
              compared.latency.mean_ratio compared.latency.p50_ratio compared.latency.p95_ratio verdict.decision \
              verdict.variant verdict.reason recommendation",
    json: "",
};

pub(crate) fn run(context: &Context, args: &ReportArgs) -> Result<u8> {
    let filter = args.range.filter(context)?;
    let (read, warnings) = Read::of_asked(context, &args.range, &filter)?;
    let found = read.named(context, &args.function)?;
    let baseline = args.baseline.as_deref();
    let reports = found.into_iter().map(|Found { store, function }| {
        let report = Report::new(function, baseline);
        Ok((store, report.ok_or_else(|| unknown_variant(function, baseline.unwrap_or_default()))?))
    });
    let reports = reports.collect::<Result<Vec<_>>>()?;
    let is_csv = context.global.output() == OutputFormat::Csv;
    let item = |report: &Report<'_>| if is_csv { row(report) } else { item(report) };
    let items = || Ok(reports.iter().map(|(store, report)| of_store(item(report).to_string(), *store)).collect());
    let sections = || Section::apart(reports.iter().map(|(store, report)| sections(context, *store, report)));
    Answer { schema: "tc.report/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    let verdicts = reports.iter().map(|(_, report)| match report.verdict.decision {
        Recommendation::Promote => DONE,
        Recommendation::Rollback | Recommendation::Invalid => NEGATIVE,
        Recommendation::Inconclusive => PENDING,
    });
    // Of several the one that stands most against it.
    Ok(verdicts.min_by_key(|exit| (*exit != NEGATIVE, *exit != PENDING)).unwrap_or(PENDING))
}

fn unknown_variant(function: &FunctionSummary, name: &str) -> anyhow::Error {
    let known = function.variants.iter().map(|variant| &*variant.name).collect::<Vec<_>>();
    let hint = nearest(name, known.iter().copied()).unwrap_or_else(|| format!("there are {}", known.join(", ")));
    Failure::new("unknown_variant", format!("`{}` has no variant `{name}`", function.name)).hint(hint).into()
}

fn item(report: &Report<'_>) -> Value {
    let variants = &report.function.variants;
    let total = variants.iter().map(|variant| variant.primary.calls).sum::<u64>();
    let observed = variants.iter().map(|one| (one.name.to_string(), json!(one.primary.share_of(total))));
    json!({
        "function": *report.function.name,
        "variants": variants.iter().map(|variant| variant_item(variant, total)).collect::<Value>(),
        "baseline": report.baseline.map(|variant| &*variant.name),
        "comparisons": report.comparisons.iter().map(|other| comparison(report, other)).collect::<Value>(),
        "sample_ratio": {
            "tested": false,
            "reason": "the log does not say what split was meant",
            "observed": observed.collect::<Map<_, _>>(),
        },
        "recommendation": &*report.recommendation,
        "verdict": report.verdict,
    })
}

/// For CSV, where a variant is a row: each with what it is compared by.
fn row(report: &Report<'_>) -> Value {
    let mut item = item(report);
    let mut compared = item["comparisons"].as_array().cloned().unwrap_or_default().into_iter().peekable();
    for variant in item["variants"].as_array_mut().into_iter().flatten() {
        // Both stand in the order of the variants.
        if let Some(comparison) = compared.next_if(|comparison| comparison["variant"] == variant["variant"]) {
            variant["compared"] = comparison;
        }
    }
    item
}

/// A variant's own calls; those made as a fallback stand apart.
fn variant_item(variant: &VariantSummary, total: u64) -> Value {
    let own = &variant.primary;
    json!({
        "variant": *variant.name,
        "calls": own.calls,
        "successes": own.successes,
        "failures": own.failures(),
        "success_rate": own.success_rate(),
        "success_interval": shape::wilson(own),
        "share": own.share_of(total),
        "latency_ms": shape::latency_ms(own),
        "fallback": {"calls": variant.fallback.calls, "successes": variant.fallback.successes},
    })
}

/// Latencies of a variant are divided by the baseline's.
fn comparison(report: &Report<'_>, other: &VariantComparison<'_>) -> Value {
    let baseline = report.baseline.map(|variant| &variant.primary);
    let ratio = |figure: fn(&Tally) -> Option<f64>| baseline.and_then(|baseline| other.ratio(baseline, figure));
    json!({
        "variant": *other.variant.name,
        "success": {
            "difference": other.difference,
            "low": other.interval.map(|interval| interval.low),
            "high": other.interval.map(|interval| interval.high),
            "level": 0.95,
            "method": "newcombe, one look",
        },
        "latency": {
            "mean_ratio": ratio(|tally| tally.latency.mean_ns()),
            "p50_ratio": ratio(|tally| tally.latency.quantile_ns(0.5)),
            "p95_ratio": ratio(|tally| tally.latency.quantile_ns(0.95)),
        },
        "concurrent": other.concurrent,
    })
}

fn sections(context: &Context, store: Option<&str>, report: &Report<'_>) -> Vec<Section> {
    let function = report.function;
    let name = shape::title(context, &function.name, store);
    let baseline = report.baseline.map(|variant| format!(", baseline `{}`", text::harmless(&variant.name)));
    let times = context.span(function.span()).map(|span| format!(", {span}")).unwrap_or_default();
    let title = format!("{name}{}{times}\n\n", baseline.unwrap_or_default());
    let mut sections = vec![Section { title, table: Some(variants(report)), notes: fallbacks(context, function) }];
    if !report.comparisons.is_empty() {
        let honesty = context.prose(Tone::Dim, HONESTY);
        sections.push(Section { title: "\n".into(), table: Some(comparisons(report)), notes: honesty });
    }
    let conclusion = Section::text(conclusion(context, report));
    // Whoever reads a comment may read no further than what follows.
    let place = if context.global.output() == OutputFormat::Markdown { 0 } else { sections.len() };
    sections.insert(place, conclusion);
    sections
}

fn conclusion(context: &Context, report: &Report<'_>) -> String {
    let verdict = &report.verdict;
    let tone = match verdict.decision {
        Recommendation::Promote => Tone::Good,
        Recommendation::Rollback | Recommendation::Invalid => Tone::Bad,
        Recommendation::Inconclusive => Tone::Warn,
    };
    let variant = verdict.variant.as_ref().map(|name| format!(" {}", text::harmless(name))).unwrap_or_default();
    let decision = tone.paint(&format!("{}{variant}", verdict.decision.name()), context.colours);
    let reason = text::harmless(&verdict.reason);
    let rule = text::harmless(&report.recommendation);
    let verdict = context.prose(Tone::Plain, &format!("Verdict: {decision}: {reason}."));
    format!("\n{verdict}{}", context.prose(Tone::Plain, &format!("Original rule: {rule}")))
}

/// Each variant's own calls.
fn variants(report: &Report<'_>) -> Table {
    let mut table = Table::new([
        Column::text("variant").cut_to(12),
        Column::number("calls"),
        Column::number("failed").expendable(3),
        Column::number("success"),
        Column::text("95% interval").expendable(2),
        Column::number("mean"),
        Column::number("p50").expendable(1),
        Column::number("p95"),
        Column::number("p99").expendable(4),
    ]);
    for variant in &report.function.variants {
        let own = &variant.primary;
        let interval = logs::wilson(own.successes, own.calls);
        table.row([
            Cell::name(&variant.name),
            Cell::new(count(own.calls)),
            Cell::new(count(own.failures())),
            success(own),
            Cell::new(interval.map_or("-".into(), |i| format!("{} to {}", percent(i.low), percent(i.high)))),
            latency(own.latency.mean_ns()),
            latency(own.latency.quantile_ns(0.5)),
            latency(own.latency.quantile_ns(0.95)),
            latency(own.latency.quantile_ns(0.99)),
        ]);
    }
    table
}

/// Each variant beside the baseline.
fn comparisons(report: &Report<'_>) -> Table {
    let against = report.baseline.map_or("", |variant| &*variant.name);
    let mut table = Table::new([
        Column::text("compared").cut_to(12),
        Column::number("success"),
        Column::text("95% interval"),
        Column::number("mean").expendable(1),
        Column::number("p50").expendable(2),
        Column::number("p95").expendable(3),
    ]);
    for other in &report.comparisons {
        let tone = match other.interval {
            Some(interval) if interval.low > 0.0 => Tone::Good,
            Some(interval) if interval.high < 0.0 => Tone::Bad,
            _ => Tone::Plain,
        };
        let points = |rate: f64| format!("{:+.2}", rate * 100.0);
        let interval = other.interval.map_or("-".into(), |i| format!("{} to {} pp", points(i.low), points(i.high)));
        let ratio = |figure: fn(&Tally) -> Option<f64>| {
            let ratio = report.baseline.and_then(|baseline| other.ratio(&baseline.primary, figure));
            Cell::new(ratio.map_or("-".into(), |ratio| format!("×{ratio:.2}")))
        };
        table.row([
            Cell::new(format!("{} to {against}", other.variant.name)),
            Cell::new(other.difference.map_or("-".into(), |rate| points(rate) + " pp")).tone(tone),
            Cell::new(interval),
            ratio(|tally| tally.latency.mean_ns()),
            ratio(|tally| tally.latency.quantile_ns(0.5)),
            ratio(|tally| tally.latency.quantile_ns(0.95)),
        ]);
    }
    table
}
