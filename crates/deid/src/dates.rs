//! Moving dates by whole days.

/// Moves the date at the start of a DA or DT value back by `days`; `None` when there is no date of the calendar.
pub(crate) fn moved(value: &str, days: i64) -> Option<String> {
    let value = value.trim();
    let (date, rest) = value.split_at_checked(8)?;
    if !date.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| date[range].parse::<i64>().ok();
    let day = day_number(number(0..4)?, number(4..6)?, number(6..8)?)?;
    let (year, month, day) = date_of(day - days);
    (year >= 1).then(|| format!("{year:04}{month:02}{day:02}{rest}"))
}

fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    Some(
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
            - 1,
    )
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let (era, doe) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_of_the_calendar() {
        assert_eq!(moved("20240301", 1).as_deref(), Some("20240229"));
        assert_eq!(moved("20230301", 1).as_deref(), Some("20230228"));
        assert_eq!(moved("20260101", 366).as_deref(), Some("20241231"));
        assert_eq!(
            moved("20260101120000.5+0100", 1).as_deref(),
            Some("20251231120000.5+0100")
        );
        for bad in ["", "2026", "20261301", "20230229", "2026-01-01", "abcdefgh"] {
            assert_eq!(moved(bad, 1), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(year in 1900i64..2100, month in 1i64..13, day in 1i64..29, days in 0i64..4000) {
            let date = format!("{year:04}{month:02}{day:02}");
            let back = moved(&moved(&date, days).unwrap(), -days).unwrap();
            prop_assert_eq!(back, date);
        }
    }
}
