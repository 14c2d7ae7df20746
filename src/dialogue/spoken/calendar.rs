//! Dates and times of day.

use super::grammar::{Date, Form, Grammar, Time};
use super::site::{Found, Site, digits, one_space};

/// Finds a date: "2024-01-05", "1/5/2024", "05.01.2024", "January 5, 2024", "5. Mai", "le 1 mai".
pub(super) fn date(site: &Site<'_>) -> Option<Found> {
    let text = site.rest();
    let (len, date) = iso(text).or_else(|| parted(site)).or_else(|| month_first(site)).or_else(|| day_first(site))?;
    let is_day = (1..=31).contains(&date.day) && (1..=12).contains(&date.month);
    (is_day && Site::is_end(text.get(len..)?))
        .then(|| Found::one(len, (site.grammar.date)(date, &site.last(), site.region)))
}

/// "2024-01-05"; of "2024-01-05T…" nothing.
fn iso(text: &str) -> Option<(usize, Date)> {
    let (year, len) = number(text, 4, 4)?;
    let (month, month_len) = number(text.get(len..)?.strip_prefix('-')?, 2, 2)?;
    let (day, day_len) = number(text.get(len + 1 + month_len..)?.strip_prefix('-')?, 2, 2)?;
    Some((len + month_len + day_len + 2, Date { day, month, year: Some(year) }))
}

/// "1/5/2024" and "5.1.2024"; without a year only behind a word that leads to a date.
fn parted(site: &Site<'_>) -> Option<(usize, Date)> {
    let text = site.rest();
    let (first, len) = number(text, 1, 2)?;
    let sign = text.get(len..)?.chars().next().filter(|c| matches!(c, '/' | '.'))?;
    let (second, second_len) = number(text.get(len + 1..)?, 1, 2)?;
    let len = len + 1 + second_len;
    let behind = text.get(len..)?;
    let year = behind.strip_prefix(sign).and_then(|rest| number(rest, 2, 4)).filter(|(_, len)| *len != 3);
    let (year, len) = match year {
        Some((year, 2)) => (Some(if year < 50 { 2_000 + year } else { 1_900 + year }), len + 3),
        Some((year, year_len)) => (Some(year), len + 1 + year_len),
        None if sign == '/' && leads_to_date(&site.last()) => (None, len),
        // "am 5.1." in German: the full stop belongs to it.
        None if sign == '.' && site.grammar.stop_orders && behind.starts_with('.') && leads_to_date(&site.last()) => {
            (None, len + 1)
        }
        None => return None,
    };
    let is_american = sign == '/' && is_month_first(site);
    let (month, day) = if (is_american && first <= 12) || second > 12 { (first, second) } else { (second, first) };
    Some((len, Date { day, month, year }))
}

/// Whether the month comes first, as in the United States.
fn is_month_first(site: &Site<'_>) -> bool {
    site.grammar.tag == "en" && matches!(site.region, "" | "US" | "PH" | "CA")
}

fn leads_to_date(word: &str) -> bool {
    const LEADS: [&str; 25] = [
        "on", "by", "until", "since", "from", "before", "after", "am", "vom", "zum", "bis", "seit", "el", "del", "al",
        "le", "du", "au", "il", "dal", "al", "em", "dia", "no", "día",
    ];
    LEADS.contains(&word)
}

/// "January 5, 2024", "Jan. 5th".
fn month_first(site: &Site<'_>) -> Option<(usize, Date)> {
    if site.grammar.tag != "en" {
        return None;
    }
    let (text, grammar) = (site.rest(), site.grammar);
    let name = text.split(' ').next().filter(|name| name.starts_with(char::is_uppercase))?;
    let month = grammar.month_of(name)?;
    let mut len = name.len() + 1;
    let (day, day_len) = number(text.get(len..)?, 1, 2)?;
    len += day_len;
    len += ["st", "nd", "rd", "th"]
        .iter()
        .find(|mark| text.get(len..).is_some_and(|rest| rest.starts_with(**mark)))
        .map_or(0, |m| m.len());
    let (year_len, year) = year_behind(text.get(len..)?);
    Some((len + year_len, Date { day, month, year }))
}

/// "5 January 2024", "5. Mai 2024", "1er mai"; in languages that say the day as a number only its first.
fn day_first(site: &Site<'_>) -> Option<(usize, Date)> {
    let (text, grammar) = (site.rest(), site.grammar);
    let (day, mut len) = number(text, 1, 2)?;
    let rest = text.get(len..)?;
    let mark = grammar
        .ordinal_marks
        .iter()
        .chain([&"."])
        .filter(|mark| rest.starts_with(**mark))
        .max_by_key(|mark| mark.len());
    len += mark.map_or(0, |mark| mark.len());
    len += one_space(text.get(len..)?);
    let of = ["of ", "de ", "d'"].into_iter().find(|of| text.get(len..).is_some_and(|rest| rest.starts_with(*of)));
    len += of.map_or(0, str::len);
    let (month, month_len) = month_at(text.get(len..)?, grammar)?;
    len += month_len;
    let (year_len, year) = year_behind(text.get(len..)?);
    Some((len + year_len, Date { day, month, year }))
}

/// The month whose name a text begins with; a short one with its full stop.
fn month_at(text: &str, grammar: &Grammar) -> Option<(u64, usize)> {
    let len = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let month = grammar.month_of(text.get(..len)?)?;
    let is_short =
        !grammar.months.iter().any(|name| name.chars().count() == text.get(..len).map_or(0, |t| t.chars().count()));
    let stop = is_short && text.get(len..).is_some_and(|rest| rest.starts_with(". "));
    Some((month, len + usize::from(stop)))
}

/// The year behind a day and how long it is: ", 2024", " de 2024", " 2024".
fn year_behind(text: &str) -> (usize, Option<u64>) {
    let lead = [", ", " de ", " del ", " "].into_iter().find(|lead| text.starts_with(*lead)).map_or(0, str::len);
    let year = text.get(lead..).filter(|_| lead > 0).and_then(|rest| number(rest, 4, 4));
    match year.filter(|(year, _)| (1_000..3_000).contains(year)) {
        Some((year, len)) if Site::is_end(text.get(lead + len..).unwrap_or_default()) => (lead + len, Some(year)),
        _ => (0, None),
    }
}

/// Finds a time of day: "3:30 pm", "15:30", "15h30", "9-11 am".
pub(super) fn time(site: &Site<'_>) -> Option<Found> {
    let (text, grammar) = (site.rest(), site.grammar);
    let (mut len, mut first) = clock(text, grammar)?;
    let mut spoken = String::new();
    if let Some(sign) = text.get(len..)?.chars().next().filter(|c| matches!(c, '-' | '–'))
        && let Some((more, second)) = clock(text.get(len + sign.len_utf8()..)?, grammar)
    {
        if !first.1 && !second.1 {
            return None;
        }
        // Of "9-11 am" only the end is said as a time.
        let begin = if first.1 { (grammar.time)(first.0) } else { (grammar.cardinal)(first.0.hour, Form::Masculine) };
        spoken = format!("{begin} {} ", grammar.to);
        len += sign.len_utf8() + more;
        first = second;
    } else if !first.1 {
        return None;
    }
    let (time, _) = first;
    spoken.push_str(&(grammar.time)(time));
    Site::is_end(text.get(len..)?).then(|| Found::one(len, spoken))
}

/// The time that a text begins with, and whether it shows that it is one.
fn clock(text: &str, grammar: &Grammar) -> Option<(usize, (Time, bool))> {
    let (hour, mut len) = number(text, 1, 2)?;
    let mut minute = 0;
    let mut shows = false;
    let mut is_named = false;
    let rest = text.get(len..)?;
    if let Some(behind) = rest
        .strip_prefix([':', 'h', 'H'])
        .filter(|behind| digits(behind) == 2 && (grammar.tag != "en" || rest.starts_with(':')))
    {
        minute = number(behind, 2, 2)?.0;
        is_named = !rest.starts_with(':');
        // "1:02:03" is a duration.
        if behind.get(2..)?.starts_with(':') && digits(behind.get(3..)?) > 0 {
            return None;
        }
        (len, shows) = (len + 3, true);
    } else if grammar.tag == "en" && rest.starts_with(':') {
        return None;
    }
    let half = half(text.get(len..)?).filter(|_| grammar.tag == "en" || grammar.tag == "es");
    if let Some((half_len, _)) = half {
        (len, shows) = (len + half_len, true);
    } else {
        let space = one_space(text.get(len..)?);
        let behind = text.get(len + space..)?;
        let named =
            |word: &&&str| behind.strip_prefix(**word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        if let Some(word) = grammar.clock_words.iter().filter(named).max_by_key(|word| word.len()) {
            // A bare "5 h" may be a time or how long it takes: it is left to the units.
            if shows || word.len() > 1 && grammar.tag == "de" {
                len += space + word.len();
                (is_named, shows) = (true, true);
            }
        }
    }
    let is_time = hour < 25 && minute < 60 && (half.is_none() || (1..=23).contains(&hour));
    is_time.then_some((len, (Time { hour, minute, half: half.map(|(_, pm)| pm), is_named }, shows)))
}

/// "am" or "pm" (`true`), in any spelling, and how long it is.
fn half(text: &str) -> Option<(usize, bool)> {
    let space = one_space(text);
    let rest = text.get(space..)?;
    let forms = ["a.m.", "p.m.", "am", "pm", "AM", "PM", "A.M.", "P.M."];
    let form = forms.into_iter().find(|form| rest.starts_with(form))?;
    let behind = rest.get(form.len()..)?;
    if behind.starts_with(char::is_alphanumeric) {
        return None;
    }
    // The last full stop ends the sentence as well.
    let ends = form.ends_with('.') && (behind.trim().is_empty() || behind.trim_start().starts_with(char::is_uppercase));
    Some((space + form.len() - usize::from(ends), form.starts_with(['p', 'P'])))
}

/// A number of so many digits, and its length.
fn number(text: &str, least: usize, most: usize) -> Option<(u64, usize)> {
    let len = digits(text);
    (least..=most).contains(&len).then(|| Some((text.get(..len)?.parse().ok()?, len)))?
}
