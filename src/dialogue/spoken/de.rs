//! German.

use super::grammar::{Currency, Date, Decimals, Form, Grammar, Scale, Time, Unit, When, entry, thousands};

#[rustfmt::skip]
pub(super) static GRAMMAR: Grammar = Grammar {
    tag: "de",
    cardinal,
    needs_noun: |number| number % 100 == 1,
    no_nouns: &["und", "oder", "bis", "von", "in", "im", "am", "ist", "sind", "mal", "plus", "minus", "für", "auf"],
    year,
    year_words: &["jahr", "jahre", "jahres", "seit", "von", "vor", "nach", "anfang", "ende", "mitte", "sommer", "herbst",
        "winter", "frühjahr", "frühling", "um"],
    digits: ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    decimal_sign: ',',
    space_parts: false,
    decimals: Decimals::Digits,
    point: "Komma",
    minus: "minus",
    to: "bis",
    percent: "Prozent",
    of: "",
    scales: &[
        Scale { signs: &["Billion", "Billionen", "Bio."], one: "Billion", many: "Billionen" },
        Scale { signs: &["Milliarde", "Milliarden", "Mrd.", "Mrd"], one: "Milliarde", many: "Milliarden" },
        Scale { signs: &["Million", "Millionen", "Mio.", "Mio"], one: "Million", many: "Millionen" },
        Scale { signs: &["Tausend", "tausend", "Tsd."], one: "tausend", many: "tausend" },
    ],
    currencies: &[
        Currency { unit: unit(&["€", "EUR", "Euro"], "Euro", "Euro"), cent: unit(&[], "Cent", "Cent") },
        Currency { unit: unit(&["$", "US$", "USD"], "Dollar", "Dollar"), cent: unit(&[], "Cent", "Cent") },
        Currency { unit: unit(&["£", "GBP"], "Pfund", "Pfund"), cent: unit(&[], "Penny", "Pence") },
        Currency { unit: unit(&["CHF", "Fr."], "Franken", "Franken"), cent: unit(&[], "Rappen", "Rappen") },
        Currency { unit: unit(&["¥", "JPY"], "Yen", "Yen"), cent: unit(&[], "Sen", "Sen") },
    ],
    with_cents: |whole, cents, _| format!("{whole} {}", cardinal(cents, Form::Alone)),
    units: &[
        unit(&["km"], "Kilometer", "Kilometer"), unit(&["km/h"], "Kilometer pro Stunde", "Kilometer pro Stunde"),
        unit(&["m"], "Meter", "Meter"), unit(&["cm"], "Zentimeter", "Zentimeter"), unit(&["mm"], "Millimeter", "Millimeter"),
        unit(&["m²", "qm"], "Quadratmeter", "Quadratmeter"), unit(&["kg"], "Kilogramm", "Kilogramm"),
        unit(&["g"], "Gramm", "Gramm"), unit(&["mg"], "Milligramm", "Milligramm"), feminine(&["t"], "Tonne", "Tonnen"),
        unit(&["l", "L"], "Liter", "Liter"), unit(&["ml"], "Milliliter", "Milliliter"),
        feminine(&["Std.", "Std", "h"], "Stunde", "Stunden"), feminine(&["Min.", "Min", "min"], "Minute", "Minuten"),
        feminine(&["Sek.", "Sek"], "Sekunde", "Sekunden"), unit(&["°C"], "Grad Celsius", "Grad Celsius"),
        unit(&["°"], "Grad", "Grad"), unit(&["kW"], "Kilowatt", "Kilowatt"),
        feminine(&["kWh"], "Kilowattstunde", "Kilowattstunden"), unit(&["MB"], "Megabyte", "Megabyte"),
        unit(&["GB"], "Gigabyte", "Gigabyte"), unit(&["TB"], "Terabyte", "Terabyte"),
        unit(&["Mbit/s"], "Megabit pro Sekunde", "Megabit pro Sekunde"), unit(&["Stk.", "St."], "Stück", "Stück"),
        unit(&["Uhr"], "Uhr", "Uhr"), unit(&["Prozent"], "Prozent", "Prozent"), unit(&["Grad"], "Grad", "Grad"),
        feminine(&["Stunde", "Stunden"], "Stunde", "Stunden"), feminine(&["Minute", "Minuten"], "Minute", "Minuten"),
        feminine(&["Woche"], "Woche", "Wochen"),
    ],
    date,
    months: ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
        "Dezember"],
    short_months: ["Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sept", "Okt", "Nov", "Dez"],
    time,
    clock_words: &["Uhr"],
    ordinal: |number, _, before| ending(before).map(|ending| ordinal(number, ending)),
    ordinal_marks: &[],
    fraction,
    and: "und",
    code_words: &["plz", "postleitzahl", "kundennummer", "bestellnummer", "auftragsnummer", "rechnungsnummer", "kontonummer",
        "nummer", "code", "pin", "tan", "vorgangsnummer", "ticketnummer", "sendungsnummer", "durchwahl", "bestellung"],
    pairs: false,
    at: "at",
    dot: "Punkt",
    slash: "Schrägstrich",
    dash: "Bindestrich",
    underscore: "Unterstrich",
    plus: "plus",
    signs: &[("&", "und"), ("+", "plus"), ("=", "gleich"), ("×", "mal"), ("<", "kleiner als"), (">", "größer als"),
        ("±", "plus minus"), ("→", "nach"), ("@", "at")],
    number_sign: "Nummer",
    about: "etwa",
    abbreviations: &[
        ("Dr.", "Doktor", When::BeforeName), ("Prof.", "Professor", When::BeforeName), ("Hr.", "Herr", When::BeforeName),
        ("Fr.", "Frau", When::BeforeName), ("St.", "Sankt", When::BeforeName), ("Str.", "Straße", When::Always),
        ("Nr.", "Nummer", When::Always), ("Tel.", "Telefon", When::Always), ("Abs.", "Absatz", When::BeforeDigit),
        ("S.", "Seite", When::BeforeDigit), ("z.B.", "zum Beispiel", When::Always), ("z. B.", "zum Beispiel", When::Always),
        ("d.h.", "das heißt", When::Always), ("d. h.", "das heißt", When::Always), ("u.a.", "unter anderem", When::Always),
        ("u. a.", "unter anderem", When::Always), ("usw.", "und so weiter", When::Always), ("bzw.", "beziehungsweise", When::Always),
        ("ca.", "circa", When::Always), ("etc.", "et cetera", When::Always), ("evtl.", "eventuell", When::Always),
        ("ggf.", "gegebenenfalls", When::Always), ("inkl.", "inklusive", When::Always), ("zzgl.", "zuzüglich", When::Always),
        ("max.", "maximal", When::Always), ("mind.", "mindestens", When::Always), ("vgl.", "vergleiche", When::Always),
        ("o.ä.", "oder Ähnliches", When::Always), ("i.d.R.", "in der Regel", When::Always), ("vs.", "gegen", When::Always),
        ("MwSt.", "Mehrwertsteuer", When::Always), ("Mo.", "Montag", When::BeforeDigit), ("Di.", "Dienstag", When::BeforeDigit),
        ("Mi.", "Mittwoch", When::BeforeDigit), ("Do.", "Donnerstag", When::BeforeDigit), ("Fr.", "Freitag", When::BeforeDigit),
        ("Sa.", "Samstag", When::BeforeDigit), ("So.", "Sonntag", When::BeforeDigit),
    ],
    stop_orders: true,
};

const fn unit(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Masculine }
}

const fn feminine(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Feminine }
}

const SMALL: [&str; 20] = [
    "null",
    "ein",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const TENS: [&str; 10] =
    ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"];
const POWERS: [(&str, &str); 5] =
    [("", ""), ("", ""), ("Million", "Millionen"), ("Milliarde", "Milliarden"), ("Billion", "Billionen")];

fn cardinal(number: u64, form: Form) -> String {
    if number == 0 {
        return "null".into();
    }
    let mut words = Vec::new();
    let mut low = String::new();
    for (part, power) in thousands(number) {
        match power {
            0 => low.push_str(&hundreds(part)),
            1 => low.push_str(&format!("{}tausend", hundreds(part))),
            _ => {
                let (one, many) = POWERS.get(power as usize).copied().unwrap_or_default();
                words.push(if part == 1 {
                    format!("eine {one}")
                } else {
                    format!("{} {many}", closed(&hundreds(part), part))
                });
            }
        }
    }
    if !low.is_empty() {
        if number % 100 == 1 {
            low.push_str(match form {
                Form::Alone => "s",
                Form::Masculine => "",
                Form::Feminine => "e",
            });
        }
        words.push(low);
    }
    words.join(" ")
}

/// "Millionen" follow "eins" of a compound: "hunderteins Millionen".
fn closed(words: &str, part: u64) -> String {
    if part % 100 == 1 { format!("{words}s") } else { words.to_owned() }
}

/// With "ein" at its end, as in compounds.
fn hundreds(number: u64) -> String {
    match number {
        0..20 => entry(&SMALL, number).into(),
        20..100 if number.is_multiple_of(10) => entry(&TENS, number / 10).into(),
        20..100 => format!("{}und{}", entry(&SMALL, number % 10), entry(&TENS, number / 10)),
        _ if number.is_multiple_of(100) => format!("{}hundert", entry(&SMALL, number / 100)),
        _ => format!("{}hundert{}", entry(&SMALL, number / 100), hundreds(number % 100)),
    }
}

fn year(year: u64) -> String {
    match year {
        1_100..2_000 => {
            let rest = if year.is_multiple_of(100) { String::new() } else { cardinal(year % 100, Form::Alone) };
            format!("{}hundert{rest}", hundreds(year / 100))
        }
        _ => cardinal(year, Form::Alone),
    }
}

fn ordinal(number: u64, ending: &str) -> String {
    let stem = match number {
        1 => "ers".into(),
        3 => "drit".into(),
        7 => "sieb".into(),
        8 => "ach".into(),
        _ => hundreds_ordinal(number),
    };
    format!("{stem}t{ending}")
}

fn hundreds_ordinal(number: u64) -> String {
    let words = cardinal(number, Form::Masculine);
    match number % 100 {
        1 | 3 | 7 | 8 if number > 100 => {
            format!(
                "{}{}",
                cardinal(number - number % 100, Form::Masculine),
                ordinal(number % 100, "").trim_end_matches('t')
            )
        }
        1..20 => words,
        _ => format!("{words}s"),
    }
}

/// How an ordinal ends behind a word: "am dritten", "der dritte"; `None`: it cannot be told.
fn ending(before: &str) -> Option<&'static str> {
    match before {
        "am" | "vom" | "zum" | "beim" | "im" | "dem" | "den" | "des" | "ab" | "bis" | "seit" | "jedem" | "jeden" => {
            Some("en")
        }
        "der" | "die" | "das" | "unsere" | "ihre" | "meine" | "eine" | "jede" => Some("e"),
        "ein" | "ihr" | "unser" | "mein" => Some("er"),
        _ => None,
    }
}

fn date(date: Date, before: &str, _: &str) -> String {
    // "Freitag, den 5. Mai", "Montag 5. Mai": without an article it stands as "fünfter".
    let day = ordinal(date.day, ending(before).unwrap_or("er"));
    let day = format!("{day} {}", GRAMMAR.month(date.month));
    date.year.map_or(day.clone(), |number| format!("{day} {}", year(number)))
}

fn time(time: Time) -> String {
    let hour = cardinal(time.hour, Form::Masculine);
    match time.minute {
        0 => format!("{hour} Uhr"),
        minute => format!("{hour} Uhr {}", cardinal(minute, Form::Alone)),
    }
}

fn fraction(top: u64, below: u64) -> Option<String> {
    match (top, below) {
        (1, 3) => Some("ein Drittel".into()),
        (top, 3) => Some(format!("{} Drittel", cardinal(top, Form::Masculine))),
        (top, below) if below > 3 => {
            let stem = hundreds_ordinal(below);
            Some(format!("{} {}tel", cardinal(top, Form::Masculine), capital(stem.trim_end_matches('t'))))
        }
        _ => None,
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
