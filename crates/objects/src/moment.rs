//! Date and time of an object, and the zone that they hold in.

use hilum_dicom::meta::iso_date;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a clock or a file says about when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `YYYYMMDD`.
    pub date: String,
    /// `HHMMSS`.
    pub time: String,
}

const DAY_S: i64 = 86_400;

impl Moment {
    /// From `YYYY-MM-DDTHH:MM:SS`, local time.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("{text:?} is no time: YYYY-MM-DDTHH:MM:SS is");
        let (date, time) = text.split_once(['T', ' ']).ok_or_else(wrong)?;
        let date = iso_date(date).ok_or_else(wrong)?.replace('-', "");
        let parts: Vec<&str> = time.split(':').collect();
        let [h, m, s] = parts.as_slice() else {
            return Err(wrong());
        };
        let fits =
            |part: &str, top: u32| part.len() == 2 && part.parse::<u32>().is_ok_and(|v| v <= top);
        if !(fits(h, 23) && fits(m, 59) && fits(s, 59)) {
            return Err(wrong());
        }
        Ok(Moment {
            date,
            time: format!("{h}{m}{s}"),
        })
    }

    /// The clock, in UTC.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Moment::of_seconds(since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0)))
    }

    /// From seconds since 1970, in UTC.
    pub fn of_seconds(seconds: i64) -> Self {
        let (year, month, day) = civil(seconds.div_euclid(DAY_S));
        let of_day = seconds.rem_euclid(DAY_S);
        let (hour, minute) = (of_day / 3600, of_day / 60 % 60);
        Moment {
            date: format!("{year:04}{month:02}{day:02}"),
            time: format!("{hour:02}{minute:02}{:02}", of_day % 60),
        }
    }

    /// Seconds since 1970, taken as UTC; `None` when date or time are none.
    fn seconds(&self) -> Option<i64> {
        let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
        let date = |from, to| number(&self.date, from, to);
        let time = |from, to| number(&self.time, from, to);
        let days = days(date(0, 4)?, date(4, 6)?, date(6, 8)?);
        Some(days * DAY_S + time(0, 2)? * 3600 + time(2, 4)? * 60 + time(4, 6)?)
    }

    /// A moment of UTC as clocks show it that are `offset` ahead (`+HHMM`, `-HHMM`, as in Timezone Offset From UTC). The same moment
    /// when the offset is none.
    #[must_use]
    pub fn in_zone(&self, offset: &str) -> Self {
        let shifted = || Some(self.seconds()? + i64::from(offset_minutes(offset)?) * 60);
        shifted().map_or_else(|| self.clone(), Moment::of_seconds)
    }

    /// A moment of UTC as an instant of FHIR: `YYYY-MM-DDTHH:MM:SSZ`; `None` when date or time are none.
    pub fn instant(&self) -> Option<String> {
        self.seconds()?;
        let date = |from, to| self.date.get(from..to);
        let time = |from, to| self.time.get(from..to);
        Some(format!(
            "{}-{}-{}T{}:{}:{}Z",
            date(0, 4)?,
            date(4, 6)?,
            date(6, 8)?,
            time(0, 2)?,
            time(2, 4)?,
            time(4, 6)?
        ))
    }
}

/// Minutes of a Timezone Offset From UTC; from -1200 to +1400 (PS3.3, C.12.1.1.1).
pub(crate) fn offset_minutes(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 5 || !bytes[1..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sign = match bytes[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes): (i32, i32) = (text[1..3].parse().ok()?, text[3..5].parse().ok()?);
    let offset = sign * (hours * 60 + minutes);
    (minutes < 60 && (-720..=840).contains(&offset)).then_some(offset)
}

/// Year, month and day of a day since 1970-01-01 (Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date (Hinnant, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(date: &str, time: &str) -> Moment {
        Moment {
            date: date.to_owned(),
            time: time.to_owned(),
        }
    }

    #[test]
    fn days_have_dates() {
        for (number, date) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (20_787, (2026, 11, 30)),
            (-1, (1969, 12, 31)),
        ] {
            assert_eq!(civil(number), date);
            assert_eq!(days(date.0, date.1, date.2), number);
        }
    }

    #[test]
    fn moments_of_the_command_line() {
        let moment = Moment::parse("2026-11-30T09:05:07").unwrap();
        assert_eq!((&*moment.date, &*moment.time), ("20261130", "090507"));
        for wrong in [
            "2026-11-30",
            "2026-02-30T00:00:00",
            "2026-11-30T24:00:00",
            "",
        ] {
            assert!(Moment::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clocks_of_other_zones_show_other_days() {
        let utc = moment("20261231", "233005");
        assert_eq!(utc.in_zone("+0900"), moment("20270101", "083005"));
        assert_eq!(utc.in_zone("-0330"), moment("20261231", "200005"));
        assert_eq!(
            moment("20240301", "001000").in_zone("-0100").date,
            "20240229"
        );
        for none in ["", "+9900", "+1401", "-1201", "+0960", "0900", "+é9"] {
            assert_eq!(utc.in_zone(none), utc, "{none}");
        }
        assert_eq!(utc.instant().unwrap(), "2026-12-31T23:30:05Z");
        assert_eq!(moment("2026", "").instant(), None);
    }
}
