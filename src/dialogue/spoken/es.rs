//! Spanish.

use super::grammar::{Currency, Date, Decimals, Form, Grammar, Scale, Time, Unit, When, entry, thousands};

#[rustfmt::skip]
pub(super) static GRAMMAR: Grammar = Grammar {
    tag: "es",
    cardinal,
    needs_noun: |number| (number % 10 == 1 && number % 100 != 11) || (200..1_000).contains(&(number % 1_000)),
    no_nouns: &["de", "del", "y", "o", "a", "al", "por", "en", "con", "para", "es", "son", "más", "menos", "que", "está"],
    year: |year| cardinal(year, Form::Alone),
    year_words: &[],
    digits: ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    decimal_sign: ',',
    space_parts: false,
    decimals: Decimals::Number,
    point: "coma",
    minus: "menos",
    to: "a",
    percent: "por ciento",
    of: "de ",
    scales: &[
        Scale { signs: &["billón", "billones"], one: "billón", many: "billones" },
        Scale { signs: &["millón", "millones", "M"], one: "millón", many: "millones" },
        Scale { signs: &["mil", "k", "K"], one: "mil", many: "mil" },
    ],
    currencies: &[
        Currency { unit: unit(&["€", "EUR"], "euro", "euros"), cent: unit(&[], "céntimo", "céntimos") },
        Currency { unit: unit(&["$", "US$", "USD"], "dólar", "dólares"), cent: unit(&[], "centavo", "centavos") },
        Currency { unit: unit(&["MXN", "MX$", "ARS", "COP", "CLP"], "peso", "pesos"), cent: unit(&[], "centavo", "centavos") },
        Currency { unit: feminine(&["£", "GBP"], "libra", "libras"), cent: unit(&[], "penique", "peniques") },
        Currency { unit: unit(&["CHF"], "franco suizo", "francos suizos"), cent: unit(&[], "céntimo", "céntimos") },
        Currency { unit: unit(&["S/", "PEN"], "sol", "soles"), cent: unit(&[], "céntimo", "céntimos") },
    ],
    with_cents: |whole, cents, currency| {
        let noun = if cents == 1 { currency.cent.one } else { currency.cent.many };
        format!("{whole} con {} {noun}", cardinal(cents, currency.cent.form))
    },
    units: &[
        unit(&["km"], "kilómetro", "kilómetros"), unit(&["km/h"], "kilómetro por hora", "kilómetros por hora"),
        unit(&["m"], "metro", "metros"), unit(&["cm"], "centímetro", "centímetros"), unit(&["mm"], "milímetro", "milímetros"),
        unit(&["m²"], "metro cuadrado", "metros cuadrados"), unit(&["kg"], "kilogramo", "kilogramos"),
        unit(&["g", "gr"], "gramo", "gramos"), unit(&["mg"], "miligramo", "miligramos"), unit(&["l", "L"], "litro", "litros"),
        unit(&["ml"], "mililitro", "mililitros"), feminine(&["h", "hs"], "hora", "horas"), unit(&["min"], "minuto", "minutos"),
        unit(&["seg"], "segundo", "segundos"), unit(&["°C", "ºC"], "grado Celsius", "grados Celsius"),
        unit(&["°"], "grado", "grados"), unit(&["kW"], "kilovatio", "kilovatios"), unit(&["kWh"], "kilovatio hora", "kilovatios hora"),
        unit(&["MB"], "megabyte", "megabytes"), unit(&["GB"], "gigabyte", "gigabytes"),
        unit(&["euro", "euros"], "euro", "euros"), unit(&["dólar", "dólares"], "dólar", "dólares"),
        unit(&["día", "días"], "día", "días"), feminine(&["hora", "horas"], "hora", "horas"),
        unit(&["minuto", "minutos"], "minuto", "minutos"), feminine(&["semana", "semanas"], "semana", "semanas"),
        feminine(&["persona", "personas"], "persona", "personas"), unit(&["peso", "pesos"], "peso", "pesos"),
        unit(&["año", "años"], "año", "años"), unit(&["mes"], "mes", "meses"),
    ],
    date,
    months: ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre"],
    short_months: ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"],
    time,
    clock_words: &["h", "hs", "horas", "hrs"],
    ordinal,
    ordinal_marks: &["º", "ª", ".º", ".ª", "°", "er", "o", "a"],
    fraction,
    and: "y",
    code_words: &["código", "postal", "cuenta", "pedido", "referencia", "reserva", "factura", "expediente", "número",
        "extensión", "pin", "cliente"],
    pairs: false,
    at: "arroba",
    dot: "punto",
    slash: "barra",
    dash: "guion",
    underscore: "guion bajo",
    plus: "más",
    signs: &[("&", "y"), ("+", "más"), ("=", "igual a"), ("×", "por"), ("<", "menor que"), (">", "mayor que"),
        ("±", "más menos"), ("→", "a"), ("@", "arroba")],
    number_sign: "número",
    about: "unos",
    abbreviations: &[
        ("Sr.", "señor", When::BeforeName), ("Sra.", "señora", When::BeforeName), ("Srta.", "señorita", When::BeforeName),
        ("Dr.", "doctor", When::BeforeName), ("Dra.", "doctora", When::BeforeName), ("Prof.", "profesor", When::BeforeName),
        ("D.", "don", When::BeforeName), ("Dña.", "doña", When::BeforeName), ("Ud.", "usted", When::Always),
        ("Uds.", "ustedes", When::Always), ("Vd.", "usted", When::Always), ("Avda.", "avenida", When::Always),
        ("Av.", "avenida", When::Always), ("C/", "calle", When::Always), ("núm.", "número", When::BeforeDigit),
        ("n.º", "número", When::BeforeDigit), ("nº", "número", When::BeforeDigit), ("No.", "número", When::BeforeDigit),
        ("tel.", "teléfono", When::Always), ("pág.", "página", When::BeforeDigit), ("p. ej.", "por ejemplo", When::Always),
        ("p.ej.", "por ejemplo", When::Always), ("etc.", "etcétera", When::Always), ("aprox.", "aproximadamente", When::Always),
        ("máx.", "máximo", When::Always), ("mín.", "mínimo", When::Always), ("vs.", "contra", When::Always),
        ("EE. UU.", "Estados Unidos", When::Always), ("EE.UU.", "Estados Unidos", When::Always),
        ("Dpto.", "departamento", When::Always), ("a.m.", "de la mañana", When::BehindDigit),
        ("p.m.", "de la tarde", When::BehindDigit), ("St.", "San", When::BeforeName), ("Sto.", "Santo", When::BeforeName),
        ("Sta.", "Santa", When::BeforeName),
    ],
    stop_orders: false,
};

const fn unit(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Masculine }
}

const fn feminine(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Feminine }
}

const SMALL: [&str; 30] = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
];
const TENS: [&str; 10] = ["", "", "", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"];
const HUNDREDS: [&str; 10] = [
    "",
    "ciento",
    "doscient",
    "trescient",
    "cuatrocient",
    "quinient",
    "seiscient",
    "setecient",
    "ochocient",
    "novecient",
];

fn cardinal(number: u64, form: Form) -> String {
    if number == 0 {
        return "cero".into();
    }
    let (millions, rest) = (number / 1_000_000, number % 1_000_000);
    let mut words = Vec::new();
    // Long scale: a million of millions is a "billón".
    let (billions, millions) = (millions / 1_000_000, millions % 1_000_000);
    for (count, one, many) in [(billions, "un billón", "billones"), (millions, "un millón", "millones")] {
        match count {
            0 => {}
            1 => words.push(one.to_owned()),
            _ => words.push(format!("{} {many}", below_million(count, Form::Masculine))),
        }
    }
    if rest > 0 {
        words.push(below_million(rest, form));
    }
    words.join(" ")
}

fn below_million(number: u64, form: Form) -> String {
    let mut words = Vec::new();
    for (part, power) in thousands(number) {
        match (part, power) {
            (1, 1) => words.push("mil".to_owned()),
            (part, 1) => {
                let form = if form == Form::Feminine { form } else { Form::Masculine };
                words.push(format!("{} mil", hundreds(part, form)));
            }
            _ => words.push(hundreds(part, form)),
        }
    }
    words.join(" ")
}

fn hundreds(number: u64, form: Form) -> String {
    match number {
        1 => match form {
            Form::Alone => "uno".into(),
            Form::Masculine => "un".into(),
            Form::Feminine => "una".into(),
        },
        21 => match form {
            Form::Alone => "veintiuno".into(),
            Form::Masculine => "veintiún".into(),
            Form::Feminine => "veintiuna".into(),
        },
        0..30 => entry(&SMALL, number).into(),
        30..100 if number.is_multiple_of(10) => entry(&TENS, number / 10).into(),
        30..100 => format!("{} y {}", entry(&TENS, number / 10), hundreds(number % 10, form)),
        100 => "cien".into(),
        _ => {
            let stem = entry(&HUNDREDS, number / 100);
            let ending = match (number / 100, form) {
                (1, _) => "",
                (_, Form::Feminine) => "as",
                _ => "os",
            };
            match number % 100 {
                0 => format!("{stem}{ending}"),
                rest => format!("{stem}{ending} {}", hundreds(rest, form)),
            }
        }
    }
}

const ORDINALS: [&str; 21] = [
    "",
    "primer",
    "segund",
    "tercer",
    "cuart",
    "quint",
    "sext",
    "séptim",
    "octav",
    "noven",
    "décim",
    "undécim",
    "duodécim",
    "decimotercer",
    "decimocuart",
    "decimoquint",
    "decimosext",
    "decimoséptim",
    "decimoctav",
    "decimonoven",
    "vigésim",
];

fn ordinal(number: u64, mark: &str, _: &str) -> Option<String> {
    let stem = Some(entry(&ORDINALS, number)).filter(|stem| !stem.is_empty())?;
    match mark {
        "er" => matches!(number, 1 | 3 | 13).then(|| stem.to_owned()),
        "º" | ".º" | "°" | "o" => Some(format!("{stem}o")),
        _ => Some(format!("{stem}a")),
    }
}

fn date(date: Date, _: &str, region: &str) -> String {
    let day = match date.day {
        1 if region != "ES" => "primero".into(),
        day => cardinal(day, Form::Alone),
    };
    let day = format!("{day} de {}", GRAMMAR.month(date.month));
    date.year.map_or(day.clone(), |number| format!("{day} de {}", cardinal(number, Form::Alone)))
}

fn time(time: Time) -> String {
    let hour = cardinal(time.hour, Form::Feminine);
    let minute = match time.minute {
        0 => String::new(),
        minute @ 1..10 => format!(" cero {}", cardinal(minute, Form::Alone)),
        minute => format!(" {}", cardinal(minute, Form::Alone)),
    };
    let half = match time.half {
        Some(false) => " de la mañana",
        Some(true) if (8..12).contains(&time.hour) => " de la noche",
        Some(true) => " de la tarde",
        None if time.is_named && time.minute == 0 && time.hour != 1 => " horas",
        None => "",
    };
    format!("{hour}{minute}{half}")
}

fn fraction(top: u64, below: u64) -> Option<String> {
    let (one, many) = match below {
        2 => return (top == 1).then(|| "medio".into()),
        3 => ("tercio", "tercios"),
        4 => ("cuarto", "cuartos"),
        5 => ("quinto", "quintos"),
        8 => ("octavo", "octavos"),
        10 => ("décimo", "décimos"),
        _ => return None,
    };
    Some(if top == 1 { format!("un {one}") } else { format!("{} {many}", cardinal(top, Form::Masculine)) })
}
