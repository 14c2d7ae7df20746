//! English.

use super::grammar::{Currency, Date, Decimals, Form, Grammar, Scale, Time, Unit, When, entry, thousands};

#[rustfmt::skip]
pub(super) static GRAMMAR: Grammar = Grammar {
    tag: "en",
    cardinal: |number, _| cardinal(number),
    needs_noun: |_| false,
    no_nouns: &[],
    year,
    year_words: &["in", "since", "of", "by", "until", "till", "before", "after", "year", "early", "late", "mid", "spring",
        "summer", "autumn", "fall", "winter", "from", "during", "circa", "around"],
    digits: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    decimal_sign: '.',
    space_parts: false,
    decimals: Decimals::Digits,
    point: "point",
    minus: "minus",
    to: "to",
    percent: "percent",
    of: "",
    scales: &[
        Scale { signs: &["trillion", "T", "tn"], one: "trillion", many: "trillion" },
        Scale { signs: &["billion", "B", "bn"], one: "billion", many: "billion" },
        Scale { signs: &["million", "M", "mn"], one: "million", many: "million" },
        Scale { signs: &["thousand", "k", "K"], one: "thousand", many: "thousand" },
    ],
    currencies: &[
        Currency { unit: unit(&["$", "US$", "USD"], "dollar", "dollars"), cent: unit(&[], "cent", "cents") },
        Currency { unit: unit(&["CA$", "C$", "CAD"], "Canadian dollar", "Canadian dollars"), cent: unit(&[], "cent", "cents") },
        Currency { unit: unit(&["A$", "AUD"], "Australian dollar", "Australian dollars"), cent: unit(&[], "cent", "cents") },
        Currency { unit: unit(&["€", "EUR"], "euro", "euros"), cent: unit(&[], "cent", "cents") },
        Currency { unit: unit(&["£", "GBP"], "pound", "pounds"), cent: unit(&[], "penny", "pence") },
        Currency { unit: unit(&["¥", "JPY"], "yen", "yen"), cent: unit(&[], "sen", "sen") },
        Currency { unit: unit(&["₹", "INR"], "rupee", "rupees"), cent: unit(&[], "paisa", "paise") },
        Currency { unit: unit(&["CHF"], "Swiss franc", "Swiss francs"), cent: unit(&[], "centime", "centimes") },
        Currency { unit: unit(&["MXN"], "peso", "pesos"), cent: unit(&[], "centavo", "centavos") },
    ],
    with_cents: |whole, cents, currency| {
        let noun = if cents == 1 { currency.cent.one } else { currency.cent.many };
        format!("{whole} and {} {noun}", cardinal(cents))
    },
    units: &[
        unit(&["km"], "kilometer", "kilometers"), unit(&["km/h", "kph"], "kilometer per hour", "kilometers per hour"),
        unit(&["mph"], "mile per hour", "miles per hour"), unit(&["mi"], "mile", "miles"), unit(&["m"], "meter", "meters"),
        unit(&["cm"], "centimeter", "centimeters"), unit(&["mm"], "millimeter", "millimeters"),
        unit(&["ft"], "foot", "feet"), unit(&["yd"], "yard", "yards"), unit(&["kg"], "kilogram", "kilograms"),
        unit(&["g"], "gram", "grams"), unit(&["mg"], "milligram", "milligrams"), unit(&["lb", "lbs"], "pound", "pounds"),
        unit(&["oz"], "ounce", "ounces"), unit(&["L", "l"], "liter", "liters"), unit(&["ml", "mL"], "milliliter", "milliliters"),
        unit(&["gal"], "gallon", "gallons"), unit(&["hr", "hrs"], "hour", "hours"), unit(&["min", "mins"], "minute", "minutes"),
        unit(&["sec", "secs"], "second", "seconds"), unit(&["ms"], "millisecond", "milliseconds"),
        unit(&["°C", "ºC"], "degree Celsius", "degrees Celsius"), unit(&["°F", "ºF"], "degree Fahrenheit", "degrees Fahrenheit"),
        unit(&["°"], "degree", "degrees"), unit(&["kW"], "kilowatt", "kilowatts"),
        unit(&["kWh"], "kilowatt hour", "kilowatt hours"), unit(&["KB"], "kilobyte", "kilobytes"),
        unit(&["MB"], "megabyte", "megabytes"), unit(&["GB"], "gigabyte", "gigabytes"),
        unit(&["TB"], "terabyte", "terabytes"), unit(&["Mbps"], "megabit per second", "megabits per second"),
        unit(&["GHz"], "gigahertz", "gigahertz"), unit(&["m²", "sqm"], "square meter", "square meters"),
        unit(&["sq ft", "sqft", "sq. ft."], "square foot", "square feet"), unit(&["¢"], "cent", "cents"),
    ],
    date,
    months: ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December"],
    short_months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"],
    time,
    clock_words: &[],
    ordinal: |number, _, _| Some(ordinal(number)),
    ordinal_marks: &["st", "nd", "rd", "th"],
    fraction,
    and: "and",
    code_words: &["code", "zip", "zipcode", "account", "order", "confirmation", "reference", "ref", "tracking", "ticket",
        "case", "pin", "id", "serial", "extension", "ext", "passcode", "policy", "invoice", "ending",
        "typed", "entered", "dialed", "pressed"],
    pairs: false,
    at: "at",
    dot: "dot",
    slash: "slash",
    dash: "dash",
    underscore: "underscore",
    plus: "plus",
    signs: &[("&", "and"), ("+", "plus"), ("=", "equals"), ("×", "times"), ("÷", "divided by"), ("<", "less than"),
        (">", "more than"), ("±", "plus or minus"), ("→", "to"), ("@", "at")],
    number_sign: "number",
    about: "about",
    abbreviations: &[
        ("Dr.", "Doctor", When::BeforeName), ("Dr", "Doctor", When::BeforeName), ("Mr.", "Mister", When::BeforeName),
        ("Mrs.", "Missus", When::BeforeName), ("Ms.", "Miz", When::BeforeName), ("Prof.", "Professor", When::BeforeName),
        ("St.", "Saint", When::BeforeName), ("Mt.", "Mount", When::BeforeName), ("Rev.", "Reverend", When::BeforeName),
        ("Gen.", "General", When::BeforeName), ("Lt.", "Lieutenant", When::BeforeName),
        ("Sgt.", "Sergeant", When::BeforeName), ("Capt.", "Captain", When::BeforeName),
        ("Jr.", "Junior", When::BehindName), ("Sr.", "Senior", When::BehindName), ("St.", "Street", When::BehindName),
        ("Ave.", "Avenue", When::BehindName), ("Blvd.", "Boulevard", When::BehindName), ("Rd.", "Road", When::BehindName),
        ("Ln.", "Lane", When::BehindName), ("Dr.", "Drive", When::BehindName), ("Hwy.", "Highway", When::Always),
        ("Apt.", "apartment", When::BeforeDigit), ("Ste.", "suite", When::BeforeDigit), ("No.", "number", When::BeforeDigit),
        ("ext.", "extension", When::BeforeDigit), ("pp.", "pages", When::BeforeDigit), ("p.", "page", When::BeforeDigit),
        ("Dept.", "Department", When::Always), ("e.g.", "for example", When::Always), ("i.e.", "that is", When::Always),
        ("etc.", "et cetera", When::Always), ("vs.", "versus", When::Always), ("approx.", "approximately", When::Always),
        ("appt.", "appointment", When::Always), ("incl.", "including", When::Always), ("est.", "estimated", When::Always),
        ("max.", "maximum", When::Always), ("w/o", "without", When::Always), ("w/", "with", When::Always),
        ("a.m.", "AM", When::Always), ("p.m.", "PM", When::Always),
        ("Mon.", "Monday", When::Always), ("Tue.", "Tuesday", When::Always), ("Tues.", "Tuesday", When::Always),
        ("Wed.", "Wednesday", When::Always), ("Thu.", "Thursday", When::Always), ("Thurs.", "Thursday", When::Always),
        ("Fri.", "Friday", When::Always), ("Jan.", "January", When::Always), ("Feb.", "February", When::Always),
        ("Aug.", "August", When::Always), ("Sept.", "September", When::Always), ("Oct.", "October", When::Always),
        ("Nov.", "November", When::Always), ("Dec.", "December", When::Always),
    ],
    stop_orders: false,
};

const fn unit(signs: &'static [&'static str], one: &'static str, many: &'static str) -> Unit {
    Unit { signs, one, many, form: Form::Alone }
}

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const POWERS: [&str; 5] = ["", " thousand", " million", " billion", " trillion"];

fn cardinal(number: u64) -> String {
    if number == 0 {
        return "zero".into();
    }
    let parts = thousands(number);
    let words: Vec<_> = parts
        .into_iter()
        .map(|(part, power)| format!("{}{}", hundreds(part), entry(&POWERS, u64::from(power))))
        .collect();
    words.join(" ")
}

fn hundreds(number: u64) -> String {
    match number {
        0..20 => entry(&SMALL, number).into(),
        20..100 if number.is_multiple_of(10) => entry(&TENS, number / 10).into(),
        20..100 => format!("{}-{}", entry(&TENS, number / 10), entry(&SMALL, number % 10)),
        _ if number.is_multiple_of(100) => format!("{} hundred", entry(&SMALL, number / 100)),
        _ => format!("{} hundred {}", entry(&SMALL, number / 100), hundreds(number % 100)),
    }
}

fn ordinal(number: u64) -> String {
    let words = cardinal(number);
    let at = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (head, last) = words.split_at(at);
    let last = match last {
        "one" => "first".into(),
        "two" => "second".into(),
        "three" => "third".into(),
        "five" => "fifth".into(),
        "eight" => "eighth".into(),
        "nine" => "ninth".into(),
        "twelve" => "twelfth".into(),
        word => match word.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{word}th"),
        },
    };
    format!("{head}{last}")
}

fn year(year: u64) -> String {
    let (century, rest) = (year / 100, year % 100);
    match (century, rest) {
        _ if (2_000..2_010).contains(&year) || year < 1_100 => cardinal(year),
        (_, 0) if century.is_multiple_of(10) => cardinal(year),
        (_, 0) => format!("{} hundred", cardinal(century)),
        (_, 1..10) => format!("{} oh {}", cardinal(century), cardinal(rest)),
        _ => format!("{} {}", cardinal(century), cardinal(rest)),
    }
}

fn date(date: Date, before: &str, region: &str) -> String {
    let (day, month) = (ordinal(date.day), GRAMMAR.month(date.month));
    let is_british = matches!(region, "GB" | "IE" | "AU" | "NZ" | "ZA" | "IN");
    let day = match (is_british, before) {
        (true, "the") => format!("{day} of {month}"),
        (true, _) => format!("the {day} of {month}"),
        (false, "the") => format!("{day} of {month}"),
        (false, _) => format!("{month} {day}"),
    };
    date.year.map_or(day.clone(), |number| format!("{day}, {}", year(number)))
}

fn time(time: Time) -> String {
    let half = time.half.or((time.hour > 12 || time.hour == 0).then_some(time.hour > 12 && time.hour < 24));
    let hour = match time.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let hour = cardinal(hour);
    let minute = match time.minute {
        0 => String::new(),
        minute @ 1..10 => format!(" oh {}", cardinal(minute)),
        minute => format!(" {}", cardinal(minute)),
    };
    match half {
        Some(pm) => format!("{hour}{minute} {}", if pm { "PM" } else { "AM" }),
        None if time.minute == 0 => format!("{hour} o'clock"),
        None => format!("{hour}{minute}"),
    }
}

fn fraction(top: u64, below: u64) -> Option<String> {
    let part = match (below, top) {
        (2, 1) => "half".into(),
        (4, _) => "quarter".into(),
        _ => ordinal(below),
    };
    Some(if top == 1 { format!("one {part}") } else { format!("{} {part}s", cardinal(top)) })
}
