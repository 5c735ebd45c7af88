//! Identification protocols (1:N), through the binary.

use std::fmt::Write;
use std::fs;

use facevault::dataset::synthetic;
use serde_json::Value;

use crate::support::workspace::Workspace;

const PROTOCOL: &str = "protocols: [{name: search, kind: identification, unknown_share: 0.5, fpir: [0.1, 0.001]}]\n\
                        expect: {search.rank1: {min: 0}, search.fnir@fpir=1e-1: {min: 0}, search.tpir@fpir=1e-3: {min: 0}}\n\
                        published: [{metric: search.rank1, value: 1, source: nobody}]\n";

/// The searches of the run as rows of the table that the run keeps, as (mate's score, rank, highest score of others).
fn searches(workspace: &Workspace) -> Vec<(Option<f32>, Option<u32>, f32)> {
    let searched = facevault::results::read_searched(&workspace.only_run()).unwrap();
    let probes = searched.into_iter().flat_map(|protocol| protocol.probes);
    probes
        .map(|probe| {
            let mate = probe.search.mate;
            (mate.map(|mate| mate.cosine), mate.map(|mate| mate.rank), probe.search.other.unwrap().cosine)
        })
        .collect()
}

#[test]
fn a_search_runs_beside_the_comparison_with_curves_expectations_and_published_values() {
    let workspace = Workspace::synthetic(20, 3, PROTOCOL);
    let done = workspace.json(3, &["experiment", "config.yaml"]);
    let found = &done["metrics"]["identification"][0];
    let counts = &found["rates"]["counts"];
    assert_eq!((&counts["gallery"], &counts["mated"], &counts["non_mated"]), (&10.into(), &20.into(), &30.into()));
    assert_eq!(done["metrics"]["pairs"]["mode"], "exhaustive", "all pairs are compared as well");

    // The rates are those of the searches' own table.
    let table = searches(&workspace);
    assert_eq!(table.len(), 50);
    let first = table.iter().filter(|search| search.1 == Some(1)).count() as f64 / 20.0;
    assert!((found["rates"]["ranks"][0]["rate"]["point"].as_f64().unwrap() - first).abs() < 1e-12);
    let at = &found["rates"]["open_set"][0];
    let threshold = at["threshold"].as_f64().unwrap() as f32;
    let named = table.iter().filter(|search| search.0.is_none() && search.2 >= threshold).count();
    assert!(
        named <= 3 && table.iter().filter(|search| search.0.is_none() && search.2 >= threshold.next_down()).count() > 3
    );
    let missed = table.iter().filter(|search| search.0.is_some_and(|mate| search.1 != Some(1) || mate < threshold));
    assert!((at["fnir"]["point"].as_f64().unwrap() - missed.count() as f64 / 20.0).abs() < 1e-12);

    // What the probes cannot resolve has no number, and an expectation of it is not met.
    assert_eq!(
        (&found["rates"]["open_set"][1]["threshold"], &found["rates"]["open_set"][1]["tpir"]),
        (&Value::Null, &Value::Null)
    );
    let judged = |metric: &str| {
        let all = done["expectations"].as_array().unwrap();
        all.iter().find(|judged| judged["metric"] == metric).unwrap().clone()
    };
    assert_eq!((&judged("search.rank1")["met"], &judged("search.fnir@fpir=1e-1")["met"]), (&true.into(), &true.into()));
    let not = judged("search.tpir@fpir=1e-3");
    assert_eq!(not["met"], false);
    assert_eq!(not["not_judged"], "30 non-mated searches are too few for an FPIR of 1e-3: it takes 1000");
    assert_eq!(done["published"][0]["metric"], "search.rank1");

    // Curves, page, and the same again.
    let run = workspace.only_run();
    let curves = fs::read_to_string(run.join("identification.csv")).unwrap();
    assert!(curves.starts_with("protocol,curve,rank,fpir,threshold,rate,lower,upper\nsearch,cmc,1,"), "{curves}");
    assert!(curves.lines().any(|line| line.starts_with("search,tpir,,0.0,")), "{curves}");
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    workspace.run(0, &["verify", &name]);
    let report = fs::read_to_string(workspace.path("reports").join(format!("{name}.html"))).unwrap();
    for text in ["Cumulative match characteristic", "20 probes of 10 people are searched for among 10 people"] {
        assert!(report.contains(text), "{text}");
    }
    let (said, _) = workspace.run(3, &["experiment", "config.yaml"]);
    assert!(said.contains("search rank 1") && said.contains("10 people in the gallery"), "{said}");
    let before = fs::read(run.join("metrics.json")).unwrap();
    workspace.run(3, &["evaluate", &name]);
    fs::remove_file(run.join("SEALED")).unwrap();
    workspace.run(3, &["evaluate", &name]);
    assert_eq!(fs::read(run.join("metrics.json")).unwrap(), before);
}

/// 12 people with a face in the gallery and two probes, six others with two probes, a stranger and two distractors, as
/// pictures in folders, and as a table of another dataset with the same pictures.
fn foldered() -> (Workspace, String) {
    let workspace = Workspace::new();
    let (mut table, mut written) = ("path,role,identity\n".to_owned(), 0_u32);
    let mut put = |part: &str, person: Option<u32>, sample: u32| {
        written += 1;
        let picture = synthetic::render(5, person.unwrap_or(100 + written), sample, 96);
        let name = match person {
            Some(person) => format!("p{person:02}/{sample}.png"),
            None => format!("{written}.png"),
        };
        let path = workspace.path("faces").join(part).join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
        let role = if part == "probe" { "probe" } else { "gallery" };
        let identity = person.map_or(String::new(), |person| format!("p{person:02}"));
        writeln!(table, "{part}/{name},{role},{identity}").unwrap();
    };
    for person in 0..18 {
        if person < 12 {
            put("gallery", Some(person), 0);
        }
        put("probe", Some(person), 1);
        put("probe", Some(person), 2);
    }
    put("probe", None, 0);
    put("distractors", None, 0);
    put("distractors", None, 0);
    (workspace, table)
}

const FOLDERS: &str = "dataset: {source: folders, root: faces, parts: [gallery, probe, distractors]}\n";

#[test]
fn folders_and_a_table_make_the_same_gallery() {
    let (workspace, table) = foldered();
    fs::write(workspace.path("roles.csv"), table).unwrap();
    let protocol = |keys: &str| {
        format!("{FOLDERS}protocols: [{{name: search, kind: identification, ranks: [1, 2], fpir: [0.1], {keys}}}]\n")
    };
    let by_folder = protocol("gallery: {folders: [gallery, distractors]}, probes: {folders: [probe]}");
    let mut found = Vec::new();
    for config in [by_folder, protocol("roles: roles.csv")] {
        workspace.config(&config);
        let done = workspace.json(0, &["experiment", "config.yaml"]);
        let identification = &done["metrics"]["identification"][0];
        let counts = &identification["rates"]["counts"];
        let [gallery, mated, non_mated, strangers] =
            ["gallery", "mated", "non_mated", "non_mated_people"].map(|key| counts[key].as_u64().unwrap());
        assert_eq!((gallery, mated, non_mated, strangers), (14, 24, 13, 7), "distractors are people of their own");
        found.push((identification["rates"].clone(), done["run"].as_str().unwrap().to_owned()));
    }
    assert_eq!(found[0].0, found[1].0);
    assert_ne!(found[0].1, found[1].1);

    // What the table says is part of the run, so the table may go, and other roles are another run.
    let run = workspace.path("experiments").join(&found[1].1);
    let before = fs::read(run.join("metrics.json")).unwrap();
    fs::rename(workspace.path("roles.csv"), workspace.path("kept.csv")).unwrap();
    fs::remove_file(run.join("metrics.json")).unwrap();
    workspace.run(0, &["evaluate", &found[1].1]);
    assert_eq!(fs::read(run.join("metrics.json")).unwrap(), before);
    let table = fs::read_to_string(workspace.path("kept.csv")).unwrap();
    fs::write(workspace.path("roles.csv"), table.replacen(",probe,", ",ignore,", 1)).unwrap();
    let other = workspace.json(0, &["experiment", "config.yaml"]);
    assert_ne!(other["run"], found[1].1.as_str());
    assert_eq!(other["metrics"]["identification"][0]["rates"]["counts"]["mated"], 23);
}

/// Fault (privacy): faces in a table of roles are forgotten → the run's table, searches and curves no longer have them
#[test]
fn forgotten_people_leave_gallery_and_probes() {
    let (workspace, table) = foldered();
    fs::write(workspace.path("roles.csv"), table).unwrap();
    workspace.config(&format!(
        "{FOLDERS}protocols: [{{name: search, kind: identification, roles: roles.csv, fpir: [0.1]}}]\n"
    ));
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let run = done["run"].as_str().unwrap().to_owned();
    workspace.run(0, &["forget", &run, "--identity", "p03"]);
    let path = workspace.path("experiments").join(&run);
    let metrics: Value = serde_json::from_slice(&fs::read(path.join("metrics.json")).unwrap()).unwrap();
    let counts = &metrics["identification"][0]["rates"]["counts"];
    assert_eq!((&counts["gallery"], &counts["mated"], &counts["non_mated"]), (&13.into(), &22.into(), &13.into()));
    assert_eq!(metrics["identification"][0]["left_out"]["probes"], 0);
    for name in ["roles.parquet", "searches.parquet", "identification.csv"] {
        let bytes = fs::read(path.join(name)).unwrap();
        assert!(!bytes.windows(3).any(|word| word == b"p03"), "{name}");
    }
    workspace.run(0, &["verify", &run]);

    // Without anybody in the gallery there is nothing to search, and the people are gone all the same.
    let people: Vec<String> = (0..12).filter(|person| *person != 3).map(|person| format!("p{person:02}")).collect();
    let identities = people.iter().flat_map(|person| ["--identity", person.as_str()]);
    let strangers = ["distractors/50.png", "distractors/51.png"];
    let arguments: Vec<&str> = ["forget", &run].into_iter().chain(strangers).chain(identities).collect();
    let (said, _) = workspace.run(0, &arguments);
    assert!(said.contains("not evaluated again: protocol `search`: the gallery is empty"), "{said}");
    assert!(!path.join(".forgetting").exists() && !path.join("metrics.json").exists());
}

#[test]
fn runs_are_compared_probe_by_probe() {
    let workspace = Workspace::synthetic(24, 3, PROTOCOL);
    let one = workspace.json(3, &["experiment", "config.yaml"]);
    let other = workspace.json(3, &["experiment", "config.yaml", "--set", "preprocess.mirror=sum"]);
    let names = [&one, &other].map(|done| done["run"].as_str().unwrap());
    let compared = workspace.json(0, &["compare", names[0], names[1]]);
    let searches = compared["paired"]["searches"].as_array().unwrap();
    let metrics: Vec<&str> = searches.iter().map(|row| row["metric"].as_str().unwrap()).collect();
    assert_eq!(metrics, ["search.rank1", "search.rank5", "search.rank10", "search.tpir@fpir=1e-1"]);
    for row in searches {
        let point = |run: usize| row["values"][run]["point"].as_f64().unwrap();
        let difference = &row["effects"][1]["difference"];
        assert!((difference["point"].as_f64().unwrap() - (point(1) - point(0))).abs() < 1e-12, "{row}");
        assert_eq!(
            (&difference["n"], &difference["unit"], &row["effects"][0]),
            (&24.into(), &"searches".into(), &Value::Null)
        );
    }
    let (said, _) = workspace.run(0, &["compare", names[0], names[1]]);
    assert!(said.contains("search.rank1"), "{said}");

    // The same change as an ablation, by a rank and at a threshold.
    for (row, name) in [(0, "rank 1 of search"), (3, "TPIR at FPIR 1e-1 of search")] {
        let metric = metrics[row];
        let ablation =
            format!("ablation={{metric: {metric}, steps: [{{name: mirrored, set: {{preprocess.mirror: sum}}}}]}}");
        let ablated = workspace.json(0, &["ablate", "config.yaml", "--set", &ablation]);
        assert_eq!(
            ablated["changes"][0]["effect"]["difference"], searches[row]["effects"][1]["difference"],
            "{metric}"
        );
        assert_eq!(ablated["variants"][0]["value"], searches[row]["values"][0], "{metric}");
        assert_eq!((&ablated["metric"]["name"], &ablated["metric"]["better"]), (&name.into(), &"higher".into()));
        assert_eq!(ablated["shared"]["pairs"]["genuine"], 24);
    }
    let (said, _) = workspace.run(
        0,
        &[
            "ablate",
            "config.yaml",
            "--set",
            "ablation={metric: search.rank1, steps: [{name: mirrored, set: {preprocess.mirror: sum}}]}",
        ],
    );
    assert!(said.contains("the same 24 searches for people in the gallery and 36 for strangers"), "{said}");
}

/// Fault (config): an ablation by a rate that no protocol has → refused with the metrics there are
/// Fault (runs): a step of an ablation that changes the gallery of its own metric → refused with the remedy
#[test]
fn an_ablation_by_searches_needs_the_same_searches() {
    let workspace = Workspace::synthetic(12, 3, "protocols: [{name: search, kind: identification}]\n");
    let ablate = |code: i32, metric: &str, set: &str| {
        let ablation = format!("ablation={{metric: {metric}, steps: [{{name: s, set: {{{set}}}}}]}}");
        workspace.run(code, &["ablate", "config.yaml", "--set", &ablation]).1
    };
    let unknown = ablate(2, "search.rank2", "seed: 1");
    assert!(unknown.contains("`ablation.metric` must be") && unknown.contains("search.rank1"), "{unknown}");
    let other = ablate(1, "search.rank1", "\"protocols.0.gallery\": {first: 2}");
    assert!(
        other.contains("the variants cannot be compared by `search.rank1`: they search other galleries"),
        "{other}"
    );
    let gone = ablate(2, "search.rank1", "protocols: [{name: else, kind: identification}]");
    assert!(gone.contains("`ablation.metric` must be") && gone.contains("else.rank1"), "{gone}");
}

/// Fault (runs): a gallery that is empty, or whose table names a face twice → refused before anything is embedded, with the remedy
/// Fault (runs): more probes than `max_left_out` without an embedding → refused after embedding, with their number
#[test]
fn a_gallery_that_cannot_be_searched_is_told() {
    let (workspace, table) = foldered();
    let refused = |code: i32, keys: &str| {
        workspace.config(&format!("{FOLDERS}protocols: [{{name: search, kind: identification, {keys}}}]\n"));
        let (_, error) = workspace.run(code, &["experiment", "config.yaml"]);
        error
    };
    let error = refused(1, "gallery: {folders: [galery]}");
    assert!(error.contains("protocol `search`: the gallery is empty: the dataset has no face in `galery`"), "{error}");
    let first = table.lines().nth(1).unwrap();
    fs::write(workspace.path("roles.csv"), format!("{table}{first}\n")).unwrap();
    let error = refused(1, "roles: roles.csv");
    assert!(error.contains("roles.csv, line 53: duplicate path `gallery/p00/0.png`, first used on line 2"), "{error}");
    assert!(!workspace.has_run());
    for person in 0..3 {
        fs::write(workspace.path(format!("faces/gallery/p{person:02}/0.png")), b"no picture").unwrap();
    }
    let keys = "gallery: {folders: [gallery]}, probes: {folders: [probe]}";
    let error = refused(1, keys);
    assert!(error.contains("protocol `search`: 6 of 37 probes would be left out"), "{error}");
    let config = format!("{FOLDERS}protocols: [{{name: search, kind: identification, {keys}, max_left_out: 0.2}}]\n");
    workspace.config(&config);
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let found = &done["metrics"]["identification"][0];
    assert_eq!((&found["left_out"]["gallery"], &found["left_out"]["not_enrolled"]), (&3.into(), &6.into()));
    assert_eq!((&found["rates"]["counts"]["mated"], &found["rates"]["counts"]["non_mated"]), (&18.into(), &13.into()));
}

/// Faces in `TinyFace`'s layout: matches and probes whose names begin with the id, and distractors, in folders of pictures,
/// with a table of who is who.
#[test]
fn distractors_take_places_before_the_mate_and_are_searched_for_by_nobody() {
    let workspace = Workspace::new();
    let (mut who, mut known) = ("file_name,identity\n".to_owned(), "path,role,identity\n".to_owned());
    let mut roles = known.clone();
    let mut put = |folder: &str, role: &str, id: Option<u32>, number: u32| {
        let name = id.map_or(format!("{number}.png"), |id| format!("{id}_{number}.png"));
        let path = workspace.path("faces").join(folder).join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        synthetic::render(5, id.unwrap_or(500 + number), number, 96).save(path).unwrap();
        let identity = id.map_or(String::new(), |id| id.to_string());
        writeln!(who, "{folder}/{name},{identity}").unwrap();
        writeln!(roles, "{folder}/{name},{role},").unwrap();
        // As an identity of each one's own would have it.
        let role = if role == "distractor" { "gallery" } else { role };
        writeln!(known, "{folder}/{name},{role},{}", id.map_or(format!("d{number}"), |id| id.to_string())).unwrap();
    };
    for id in 0..6 {
        put("Gallery_Match", "gallery", Some(id), 0);
        put("Probe", "probe", Some(id), 1);
        put("Probe", "probe", Some(id), 2);
    }
    (0..40).for_each(|number| put("Gallery_Distractor", "distractor", None, number));
    fs::write(workspace.path("faces/metadata.csv"), who).unwrap();
    fs::write(workspace.path("roles.csv"), roles).unwrap();
    fs::write(workspace.path("known.csv"), known).unwrap();
    let folders = "gallery: {folders: [Gallery_Match]}, probes: {folders: [Probe]}";
    workspace.config(&format!(
        "dataset: {{source: folders, root: faces}}\nprotocols:\n\
         - {{name: tiny, kind: identification, {folders}, distractors: {{folders: [Gallery_Distractor]}}, ranks: [1, 5, 20]}}\n\
         - {{name: table, kind: identification, roles: roles.csv, ranks: [1, 5, 20]}}\n\
         - {{name: known, kind: identification, roles: known.csv, ranks: [1, 5, 20]}}\n"
    ));
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let of = |place: usize| done["metrics"]["identification"][place].clone();
    let (tiny, table, known) = (of(0), of(1), of(2));
    assert_eq!((&tiny["rates"], &tiny["distractors"]), (&table["rates"], &table["distractors"]));
    assert_eq!((&tiny["distractors"], &tiny["templates"], &known["distractors"]), (&40.into(), &46.into(), &0.into()));
    assert_eq!((&tiny["rates"]["counts"]["gallery"], &tiny["rates"]["counts"]["mated"]), (&46.into(), &12.into()));
    assert_eq!(tiny["rates"], known["rates"], "each distractor is a person of its own");

    // Rank by rank, from the embeddings themselves: how many others are at least as similar as the mate.
    let run = workspace.only_run();
    let bytes = fs::read(run.join("face_embeddings.npy")).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let numbers: Vec<f64> =
        bytes[start..].as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect();
    let metadata = fs::read_to_string(run.join("face_metadata.csv")).unwrap();
    let ids: Vec<&str> = metadata.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let dimension = numbers.len() / ids.len();
    let row = |at: usize| &numbers[at * dimension..(at + 1) * dimension];
    let cosine = |a: usize, b: usize| row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum::<f64>();
    let places = |folder: &str| (0..ids.len()).filter(|at| ids[*at].contains(folder)).collect::<Vec<_>>();
    let id = |at: usize| ids[at].rsplit('/').next().unwrap().split('_').next().unwrap();
    let (matches, fillers) = (places("Gallery_Match"), places("Gallery_Distractor"));
    let rank = |probe: usize| {
        let mate = matches.iter().find(|at| id(**at) == id(probe)).unwrap();
        let others = matches.iter().chain(&fillers).filter(|at| *at != mate);
        1 + others.filter(|at| cosine(probe, **at) >= cosine(probe, *mate)).count()
    };
    let ranks: Vec<usize> = places("Probe").into_iter().map(rank).collect();
    assert_eq!((ranks.len(), fillers.len()), (12, 40));
    for (place, within) in [1, 5, 20].into_iter().enumerate() {
        let expected = ranks.iter().filter(|rank| **rank <= within).count() as f64 / 12.0;
        let found = tiny["rates"]["ranks"][place]["rate"]["point"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "rank {within}: {found}, not {expected}");
    }
    let name = run.file_name().unwrap().to_str().unwrap();
    let report = fs::read_to_string(workspace.path(format!("reports/{name}.html"))).unwrap();
    assert!(report.contains("40 of them distractors"));
}

/// Fault (config): a folder of distractors that is of the gallery or of the probes, too → refused with the folder
/// Fault (config): folders of distractors beside a table of roles → refused with the key to remove
#[test]
fn distractors_have_one_role() {
    let workspace = Workspace::synthetic(3, 2, "");
    let refused = |protocol: &str| {
        let set = format!("protocols=[{{name: a, kind: identification, {protocol}}}]");
        workspace.run(2, &["check", "config.yaml", "--set", &set]).1
    };
    let twice = refused("gallery: {folders: [g]}, distractors: {folders: [d, g]}");
    assert!(twice.contains("the faces in the folder `g` are distractors and have another role"), "{twice}");
    let table = refused("roles: roles.csv, distractors: {folders: [d]}");
    assert!(table.contains("the table of `roles` says which faces are distractors"), "{table}");
}
