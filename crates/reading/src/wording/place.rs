//! Places in words: from the places of regions to `in the right middle and lower zones`.

use super::grammar::join;
use hilum_core::{LungZone, Region};

/// The distinct places of `regions`, in the order given.
pub(crate) fn places(regions: &[Region]) -> Vec<&str> {
    let mut seen = Vec::new();
    for place in regions.iter().filter_map(|region| region.place.as_deref()) {
        let place = place.trim();
        if !place.is_empty() && !seen.contains(&place) {
            seen.push(place);
        }
    }
    seen
}

/// `in both lower zones and the right upper zone`; `None` when there is no place.
pub(crate) fn phrase(places: &[&str]) -> Option<String> {
    let zones: Vec<LungZone> = LungZone::ALL
        .into_iter()
        .filter(|zone| places.contains(&zone.place().as_str()))
        .collect();
    let mut parts = zone_parts(&zones);
    let others = places
        .iter()
        .filter(|place| LungZone::from_place(place).is_none());
    parts.extend(others.map(|place| with_article(place)));
    (!parts.is_empty()).then(|| format!("in {}", join(&parts, "and")))
}

/// `right`, `left` or `bilateral` when every place names its side.
pub(crate) fn side(places: &[&str]) -> Option<&'static str> {
    let on = |side: &str| {
        places
            .iter()
            .filter(|place| place.starts_with(side))
            .count()
    };
    let (right, left) = (on("right "), on("left "));
    if places.is_empty() || right + left < places.len() {
        return None;
    }
    Some(match (right, left) {
        (_, 0) => "right",
        (0, _) => "left",
        _ => "bilateral",
    })
}

fn zone_parts(zones: &[LungZone]) -> Vec<String> {
    let levels = |side: &str| -> Vec<&'static str> {
        zones
            .iter()
            .filter(|zone| zone.side() == side)
            .map(|zone| zone.level())
            .collect()
    };
    let (right, left) = (levels("right"), levels("left"));
    if right.len() == 3 && left.len() == 3 {
        return vec!["all zones of both lungs".to_owned()];
    }
    let (both, right_only): (Vec<&str>, Vec<&str>) =
        right.into_iter().partition(|level| left.contains(level));
    let left_only: Vec<&str> = left
        .into_iter()
        .filter(|level| !both.contains(level))
        .collect();
    let mut parts = Vec::new();
    if !both.is_empty() {
        parts.push(format!("both {} zones", join_levels(&both)));
    }
    for (side, only) in [("right", right_only), ("left", left_only)] {
        match only.len() {
            0 => {}
            1 => parts.push(format!("the {side} {} zone", only[0])),
            3 => parts.push(format!("all zones of the {side} lung")),
            _ => parts.push(format!("the {side} {} zones", join_levels(&only))),
        }
    }
    parts
}

fn join_levels(levels: &[&str]) -> String {
    join(
        &levels
            .iter()
            .map(|level| (*level).to_owned())
            .collect::<Vec<_>>(),
        "and",
    )
}

fn with_article(place: &str) -> String {
    if ["the ", "both ", "all "]
        .iter()
        .any(|start| place.starts_with(start))
    {
        place.to_owned()
    } else {
        format!("the {place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_gathered_by_side_and_level() {
        let say = |places: &[&str]| phrase(places).unwrap_or_default();
        assert_eq!(say(&["right lower zone"]), "in the right lower zone");
        assert_eq!(
            say(&["left lower zone", "right lower zone"]),
            "in both lower zones"
        );
        assert_eq!(
            say(&["right lower zone", "right middle zone"]),
            "in the right middle and lower zones"
        );
        assert_eq!(
            say(&["right lower zone", "left lower zone", "left upper zone"]),
            "in both lower zones and the left upper zone"
        );
        assert_eq!(say(&["mediastinum"]), "in the mediastinum");
        assert_eq!(phrase(&[]), None);
        let all: Vec<String> = LungZone::ALL.iter().map(|zone| zone.place()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(say(&all), "in all zones of both lungs");
        assert_eq!(say(&all[..3]), "in all zones of the right lung");
    }

    #[test]
    fn a_side_is_named_only_when_every_place_has_one() {
        assert_eq!(
            side(&["right lower zone", "right costophrenic angle"]),
            Some("right")
        );
        assert_eq!(
            side(&["right lower zone", "left lower zone"]),
            Some("bilateral")
        );
        assert_eq!(side(&["right lower zone", "mediastinum"]), None);
        assert_eq!(side(&[]), None);
    }
}
