//! Scores of answers to a set.
//!
//! A case goes through its stages in order: "I don't know" at the start, or a wrong stage after it, stops it. The initial
//! decision itself may be wrong, since it is compared with the final one. A stage with several questions is right when all of them are.

use crate::answer::{self, Given};
use crate::error::QuizError;
use crate::question::{Case, Key, Path, Question, Stage};
use crate::set::QuizSet;
use hilum_metrics::statistics::{ProportionMethod, proportion_ci};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// k of n with its 95 % interval (Wilson); without a value for n = 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Hits.
    pub k: usize,
    /// Cases.
    pub n: usize,
    /// k over n; null for n = 0.
    pub value: Option<f64>,
    /// The interval; null for n = 0.
    pub interval: Option<(f64, f64)>,
}

impl Share {
    /// A share with its interval.
    ///
    /// # Errors
    /// [`QuizError::Metric`] for k > n.
    pub fn new(k: usize, n: usize) -> Result<Self, QuizError> {
        let interval = match n {
            0 => None,
            _ => {
                let ci = proportion_ci(k, n, 0.95, ProportionMethod::Wilson)?;
                Some((ci.low, ci.high))
            }
        };
        Ok(Share {
            k,
            n,
            value: (n > 0).then(|| k as f64 / n as f64),
            interval,
        })
    }
}

/// One stage of a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageScore {
    /// Which.
    pub stage: Stage,
    /// Right, of all cases, whether or not earlier stages were.
    pub right: Share,
    /// Right, of the cases that reached the stage.
    pub passed: Share,
    /// Mean probability that an answer at random is right.
    pub chance: f64,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathScore {
    /// The path.
    pub path: Path,
    /// Cases with this path.
    pub cases: usize,
    /// "I don't know" at the start.
    pub unknown: Option<Share>,
    /// Stages in order.
    pub stages: Vec<StageScore>,
    /// Mean number of stages after the initial decision that were passed in a row.
    pub mean_stage: f64,
    /// Mean number of them that there are.
    pub mean_stages_asked: f64,
    /// All stages passed, of all cases.
    pub completed: Share,
    /// Initial and final decision the same, of the cases that reached the final stage.
    pub consistent: Option<Share>,
    /// All numbers within their ranges, of the cases that reached the final stage and are asked for numbers.
    pub value_in_range: Share,
}

/// Scores over some cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The three paths.
    pub paths: Vec<PathScore>,
    /// Reviews completed, of the cases whose direct path was not.
    pub review_after_failure: Share,
}

/// Everything about a file of answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Questions in the set.
    pub questions: usize,
    /// Questions that were answered; the others count as wrong.
    pub answered: usize,
    /// All cases.
    pub all: Group,
    /// By task.
    pub tasks: BTreeMap<String, Group>,
}

/// What became of one path of a case.
struct Run {
    /// Stage by stage: right without regard to earlier ones, and the chance of it.
    stages: Vec<(Stage, bool, f64)>,
    unknown: Option<bool>,
    /// Stages passed in a row after the initial one.
    passed: usize,
    same: Option<bool>,
    in_range: Option<bool>,
}

impl Run {
    fn gated(&self) -> impl Iterator<Item = &(Stage, bool, f64)> {
        self.stages.iter().filter(|s| s.0 != Stage::Initial)
    }

    fn completed(&self) -> bool {
        self.passed == self.gated().count()
    }

    /// Whether a stage was asked for with all before it right.
    fn reached(&self, stage: Stage) -> bool {
        if stage == Stage::Initial {
            return true;
        }
        let place = self.gated().position(|s| s.0 == stage);
        self.unknown != Some(true) && place.is_some_and(|p| self.passed >= p)
    }
}

/// Scores a file of answers.
///
/// # Errors
/// [`QuizError::Io`] and [`QuizError::Line`] for answers that do not fit the questions.
pub fn score(set: &QuizSet, answers: &std::path::Path) -> Result<Report, QuizError> {
    let given = answer::read(answers, &set.key)?;
    let key: HashMap<&str, &Key> = set.key.iter().map(|k| (k.id.as_str(), k)).collect();
    let runs: Vec<(&Case, [Option<Run>; 3])> = set
        .cases
        .iter()
        .map(|c| {
            let run = |questions: &[Question]| run(questions, &key, &given);
            (c, [run(&c.direct), run(&c.guided), run(&c.review)])
        })
        .collect();
    let mut tasks = BTreeMap::new();
    for (case, _) in &runs {
        let name = case.task.name();
        if !tasks.contains_key(name) {
            let own: Vec<_> = runs.iter().filter(|r| r.0.task == case.task).collect();
            tasks.insert(name.to_owned(), group(&own)?);
        }
    }
    Ok(Report {
        questions: set.key.len(),
        answered: given.len(),
        all: group(&runs.iter().collect::<Vec<_>>())?,
        tasks,
    })
}

fn run(
    questions: &[Question],
    key: &HashMap<&str, &Key>,
    given: &HashMap<String, Given>,
) -> Option<Run> {
    if questions.is_empty() {
        return None;
    }
    let mut stages: Vec<(Stage, bool, f64)> = Vec::new();
    let (mut unknown, mut first, mut last, mut in_range) = (None, None, None, None);
    for q in questions {
        let key = key.get(q.id.as_str())?;
        let answer = given.get(&q.id);
        let right = answer.is_some_and(|a| a.is_right(key));
        match stages.last_mut().filter(|s| s.0 == q.stage) {
            Some(stage) => {
                stage.1 &= right;
                stage.2 *= key.chance();
            }
            None => stages.push((q.stage, right, key.chance())),
        }
        let meaning = answer.and_then(|a| key.meanings.get(a.letters.first()?));
        match q.stage {
            Stage::Initial => {
                unknown = Some(answer.is_none_or(|a| a.is_unknown(key)));
                first = meaning;
            }
            Stage::Final => {
                last = meaning;
                in_range =
                    (!key.ranges.is_empty()).then(|| answer.is_some_and(|a| a.in_range(key)));
            }
            _ => {}
        }
    }
    let gated = stages.iter().filter(|s| s.0 != Stage::Initial);
    let passed = match unknown {
        Some(true) => 0,
        _ => gated.take_while(|s| s.1).count(),
    };
    Some(Run {
        passed,
        unknown,
        same: unknown.map(|_| first.is_some() && first == last),
        in_range,
        stages,
    })
}

fn group(runs: &[&(&Case, [Option<Run>; 3])]) -> Result<Group, QuizError> {
    let mut paths = Vec::new();
    for (k, path) in [Path::Direct, Path::Guided, Path::Review]
        .into_iter()
        .enumerate()
    {
        let own: Vec<&Run> = runs.iter().filter_map(|r| r.1[k].as_ref()).collect();
        if !own.is_empty() {
            paths.push(path_score(path, &own)?);
        }
    }
    let failed = runs
        .iter()
        .filter(|r| r.1[0].as_ref().is_some_and(|d| !d.completed()));
    let again: Vec<bool> = failed
        .filter_map(|r| r.1[2].as_ref().map(Run::completed))
        .collect();
    Ok(Group {
        paths,
        review_after_failure: of(&again)?,
    })
}

fn of(hits: &[bool]) -> Result<Share, QuizError> {
    Share::new(hits.iter().filter(|h| **h).count(), hits.len())
}

fn collect(runs: &[&Run], what: impl Fn(&Run) -> Option<bool>) -> Vec<bool> {
    runs.iter().filter_map(|r| what(r)).collect()
}

fn path_score(path: Path, runs: &[&Run]) -> Result<PathScore, QuizError> {
    let mut names: Vec<Stage> = runs
        .iter()
        .flat_map(|r| r.stages.iter().map(|s| s.0))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut stages = Vec::new();
    for stage in names {
        let find = |r: &Run| r.stages.iter().find(|s| s.0 == stage).copied();
        let right = collect(runs, |r| Some(find(r)?.1));
        let passed = collect(runs, |r| find(r).filter(|_| r.reached(stage)).map(|s| s.1));
        let chances: Vec<f64> = runs.iter().filter_map(|r| Some(find(r)?.2)).collect();
        stages.push(StageScore {
            stage,
            right: of(&right)?,
            passed: of(&passed)?,
            chance: chances.iter().sum::<f64>() / chances.len().max(1) as f64,
        });
    }
    let n = runs.len() as f64;
    let mean = |f: &dyn Fn(&Run) -> usize| runs.iter().map(|r| f(r)).sum::<usize>() as f64 / n;
    let end = |r: &Run| r.reached(Stage::Final);
    let same = collect(runs, |r| r.same.filter(|_| end(r)));
    let asked_first = runs.iter().any(|r| r.unknown.is_some());
    Ok(PathScore {
        path,
        cases: runs.len(),
        unknown: asked_first
            .then(|| of(&collect(runs, |r| r.unknown)))
            .transpose()?,
        stages,
        mean_stage: mean(&|r| r.passed),
        mean_stages_asked: mean(&|r| r.gated().count()),
        completed: of(&collect(runs, |r| Some(r.completed())))?,
        consistent: asked_first.then(|| of(&same)).transpose()?,
        value_in_range: of(&collect(runs, |r| r.in_range.filter(|_| end(r))))?,
    })
}

impl Report {
    /// The table for the terminal.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{} of {} questions answered\n",
            self.answered, self.questions
        );
        out.push_str(&table_of("all", &self.all));
        for (task, group) in &self.tasks {
            out.push_str(&table_of(task, group));
        }
        out
    }
}

fn words(share: &Share) -> String {
    match (share.value, share.interval) {
        (Some(v), Some((a, b))) => format!("{v:.3} ({a:.3} to {b:.3}) of {}", share.n),
        _ => "none".to_owned(),
    }
}

fn table_of(name: &str, group: &Group) -> String {
    let mut out = String::new();
    for p in &group.paths {
        out.push_str(&format!(
            "\n{name}, {} path: {} cases, mean stage {:.2} of {:.2}, completed {}\n",
            p.path.name(),
            p.cases,
            p.mean_stage,
            p.mean_stages_asked,
            words(&p.completed)
        ));
        out.push_str(&format!(
            "  {:<18} {:<34} {:<34} {:>7}\n",
            "stage", "right", "passed when reached", "chance"
        ));
        for s in &p.stages {
            out.push_str(&format!(
                "  {:<18} {:<34} {:<34} {:>7.3}\n",
                s.stage.name(),
                words(&s.right),
                words(&s.passed),
                s.chance
            ));
        }
        for (what, share) in [
            ("don't know", p.unknown.as_ref()),
            ("initial = final", p.consistent.as_ref()),
            ("value in range", Some(&p.value_in_range)),
        ] {
            if let Some(share) = share {
                out.push_str(&format!("  {what:<18} {}\n", words(share)));
            }
        }
    }
    if group.review_after_failure.n > 0 {
        let text = words(&group.review_after_failure);
        out.push_str(&format!(
            "  review completed after a direct path that was not: {text}\n"
        ));
    }
    out
}
