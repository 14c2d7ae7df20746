//! Italian.

use super::grammar::{Currency, Date, Decimals, Form, Grammar, Scale, Time, Unit, When, entry, thousands};

#[rustfmt::skip]
pub(super) static GRAMMAR: Grammar = Grammar {
    tag: "it",
    cardinal,
    needs_noun: |number| number == 1,
    no_nouns: &["e", "o", "di", "del", "a", "al", "per", "in", "con", "è", "sono", "più", "meno", "su"],
    year: |year| cardinal(year, Form::Alone),
    year_words: &[],
    digits: ["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"],
    decimal_sign: ',',
    space_parts: false,
    decimals: Decimals::Number,
    point: "virgola",
    minus: "meno",
    to: "a",
    percent: "per cento",
    of: "di ",
    scales: &[
        Scale { signs: &["miliardo", "miliardi", "mld"], one: "miliardo", many: "miliardi" },
        Scale { signs: &["milione", "milioni", "mln"], one: "milione", many: "milioni" },
        Scale { signs: &["mila"], one: "mila", many: "mila" },
    ],
    currencies: &[
        Currency { unit: unit(&["€", "EUR"], "euro", "euro"), cent: unit(&[], "centesimo", "centesimi") },
        Currency { unit: unit(&["$", "US$", "USD"], "dollaro", "dollari"), cent: unit(&[], "centesimo", "centesimi") },
        Currency { unit: feminine(&["£", "GBP"], "sterlina", "sterline"), cent: unit(&[], "penny", "pence") },
        Currency { unit: unit(&["CHF"], "franco svizzero", "franchi svizzeri"), cent: unit(&[], "centesimo", "centesimi") },
    ],
    with_cents: |whole, cents, currency| {
        let noun = if cents == 1 { currency.cent.one } else { currency.cent.many };
        format!("{whole} e {} {noun}", cardinal(cents, currency.cent.form))
    },
    units: &[
        unit(&["km"], "chilometro", "chilometri"), unit(&["km/h"], "chilometro orario", "chilometri orari"),
        unit(&["m"], "metro", "metri"), unit(&["cm"], "centimetro", "centimetri"), unit(&["mm"], "millimetro", "millimetri"),
        unit(&["m²", "mq"], "metro quadrato", "metri quadrati"), unit(&["kg"], "chilo", "chili"), unit(&["g", "gr"], "grammo", "grammi"),
        unit(&["mg"], "milligrammo", "milligrammi"), unit(&["l", "L"], "litro", "litri"), unit(&["ml"], "millilitro", "millilitri"),
        feminine(&["h"], "ora", "ore"), unit(&["min"], "minuto", "minuti"), unit(&["sec"], "secondo", "secondi"),
        unit(&["°C"], "grado Celsius", "gradi Celsius"), unit(&["°"], "grado", "gradi"), unit(&["kW"], "chilowatt", "chilowatt"),
        unit(&["kWh"], "chilowattora", "chilowattora"), unit(&["MB"], "megabyte", "megabyte"), unit(&["GB"], "gigabyte", "gigabyte"),
        unit(&["euro"], "euro", "euro"), unit(&["giorno"], "giorno", "giorni"), feminine(&["ora"], "ora", "ore"),
        unit(&["minuto"], "minuto", "minuti"), feminine(&["settimana"], "settimana", "settimane"), unit(&["mese"], "mese", "mesi"),
        unit(&["anno"], "anno", "anni"), feminine(&["persona"], "persona", "persone"),
    ],
    date,
    months: ["gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
        "novembre", "dicembre"],
    short_months: ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
    time,
    clock_words: &["h"],
    ordinal,
    ordinal_marks: &["º", "ª", "°"],
    fraction,
    and: "e",
    code_words: &["codice", "cap", "conto", "ordine", "riferimento", "prenotazione", "fattura", "pratica", "numero", "interno",
        "cliente", "pin"],
    pairs: false,
    at: "chiocciola",
    dot: "punto",
    slash: "barra",
    dash: "trattino",
    underscore: "trattino basso",
    plus: "più",
    signs: &[("&", "e"), ("+", "più"), ("=", "uguale a"), ("×", "per"), ("<", "minore di"), (">", "maggiore di"),
        ("±", "più o meno"), ("→", "a"), ("@", "chiocciola")],
    number_sign: "numero",
    about: "circa",
    abbreviations: &[
        ("Sig.", "signor", When::BeforeName), ("Sig.ra", "signora", When::BeforeName), ("Dott.", "dottor", When::BeforeName),
        ("Dott.ssa", "dottoressa", When::BeforeName), ("Prof.", "professor", When::BeforeName), ("Avv.", "avvocato", When::BeforeName),
        ("Ing.", "ingegner", When::BeforeName), ("n.", "numero", When::BeforeDigit), ("N.", "numero", When::BeforeDigit),
        ("tel.", "telefono", When::Always), ("p.zza", "piazza", When::Always), ("v.le", "viale", When::Always),
        ("pag.", "pagina", When::BeforeDigit), ("ecc.", "eccetera", When::Always), ("es.", "esempio", When::Always),
        ("max.", "massimo", When::Always), ("min.", "minimo", When::Always),
        ("ca.", "circa", When::Always), ("S.", "San", When::BeforeName),
    ],
    stop_orders: false,
};

const fn unit(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Masculine }
}

const fn feminine(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Feminine }
}

const SMALL: [&str; 20] = [
    "zero",
    "uno",
    "due",
    "tre",
    "quattro",
    "cinque",
    "sei",
    "sette",
    "otto",
    "nove",
    "dieci",
    "undici",
    "dodici",
    "tredici",
    "quattordici",
    "quindici",
    "sedici",
    "diciassette",
    "diciotto",
    "diciannove",
];
const TENS: [&str; 10] =
    ["", "", "venti", "trenta", "quaranta", "cinquanta", "sessanta", "settanta", "ottanta", "novanta"];
const POWERS: [(&str, &str); 5] =
    [("", ""), ("", ""), ("un milione", "milioni"), ("un miliardo", "miliardi"), ("un bilione", "bilioni")];

fn cardinal(number: u64, form: Form) -> String {
    match (number, form) {
        (0, _) => return "zero".into(),
        (1, Form::Masculine) => return "un".into(),
        (1, Form::Feminine) => return "una".into(),
        _ => {}
    }
    let mut words = Vec::new();
    let mut low = String::new();
    for (part, power) in thousands(number) {
        match (part, power) {
            (part, 0) => low.push_str(&hundreds(part)),
            (1, 1) => low.push_str("mille"),
            (part, 1) => low.push_str(&format!("{}mila", hundreds(part).replace("tré", "tre"))),
            (part, power) => {
                let (one, many) = POWERS.get(power as usize).copied().unwrap_or_default();
                words.push(if part == 1 { one.to_owned() } else { format!("{} {many}", hundreds(part)) });
            }
        }
    }
    if low.len() > 3 && low.ends_with("tre") {
        low.truncate(low.len() - 1);
        low.push('é');
    }
    words.extend(Some(low).filter(|low| !low.is_empty()));
    words.join(" ")
}

fn hundreds(number: u64) -> String {
    match number {
        0..20 => entry(&SMALL, number).into(),
        20..100 => {
            let (ten, rest) = (entry(&TENS, number / 10), entry(&SMALL, number % 10));
            match number % 10 {
                0 => ten.into(),
                1 | 8 => format!("{}{rest}", ten.get(..ten.len() - 1).unwrap_or(ten)),
                3 => format!("{ten}tré"),
                _ => format!("{ten}{rest}"),
            }
        }
        _ => {
            let head = if number < 200 { "cento".into() } else { format!("{}cento", entry(&SMALL, number / 100)) };
            match number % 100 {
                0 => head,
                rest @ (8 | 80..90) => format!("{}{}", head.trim_end_matches('o'), hundreds(rest)),
                rest => format!("{head}{}", hundreds(rest)),
            }
        }
    }
}

const ORDINALS: [&str; 11] =
    ["", "prim", "second", "terz", "quart", "quint", "sest", "settim", "ottav", "non", "decim"];

fn ordinal(number: u64, mark: &str, _: &str) -> Option<String> {
    let ending = if mark == "ª" { "a" } else { "o" };
    let stem = match number {
        0 => return None,
        1..=10 => entry(&ORDINALS, number).to_owned(),
        _ => {
            let words = cardinal(number, Form::Alone);
            let stem = match number % 10 {
                3 | 6 if number % 100 > 20 => words.replace('é', "e"),
                _ => words.trim_end_matches(['a', 'e', 'i', 'o', 'é']).to_owned(),
            };
            format!("{stem}esim")
        }
    };
    Some(format!("{stem}{ending}"))
}

fn date(date: Date, _: &str, _: &str) -> String {
    let day = if date.day == 1 { "primo".into() } else { cardinal(date.day, Form::Alone) };
    let day = format!("{day} {}", GRAMMAR.month(date.month));
    date.year.map_or(day.clone(), |number| format!("{day} {}", cardinal(number, Form::Alone)))
}

fn time(time: Time) -> String {
    let hour = cardinal(time.hour, Form::Feminine);
    match time.minute {
        0 => hour,
        minute => format!("{hour} e {}", cardinal(minute, Form::Alone)),
    }
}

fn fraction(top: u64, below: u64) -> Option<String> {
    if below == 2 {
        return (top == 1).then(|| "mezzo".into());
    }
    let part = ordinal(below, "º", "")?;
    let many = part.strip_suffix('o').map(|stem| format!("{stem}i"))?;
    Some(if top == 1 { format!("un {part}") } else { format!("{} {many}", cardinal(top, Form::Alone)) })
}
