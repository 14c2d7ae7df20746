//! French, with the numbers of France.

use super::grammar::{Currency, Date, Decimals, Form, Grammar, Scale, Time, Unit, When, entry, thousands};

#[rustfmt::skip]
pub(super) static GRAMMAR: Grammar = Grammar {
    tag: "fr",
    cardinal,
    needs_noun: |number| number % 10 == 1 && !matches!(number % 100, 11 | 71 | 91),
    no_nouns: &["et", "ou", "de", "du", "à", "au", "en", "par", "pour", "est", "sont", "plus", "moins", "sur", "dans"],
    year: |year| cardinal(year, Form::Alone),
    year_words: &[],
    digits: ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
    decimal_sign: ',',
    space_parts: true,
    decimals: Decimals::Number,
    point: "virgule",
    minus: "moins",
    to: "à",
    percent: "pour cent",
    of: "de ",
    scales: &[
        Scale { signs: &["milliard", "milliards", "Md"], one: "milliard", many: "milliards" },
        Scale { signs: &["million", "millions", "M"], one: "million", many: "millions" },
        Scale { signs: &["mille", "k", "K"], one: "mille", many: "mille" },
    ],
    currencies: &[
        Currency { unit: unit(&["€", "EUR"], "euro", "euros"), cent: unit(&[], "centime", "centimes") },
        Currency { unit: unit(&["$", "US$", "USD", "CAD"], "dollar", "dollars"), cent: unit(&[], "cent", "cents") },
        Currency { unit: feminine(&["£", "GBP"], "livre", "livres"), cent: unit(&[], "penny", "pence") },
        Currency { unit: unit(&["CHF"], "franc suisse", "francs suisses"), cent: unit(&[], "centime", "centimes") },
    ],
    with_cents: |whole, cents, _| format!("{whole} {}", cardinal(cents, Form::Alone)),
    units: &[
        unit(&["km"], "kilomètre", "kilomètres"), unit(&["km/h"], "kilomètre-heure", "kilomètres-heure"),
        unit(&["m"], "mètre", "mètres"), unit(&["cm"], "centimètre", "centimètres"), unit(&["mm"], "millimètre", "millimètres"),
        unit(&["m²"], "mètre carré", "mètres carrés"), unit(&["kg"], "kilo", "kilos"), unit(&["g"], "gramme", "grammes"),
        unit(&["mg"], "milligramme", "milligrammes"), unit(&["l", "L"], "litre", "litres"), unit(&["ml", "mL"], "millilitre", "millilitres"),
        feminine(&["h"], "heure", "heures"), feminine(&["min", "mn"], "minute", "minutes"), feminine(&["s", "sec"], "seconde", "secondes"),
        unit(&["°C"], "degré Celsius", "degrés Celsius"), unit(&["°"], "degré", "degrés"), unit(&["kW"], "kilowatt", "kilowatts"),
        unit(&["kWh"], "kilowattheure", "kilowattheures"), unit(&["Mo"], "mégaoctet", "mégaoctets"),
        unit(&["Go"], "gigaoctet", "gigaoctets"), unit(&["To"], "téraoctet", "téraoctets"), unit(&["GB"], "gigaoctet", "gigaoctets"),
        unit(&["euro", "euros"], "euro", "euros"), unit(&["jour", "jours"], "jour", "jours"), unit(&["mois"], "mois", "mois"),
        unit(&["an", "ans"], "an", "ans"), feminine(&["heure", "heures"], "heure", "heures"),
        feminine(&["minute", "minutes"], "minute", "minutes"), feminine(&["semaine", "semaines"], "semaine", "semaines"),
        feminine(&["personne", "personnes"], "personne", "personnes"), feminine(&["année", "années"], "année", "années"),
    ],
    date,
    months: ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre"],
    short_months: ["janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov", "déc"],
    time,
    clock_words: &["h", "heures", "heure"],
    ordinal,
    ordinal_marks: &["er", "re", "ère", "e", "ème", "eme", "nd", "nde"],
    fraction,
    and: "et",
    code_words: &["code", "postal", "compte", "commande", "référence", "dossier", "facture", "réservation", "numéro", "client",
        "poste", "suivi"],
    pairs: true,
    at: "arobase",
    dot: "point",
    slash: "barre oblique",
    dash: "tiret",
    underscore: "tiret bas",
    plus: "plus",
    signs: &[("&", "et"), ("+", "plus"), ("=", "égale"), ("×", "fois"), ("<", "inférieur à"), (">", "supérieur à"),
        ("±", "plus ou moins"), ("→", "vers"), ("@", "arobase")],
    number_sign: "numéro",
    about: "environ",
    abbreviations: &[
        ("M.", "Monsieur", When::BeforeName), ("Mme", "Madame", When::BeforeName), ("Mmes", "Mesdames", When::BeforeName),
        ("Mlle", "Mademoiselle", When::BeforeName), ("MM.", "Messieurs", When::BeforeName), ("Dr", "Docteur", When::BeforeName),
        ("Dr.", "Docteur", When::BeforeName), ("Pr", "Professeur", When::BeforeName), ("Me", "Maître", When::BeforeName),
        ("St", "Saint", When::BeforeName), ("Ste", "Sainte", When::BeforeName), ("av.", "avenue", When::Always),
        ("bd", "boulevard", When::BehindDigit), ("bd.", "boulevard", When::Always), ("n°", "numéro", When::BeforeDigit),
        ("nº", "numéro", When::BeforeDigit), ("tél.", "téléphone", When::Always), ("p.", "page", When::BeforeDigit),
        ("p. ex.", "par exemple", When::Always), ("etc.", "et cetera", When::Always), ("c.-à-d.", "c'est-à-dire", When::Always),
        ("env.", "environ", When::Always), ("max.", "maximum", When::Always), ("min.", "minimum", When::Always),
        ("vs.", "contre", When::Always), ("vs", "contre", When::Always), ("RDV", "rendez-vous", When::Always),
        ("rdv", "rendez-vous", When::Always), ("svp", "s'il vous plaît", When::Always), ("apt.", "appartement", When::Always),
        ("appt.", "appartement", When::Always), ("qqch.", "quelque chose", When::Always), ("lun.", "lundi", When::Always),
        ("mar.", "mardi", When::Always), ("mer.", "mercredi", When::Always), ("jeu.", "jeudi", When::Always),
        ("ven.", "vendredi", When::Always), ("sam.", "samedi", When::Always), ("dim.", "dimanche", When::Always),
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
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "treize",
    "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf",
];
const TENS: [&str; 10] =
    ["", "", "vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt", "quatre-vingt"];
const POWERS: [(&str, &str); 5] =
    [("", ""), ("", ""), ("million", "millions"), ("milliard", "milliards"), ("billion", "billions")];

fn cardinal(number: u64, form: Form) -> String {
    if number == 0 {
        return "zéro".into();
    }
    let mut words = Vec::new();
    for (part, power) in thousands(number) {
        match (part, power) {
            (part, 0) => words.push(hundreds(part, form, true)),
            (1, 1) => words.push("mille".into()),
            (part, 1) => words.push(format!("{} mille", hundreds(part, Form::Alone, false))),
            (part, power) => {
                let (one, many) = POWERS.get(power as usize).copied().unwrap_or_default();
                words.push(format!("{} {}", hundreds(part, Form::Alone, true), if part == 1 { one } else { many }));
            }
        }
    }
    words.join(" ")
}

/// `ends`: nothing of the number follows, so that "cents" and "quatre-vingts" keep their "s".
fn hundreds(number: u64, form: Form, ends: bool) -> String {
    let head = match number / 100 {
        0 => return tens(number, form, ends),
        1 => "cent".into(),
        count => format!("{} cent{}", entry(&SMALL, count), if ends && number.is_multiple_of(100) { "s" } else { "" }),
    };
    match number % 100 {
        0 => head,
        rest => format!("{head} {}", tens(rest, form, ends)),
    }
}

fn tens(number: u64, form: Form, ends: bool) -> String {
    let one = if form == Form::Feminine { "une" } else { "un" };
    let (ten, rest) = (number / 10, number % 10);
    match number {
        1 => one.into(),
        0..20 => entry(&SMALL, number).into(),
        80 => if ends { "quatre-vingts" } else { "quatre-vingt" }.into(),
        81 => format!("quatre-vingt-{one}"),
        71 => "soixante et onze".into(),
        70..80 | 90..100 => format!("{}-{}", entry(&TENS, ten), entry(&SMALL, 10 + rest)),
        _ if rest == 0 => entry(&TENS, ten).into(),
        _ if rest == 1 => format!("{} et {one}", entry(&TENS, ten)),
        _ => format!("{}-{}", entry(&TENS, ten), entry(&SMALL, rest)),
    }
}

fn ordinal(number: u64, mark: &str, _: &str) -> Option<String> {
    match (number, mark) {
        (1, "er") => return Some("premier".into()),
        (1, "re" | "ère") => return Some("première".into()),
        (2, "nd") => return Some("second".into()),
        (2, "nde") => return Some("seconde".into()),
        (_, "er" | "re" | "ère" | "nd" | "nde") => return None,
        _ => {}
    }
    let words = cardinal(number, Form::Alone);
    let stem = match words.strip_suffix("cinq") {
        Some(head) => format!("{head}cinqu"),
        None => match words.strip_suffix("neuf") {
            Some(head) => format!("{head}neuv"),
            None => words.trim_end_matches(['e', 's']).to_owned(),
        },
    };
    // "trois" keeps its "s".
    let stem = if words.ends_with("trois") { words } else { stem };
    Some(format!("{stem}ième"))
}

fn date(date: Date, _: &str, _: &str) -> String {
    let day = if date.day == 1 { "premier".into() } else { cardinal(date.day, Form::Alone) };
    let day = format!("{day} {}", GRAMMAR.month(date.month));
    date.year.map_or(day.clone(), |number| format!("{day} {}", cardinal(number, Form::Alone)))
}

fn time(time: Time) -> String {
    let hour = cardinal(time.hour, Form::Feminine);
    let hour = format!("{hour} heure{}", if time.hour < 2 { "" } else { "s" });
    match time.minute {
        0 => hour,
        minute => format!("{hour} {}", cardinal(minute, Form::Feminine)),
    }
}

fn fraction(top: u64, below: u64) -> Option<String> {
    let part = match below {
        2 => return (top == 1).then(|| "un demi".into()),
        3 => "tiers".into(),
        4 => "quart".into(),
        _ => ordinal(below, "e", "")?,
    };
    let many = if top == 1 || part.ends_with('s') { "" } else { "s" };
    Some(format!("{} {part}{many}", cardinal(top, Form::Alone)))
}
