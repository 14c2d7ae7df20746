//! Portuguese.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "pt",
    fillers: &["hum", "ahn", "hã", "eh", "mm", "hm", "deixa eu ver", "tipo"],
    unfinished: &[
        "e", "ou", "mas", "porque", "que", "se", "quando", "como", "o", "a", "os", "as", "um", "uma", "uns", "umas",
        "meu", "minha", "seu", "sua", "de", "do", "da", "dos", "das", "em", "no", "na", "nos", "nas", "ao", "à",
        "com", "por", "pelo", "pela", "para", "pra", "sem", "sobre", "entre", "até", "é", "são", "era", "sou",
        "estou", "está", "tenho", "tem", "quero", "queria", "gostaria", "posso", "pode", "eu", "muito", "me",
    ],
    loose: &["então", "também", "não", "aí"],
    auxiliaries: &[],
    stop: &[
        "pare", "espera", "espere", "um momento", "um segundo", "um instante", "com licença", "desculpe", "não não",
        "chega", "escuta",
    ],
    backchannel: &[
        "aham", "uhum", "mhm", "mm", "hm", "sim", "tá", "tá bom", "ok", "okay", "certo", "entendi", "claro", "bom",
        "bem", "isso", "ah", "oh", "perfeito", "exato", "beleza", "pois é", "está bem",
    ],
    yes_no: &[
        "sim", "não", "claro", "ok", "okay", "certo", "isso", "exato", "tá", "bom", "pode", "ser", "por", "favor",
        "obrigado", "obrigada", "perfeito", "correto", "está", "bem",
    ],
    closed: &[
        "é", "está", "são", "quer", "você", "pode", "posso", "tem", "deseja", "gostaria", "certo", "correto", "ok",
        "né", "há", "seria", "poderia",
    ],
    refusals: &["não", "nenhum", "nenhuma", "nunca", "por quê", "quê", "desculpe", "pergunta"],
    requests: &["favor", "diga", "me diga", "informe", "soletre", "preciso", "passe"],
    copulas: &["é", "são"],
    values: &[
        (Kind::Email, &["email", "e-mail", "mail"]),
        (Kind::Card, &["cartão"]),
        (Kind::Spelling, &["soletrar", "soletre", "letras"]),
        (Kind::Phone, &["telefone", "celular", "telemóvel"]),
        (Kind::Address, &["endereço", "morada", "rua"]),
        (Kind::Date, &["nascimento", "data", "quando", "dia"]),
        (Kind::Digits, &["número", "números", "código", "cep", "postal", "conta", "cpf", "dígitos", "pin"]),
        (Kind::Name, &["nome", "sobrenome", "apelido", "chama"]),
    ],
    digits: &["zero", "um uma", "dois duas", "três", "quatro", "cinco", "seis meia", "sete", "oito", "nove"],
    teens: &[
        "dez", "onze", "doze", "treze", "quatorze", "catorze", "quinze", "dezesseis", "dezessete", "dezoito",
        "dezenove",
    ],
    tens: &["vinte", "trinta", "quarenta", "cinquenta", "sessenta", "setenta", "oitenta", "noventa"],
    repeats: &[("duplo", 2), ("triplo", 3)],
    at: &["arroba"],
    dot: &["ponto"],
    joiners: &["hífen", "traço", "underline", "barra", "mais"],
    months: &[
        "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
        "novembro", "dezembro",
    ],
    phone: &[],
    lines: Lines {
        apology: "Peço desculpa, estou com um problema neste momento. Pode repetir, por favor?",
        repeat_request: "Desculpe, não entendi. Pode repetir?",
        idle_prompt: "Ainda está aí?",
        goodbye: "Vou desligar agora. Até logo.",
        filler: "Um momento, por favor.",
        transfer_failed: "Desculpe, não consegui falar com ninguém. Continua comigo. Como mais posso ajudar?",
        transfer_wait: "Ainda estou tentando falar com alguém para si.",
        handing_over: "Vou passar a chamada a alguém que pode ajudar.",
        welcome_back: "Ainda estou aqui.",
        duration_warning: "Temos cerca de meio minuto para esta chamada.",
        cut_in: "Desculpe interromper. Deixe-me responder primeiro a isso.",
        backchannels: ["mm", "sim", "certo"],
    },
};
