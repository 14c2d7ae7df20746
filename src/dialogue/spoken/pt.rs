//! Portuguese, with the numbers of Brazil.

use super::grammar::{Currency, Date, Decimals, Form, Grammar, Scale, Time, Unit, When, entry, thousands};

#[rustfmt::skip]
pub(super) static GRAMMAR: Grammar = Grammar {
    tag: "pt",
    cardinal,
    needs_noun: |number| (matches!(number % 10, 1 | 2) && !matches!(number % 100, 11 | 12)) || (200..1_000).contains(&(number % 1_000)),
    no_nouns: &["de", "do", "da", "e", "ou", "a", "ao", "por", "em", "com", "para", "é", "são", "mais", "menos", "que"],
    year: |year| cardinal(year, Form::Alone),
    year_words: &[],
    digits: ["zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove"],
    decimal_sign: ',',
    space_parts: false,
    decimals: Decimals::Number,
    point: "vírgula",
    minus: "menos",
    to: "a",
    percent: "por cento",
    of: "de ",
    scales: &[
        Scale { signs: &["bilhão", "bilhões", "bi"], one: "bilhão", many: "bilhões" },
        Scale { signs: &["milhão", "milhões", "mi"], one: "milhão", many: "milhões" },
        Scale { signs: &["mil"], one: "mil", many: "mil" },
    ],
    currencies: &[
        Currency { unit: unit(&["R$", "BRL"], "real", "reais"), cent: unit(&[], "centavo", "centavos") },
        Currency { unit: unit(&["€", "EUR"], "euro", "euros"), cent: unit(&[], "cêntimo", "cêntimos") },
        Currency { unit: unit(&["$", "US$", "USD"], "dólar", "dólares"), cent: unit(&[], "centavo", "centavos") },
        Currency { unit: feminine(&["£", "GBP"], "libra", "libras"), cent: unit(&[], "penny", "pence") },
    ],
    with_cents: |whole, cents, currency| {
        let noun = if cents == 1 { currency.cent.one } else { currency.cent.many };
        format!("{whole} e {} {noun}", cardinal(cents, currency.cent.form))
    },
    units: &[
        unit(&["km"], "quilômetro", "quilômetros"), unit(&["km/h"], "quilômetro por hora", "quilômetros por hora"),
        unit(&["m"], "metro", "metros"), unit(&["cm"], "centímetro", "centímetros"), unit(&["mm"], "milímetro", "milímetros"),
        unit(&["m²"], "metro quadrado", "metros quadrados"), unit(&["kg"], "quilo", "quilos"), unit(&["g"], "grama", "gramas"),
        unit(&["mg"], "miligrama", "miligramas"), unit(&["l", "L"], "litro", "litros"), unit(&["ml"], "mililitro", "mililitros"),
        feminine(&["h"], "hora", "horas"), unit(&["min"], "minuto", "minutos"), unit(&["seg"], "segundo", "segundos"),
        unit(&["°C", "ºC"], "grau Celsius", "graus Celsius"), unit(&["°"], "grau", "graus"), unit(&["kW"], "quilowatt", "quilowatts"),
        unit(&["kWh"], "quilowatt-hora", "quilowatts-hora"), unit(&["MB"], "megabyte", "megabytes"), unit(&["GB"], "gigabyte", "gigabytes"),
        unit(&["real", "reais"], "real", "reais"), unit(&["euro", "euros"], "euro", "euros"), unit(&["dia", "dias"], "dia", "dias"),
        feminine(&["hora", "horas"], "hora", "horas"), unit(&["minuto", "minutos"], "minuto", "minutos"),
        feminine(&["semana", "semanas"], "semana", "semanas"), feminine(&["pessoa", "pessoas"], "pessoa", "pessoas"),
        unit(&["mês"], "mês", "meses"), unit(&["meses"], "mês", "meses"), unit(&["ano", "anos"], "ano", "anos"),
    ],
    date,
    months: ["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro",
        "dezembro"],
    short_months: ["jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"],
    time,
    clock_words: &["h", "horas", "hs"],
    ordinal,
    ordinal_marks: &["º", "ª", "°"],
    fraction,
    and: "e",
    code_words: &["código", "cep", "conta", "pedido", "referência", "reserva", "fatura", "protocolo", "número", "ramal",
        "cliente", "postal", "cpf"],
    pairs: false,
    at: "arroba",
    dot: "ponto",
    slash: "barra",
    dash: "hífen",
    underscore: "sublinhado",
    plus: "mais",
    signs: &[("&", "e"), ("+", "mais"), ("=", "igual a"), ("×", "vezes"), ("<", "menor que"), (">", "maior que"),
        ("±", "mais ou menos"), ("→", "para"), ("@", "arroba")],
    number_sign: "número",
    about: "cerca de",
    abbreviations: &[
        ("Sr.", "senhor", When::BeforeName), ("Sra.", "senhora", When::BeforeName), ("Dr.", "doutor", When::BeforeName),
        ("Dra.", "doutora", When::BeforeName), ("Prof.", "professor", When::BeforeName), ("Av.", "avenida", When::Always),
        ("R.", "rua", When::BeforeName), ("n.º", "número", When::BeforeDigit), ("nº", "número", When::BeforeDigit),
        ("tel.", "telefone", When::Always), ("pág.", "página", When::BeforeDigit), ("p. ex.", "por exemplo", When::Always),
        ("etc.", "et cetera", When::Always), ("aprox.", "aproximadamente", When::Always), ("máx.", "máximo", When::Always),
        ("mín.", "mínimo", When::Always), ("Apto.", "apartamento", When::Always), ("apto.", "apartamento", When::BeforeDigit),
        ("vs.", "contra", When::Always), ("obs.", "observação", When::Always),
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
    "um",
    "dois",
    "três",
    "quatro",
    "cinco",
    "seis",
    "sete",
    "oito",
    "nove",
    "dez",
    "onze",
    "doze",
    "treze",
    "quatorze",
    "quinze",
    "dezesseis",
    "dezessete",
    "dezoito",
    "dezenove",
];
const TENS: [&str; 10] =
    ["", "", "vinte", "trinta", "quarenta", "cinquenta", "sessenta", "setenta", "oitenta", "noventa"];
const HUNDREDS: [&str; 10] =
    ["", "cento", "duzent", "trezent", "quatrocent", "quinhent", "seiscent", "setecent", "oitocent", "novecent"];
const POWERS: [(&str, &str); 5] =
    [("", ""), ("", ""), ("milhão", "milhões"), ("bilhão", "bilhões"), ("trilhão", "trilhões")];

fn cardinal(number: u64, form: Form) -> String {
    if number == 0 {
        return "zero".into();
    }
    let mut words = String::new();
    for (part, power) in thousands(number) {
        let spoken = match (part, power) {
            (part, 0) => hundreds(part, form),
            (1, 1) => "mil".into(),
            (part, 1) => format!("{} mil", hundreds(part, form)),
            (part, power) => {
                let (one, many) = POWERS.get(power as usize).copied().unwrap_or_default();
                format!("{} {}", hundreds(part, Form::Masculine), if part == 1 { one } else { many })
            }
        };
        if !words.is_empty() {
            // "mil e cem", "dois mil e vinte", but "mil duzentos e dez".
            words.push_str(if power == 0 && (part < 100 || part.is_multiple_of(100)) { " e " } else { " " });
        }
        words.push_str(&spoken);
    }
    words
}

fn hundreds(number: u64, form: Form) -> String {
    let is_feminine = form == Form::Feminine;
    match number {
        1 if is_feminine => "uma".into(),
        2 if is_feminine => "duas".into(),
        0..20 => entry(&SMALL, number).into(),
        20..100 if number.is_multiple_of(10) => entry(&TENS, number / 10).into(),
        20..100 => format!("{} e {}", entry(&TENS, number / 10), hundreds(number % 10, form)),
        100 => "cem".into(),
        _ => {
            let stem = entry(&HUNDREDS, number / 100);
            let ending = match number / 100 {
                1 => "",
                _ if is_feminine => "as",
                _ => "os",
            };
            match number % 100 {
                0 => format!("{stem}{ending}"),
                rest => format!("{stem}{ending} e {}", hundreds(rest, form)),
            }
        }
    }
}

const ORDINALS: [&str; 11] =
    ["", "primeir", "segund", "terceir", "quart", "quint", "sext", "sétim", "oitav", "non", "décim"];

fn ordinal(number: u64, mark: &str, _: &str) -> Option<String> {
    let ending = if mark == "ª" { "a" } else { "o" };
    match number {
        1..=10 => Some(format!("{}{ending}", entry(&ORDINALS, number))),
        11..20 => Some(format!("décim{ending} {}{ending}", entry(&ORDINALS, number - 10))),
        _ => None,
    }
}

fn date(date: Date, _: &str, _: &str) -> String {
    let day = if date.day == 1 { "primeiro".into() } else { cardinal(date.day, Form::Alone) };
    let day = format!("{day} de {}", GRAMMAR.month(date.month));
    date.year.map_or(day.clone(), |number| format!("{day} de {}", cardinal(number, Form::Alone)))
}

fn time(time: Time) -> String {
    let hour = cardinal(time.hour, Form::Feminine);
    let noun = if time.hour < 2 { "hora" } else { "horas" };
    match time.minute {
        0 => format!("{hour} {noun}"),
        minute if time.is_named => format!("{hour} {noun} e {}", cardinal(minute, Form::Alone)),
        minute => format!("{hour} e {}", cardinal(minute, Form::Alone)),
    }
}

fn fraction(top: u64, below: u64) -> Option<String> {
    let (one, many) = match below {
        2 => return (top == 1).then(|| "meio".into()),
        3 => ("terço", "terços"),
        4 => ("quarto", "quartos"),
        5 => ("quinto", "quintos"),
        8 => ("oitavo", "oitavos"),
        10 => ("décimo", "décimos"),
        _ => return None,
    };
    Some(if top == 1 { format!("um {one}") } else { format!("{} {many}", cardinal(top, Form::Masculine)) })
}
