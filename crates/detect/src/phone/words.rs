//! The words beside which digits are a telephone number, or another.

/// Words, in lower case, that name a telephone: digits right behind one are its number, in whatever form.
#[rustfmt::skip]
pub(super) const NAMES: [&str; 70] = [
    "phone", "telephone", "tel", "telefon", "telefono", "teléfono", "telefone", "téléphone", "telefoon", "telefonu",
    "telefonnummer", "telefoonnummer", "phonenumber", "mobile", "mobilephone", "mobil ", "mobil:", "mobilnummer",
    "mobiel", "móvil", "cell", "cellphone", "cellulare", "celular", "handy", "handynummer", "rufnummer", "fon",
    "festnetz", "landline", "whatsapp", "fax", "sms", "komórka", "tél", "cep:", "call me", "reach me", "text me",
    "ring me", "contact me", "my number is", "llámame", "chiamami", "appelez-moi", "bel me", "ring mig", "me liga",
    "meine nummer ist", "ruf mich", "ruf mich an", "mi número es", "mon numéro est", "il mio numero è", "meu número é",
    "mijn nummer is", "mit nummer er", "mitt nummer är",
    "zadzwoń", "電話", "电话", "手机", "手機", "携帯", "전화", "휴대폰", "елефон", "тел.", "Тел.", "ηλέφων",
];
/// Words that say the same only of a number that looks like one: in groups, or with a zero before.
#[rustfmt::skip]
pub(super) const HINTS: [&str; 9] = [
    "call ", "calling ", "called from", "ring ", "contact", "reach", "dial", "registered", "rufen sie",
];
/// Words behind which such a number is another's.
#[rustfmt::skip]
pub(super) const OTHERS: [&[u8]; 13] = [
    b"order", b"invoice", b"case ", b"tracking", b"ticket", b"booking", b"reference", b"ref ", b"reservation",
    b"bestell", b"rechnung", b"commande", b"pedido",
];
/// What may stand between such a word and its number.
#[rustfmt::skip]
pub(super) const BETWEEN: [&str; 30] = [
    "number", "no", "num", "nr", "nummer", "numer", "numero", "número", "numéro", "numaram", "is", "ist", "es", "est",
    "är", "er", "me", "us", "on", "at", "to", "mich", "unter", "auf", "au", "al", "op", "em", "na", "på",
];
