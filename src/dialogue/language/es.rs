//! Spanish.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "es",
    fillers: &["eh", "em", "este", "pues", "mm", "hm", "a ver"],
    unfinished: &[
        "y", "e", "o", "u", "pero", "porque", "que", "si", "cuando", "aunque", "el", "la", "los", "las", "un",
        "una", "unos", "unas", "mi", "mis", "tu", "su", "sus", "nuestro", "de", "del", "a", "al", "en", "con",
        "por", "para", "sin", "sobre", "entre", "desde", "hasta", "es", "son", "está", "estoy", "era", "soy", "he",
        "ha", "quiero", "quisiera", "puedo", "puede", "yo", "muy", "me", "se", "lo", "como", "más",
    ],
    loose: &["entonces", "también", "no"],
    auxiliaries: &[],
    stop: &[
        "pare", "espera", "espere", "un momento", "un segundo", "disculpe", "perdón", "no no", "basta", "escuche",
        "oiga",
    ],
    backchannel: &[
        "ajá", "aja", "mhm", "mm", "hm", "sí", "si", "ya", "claro", "vale", "bueno", "bien", "de acuerdo", "okay",
        "ok", "entiendo", "ah", "oh", "eh", "perfecto", "exacto", "correcto", "por supuesto",
    ],
    yes_no: &[
        "sí", "si", "no", "claro", "vale", "bueno", "correcto", "exacto", "por", "favor", "supuesto", "gracias",
        "de", "acuerdo", "ok", "okay", "perfecto",
    ],
    closed: &[
        "es", "está", "son", "quiere", "quieres", "puede", "puedo", "puedes", "tiene", "tienes", "desea", "le",
        "te", "hay", "ha", "verdad", "correcto", "vale", "no", "sería", "podría", "necesita",
    ],
    refusals: &["no", "ninguno", "nunca", "por qué", "qué", "perdón", "pregunta"],
    requests: &["favor", "dígame", "dime", "deme", "dame", "deletree", "necesito", "indique"],
    copulas: &["es", "son"],
    values: &[
        (Kind::Email, &["correo", "email", "e-mail", "mail"]),
        (Kind::Card, &["tarjeta"]),
        (Kind::Spelling, &["deletrear", "deletree", "deletrea", "letras"]),
        (Kind::Phone, &["teléfono", "móvil", "celular"]),
        (Kind::Address, &["dirección", "domicilio", "calle"]),
        (Kind::Date, &["nacimiento", "fecha", "cuándo", "día"]),
        (Kind::Digits, &["número", "números", "código", "postal", "cuenta", "pin", "dígitos", "dni", "referencia"]),
        (Kind::Name, &["nombre", "apellido", "apellidos", "llama"]),
    ],
    digits: &["cero", "uno un", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    teens: &[
        "diez", "once", "doce", "trece", "catorce", "quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve",
    ],
    tens: &["veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"],
    repeats: &[("doble", 2), ("triple", 3)],
    at: &["arroba"],
    dot: &["punto"],
    joiners: &["guion", "guión", "bajo", "barra", "más"],
    months: &[
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre", "diciembre",
    ],
    phone: &[(9, "6789")],
    lines: Lines {
        apology: "Lo siento, ahora mismo tengo un problema. ¿Podría repetirlo, por favor?",
        repeat_request: "Perdone, no le he entendido. ¿Podría repetirlo?",
        idle_prompt: "¿Sigue ahí?",
        goodbye: "Voy a colgar. Hasta luego.",
        filler: "Un momento, por favor.",
        transfer_failed: "Lo siento, no he podido localizar a nadie. Sigue conmigo. ¿En qué más puedo ayudarle?",
        transfer_wait: "Sigo intentando localizar a alguien para usted.",
        handing_over: "Le paso con alguien que puede ayudarle.",
        welcome_back: "Sigo aquí.",
        duration_warning: "Nos queda más o menos medio minuto de llamada.",
        cut_in: "Perdone que le interrumpa. Permítame responder primero a eso.",
        backchannels: ["ajá", "mm", "claro"],
    },
};
