//! Verification of templates: rates at false match rates, and the ROC curve.

use super::ReportError;
use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend, Section};
use super::plots::{Chart, ChartLayer, Style};
use super::words::{NONE, count, counted, interval_name, maybe, target, value_and_interval};
use crate::estimate::Estimate;
use crate::identification::{SearchCounts, SearchRates};
use crate::numbers::Quantity::{Cosine, Rate};
use crate::templates::{
    Aggregation, MeanRank, MeanTpir, TemplateCounts, TemplateProtocol, TemplateSearches, TemplatesResult,
};

/// All template protocols of a run.
pub(super) fn section(results: &[TemplatesResult]) -> Result<Section, ReportError> {
    let section = Section::new("templates", "Verification of templates");
    let Some(first) = results.first() else { return Ok(section) };
    let interval = interval_name(&first.eer);
    let mut table = DataTable::new(
        "True accept rate at false match rates",
        &[
            "protocol",
            "#FMR",
            "#threshold",
            "#true accept rate",
            &format!("#{interval}"),
            "#by insightface's rule",
            "#at FMR",
            "interval method",
        ],
    );
    for TemplatesResult { protocol, operating_points, .. } in results {
        for point in operating_points {
            let [value, interval] = value_and_interval(Rate, &point.tar);
            table.row([
                protocol.name.clone(),
                target(point.target_fmr),
                maybe(point.threshold, Cosine),
                value,
                interval,
                Rate.value(point.nearest_tar.point),
                format!("{:.3e}", point.nearest_fmr),
                point.tar.as_ref().map_or_else(|| NONE.into(), |tar| tar.method.clone()),
            ]);
        }
    }
    table.note = "The true accept rate is that at the lowest threshold whose false match rate does not exceed the target; a \
                  dash means that there are too few impostor pairs to see such a rate. insightface reports the point of the \
                  thinned curve whose false match rate is nearest to the target, on either side of it: compare published \
                  values with that column."
        .into();
    let mut rates = DataTable::new(
        "Equal error rate and area",
        &["protocol", "#equal error rate", &format!("#{interval}"), "#threshold", "#area under the curve", "#interval"],
    );
    for result in results {
        let [eer, eer_interval] = value_and_interval(Rate, &result.eer);
        let [auc, auc_interval] = value_and_interval(Rate, &result.auc);
        let threshold = Cosine.value(result.eer_threshold);
        rates.row([result.protocol.name.clone(), eer, eer_interval, threshold, auc, auc_interval]);
    }
    let section = section.texts(results.iter().map(description)).with(table).with(rates).with(roc(results)?);
    Ok(match searches(results) {
        Some(table) => section.with(table),
        None => section,
    })
}

/// 1:N of all protocols that have it.
fn searches(results: &[TemplatesResult]) -> Option<DataTable> {
    let found = || results.iter().filter_map(|result| Some((&result.protocol.name, result.searches.as_ref()?)));
    let interval = interval_name(&results.first()?.eer);
    let (_, first) = found().next()?;
    let mut columns =
        vec!["protocol".to_owned(), "rate".into(), "#mean of the galleries".into(), format!("#{interval}")];
    columns.extend((1..=first.galleries.len()).map(|gallery| format!("#gallery {gallery}")));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = DataTable::new("Probe templates searched in the galleries (1:N)", &columns);
    for (protocol, TemplateSearches { mean, galleries, .. }) in found() {
        let mut row = |name: String, mean: &Option<Estimate>, of: &dyn Fn(&SearchRates) -> Option<f64>| {
            let [value, interval] = value_and_interval(Rate, mean);
            let alone = galleries.iter().map(|gallery| maybe(of(gallery), Rate));
            table.row([protocol.clone(), name, value, interval].into_iter().chain(alone));
        };
        for (at, MeanRank { rank, rate }) in mean.ranks.iter().enumerate() {
            let of = |gallery: &SearchRates| Some(gallery.ranks.get(at)?.rate.as_ref()?.point);
            row(format!("found at rank {rank} or better"), rate, &of);
        }
        for (at, MeanTpir { target_fpir, tpir }) in mean.open_set.iter().enumerate() {
            let of = |gallery: &SearchRates| Some(gallery.open_set.get(at)?.tpir.as_ref()?.point);
            row(format!("TPIR at FPIR {}", target(*target_fpir)), tpir, &of);
        }
    }
    let sizes = first.galleries.iter().map(|gallery| {
        let SearchCounts { gallery, mated, non_mated, .. } = gallery.counts;
        format!(
            "{} with {} and {}",
            counted(gallery, "subject", "subjects"),
            counted(mated, "mated search", "mated searches"),
            counted(non_mated, "non-mated one", "non-mated ones")
        )
    });
    table.note = format!(
        "A probe whose subject is in one gallery is a non-mated search of the other. Galleries: {}. {} left out, because no \
         face of theirs has an embedding{}. The interval of a mean is the mean of the galleries' intervals.",
        sizes.collect::<Vec<_>>().join("; "),
        counted(first.left_out, "template was", "templates were"),
        match first.not_enrolled {
            0 => String::new(),
            n => format!(
                ", and {}, because no template of the subject in that gallery has one",
                counted(n, "search", "searches")
            ),
        },
    );
    Some(table)
}

/// The protocol in sentences.
fn description(TemplatesResult { protocol, counts, .. }: &TemplatesResult) -> String {
    let TemplateProtocol { name, aggregation, detector_score, .. } = protocol;
    let &TemplateCounts {
        faces, failed, templates, empty, subjects, named_subjects, genuine, impostor, missing, ..
    } = counts;
    let how = match aggregation {
        Aggregation::Media => "the mean of each media's faces, then the sum over media",
        Aggregation::Faces => "the mean of all faces",
    };
    let weighted = if *detector_score { ", each face weighted by its detector's score" } else { "" };
    let who = if named_subjects {
        "as the dataset names them"
    } else {
        "as the 1:N tables and the genuine pairs imply them: two of them may be one person"
    };
    let without = match (failed, empty) {
        (0, 0) => String::new(),
        _ => format!(
            " {} no embedding and left out of {}; {} no face left, and {} left out: compare with care.",
            counted(failed, "face has", "faces have"),
            if failed == 1 { "its template" } else { "their templates" },
            counted(empty, "template has", "templates have"),
            counted(missing, "pair was", "pairs were")
        ),
    };
    format!(
        "{name}: {} of {}, {how}{weighted}; {} genuine and {} of templates. {}, {who}.{without}",
        counted(templates, "template", "templates"),
        counted(faces, "face", "faces"),
        count(genuine),
        counted(impostor, "impostor pair", "impostor pairs"),
        counted(subjects, "subject", "subjects"),
    )
}

/// True accept rate over the false match rate, which is on a logarithmic axis.
fn roc(results: &[TemplatesResult]) -> Result<Exhibit, ReportError> {
    let most = results.iter().map(|result| result.counts.impostor).max().unwrap_or(1);
    let x = ChartAxis::rate("false match rate (FMR)", 1.0 / most.max(1) as f64);
    let worst = results.iter().flat_map(|result| &result.curve).map(|point| point.tar).fold(1.0, f64::min);
    // A good curve would fill only the top tenth of a full axis; a bad one needs the full axis.
    let lower = if worst < 0.5 { 0.0 } else { (10.0 * worst - 0.5).floor() * 10.0 };
    let y = ChartAxis::linear("true accept rate, %", lower, 100.0);
    let line = |(number, result): (usize, &TemplatesResult)| {
        let points = result.curve.iter().map(|point| (point.fmr, 100.0 * point.tar)).filter(|(fmr, _)| *fmr > 0.0);
        ChartLayer::Line(Style::nth(number), points.collect())
    };
    let layers = results.iter().enumerate().map(line).collect();
    let name = |(number, result): (usize, &TemplatesResult)| Legend::line(Style::nth(number), &result.protocol.name);
    let legend = results.iter().enumerate().map(name).collect();
    let mut numbers = DataTable::new(
        "Numbers: the ROC curve of templates",
        &["protocol", "#threshold", "#false match rate", "#true accept rate"],
    );
    for TemplatesResult { protocol, curve, .. } in results {
        for point in curve.iter().step_by(curve.len().div_ceil(NUMBERS).max(1)) {
            let fmr = format!("{:.3e}", point.fmr);
            numbers.row([protocol.name.clone(), Cosine.value(point.threshold), fmr, Rate.value(point.tar)]);
        }
    }
    let caption = [
        "Upper left is better: the share of genuine pairs of templates accepted against the share of impostor pairs accepted at the same threshold. The FMR axis is logarithmic because small rates are the useful ones.",
        "For a good curve, the vertical axis does not start at zero. Every point is exact; its uncertainty is in the table.",
    ];
    Exhibit::figure("ROC of templates", &Chart { x, y, layers }, legend, caption, numbers)
}

/// Rows of a curve's table.
const NUMBERS: usize = 40;
