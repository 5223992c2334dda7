//! Check digits: each function says whether the characters of a number, without separators, are consistent.

/// The value of each digit; none where there is another character.
fn values(number: &[u8]) -> Option<Vec<u32>> {
    number.iter().map(|b| char::from(*b).to_digit(10)).collect()
}

/// Sum of the digits, each times its weight.
fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

fn is_length(digits: &[u32], length: usize) -> bool {
    digits.len() == length && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// ISO/IEC 7812-1, annex B.
pub fn luhn(number: &[u8]) -> bool {
    let sum = number.iter().rev().enumerate().try_fold(0, |sum, (place, byte)| {
        let digit = char::from(*byte).to_digit(10)?;
        Some(match place % 2 {
            0 => sum + digit,
            _ if digit > 4 => sum + 2 * digit - 9,
            _ => sum + 2 * digit,
        })
    });
    sum.is_some_and(|sum: u32| sum.is_multiple_of(10))
}

/// The same of a number whose digits are not all alike.
pub fn luhn_of_several(number: &[u8]) -> bool {
    luhn(number) && number.iter().any(|byte| Some(byte) != number.first())
}

/// The remainder of a long number by 97; letters count from 10 (ISO 7064).
fn modulo_97(number: impl Iterator<Item = u8>) -> Option<u32> {
    number.map(|b| char::from(b).to_digit(36)).try_fold(0, |so_far, value| {
        let value = value?;
        Some((so_far * if value > 9 { 100 } else { 10 } + value) % 97)
    })
}

/// Country and length of every IBAN of the SWIFT registry.
const IBANS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 \
EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 \
LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 \
RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ";

/// ISO 13616: length by country, remainder 1.
pub fn iban(number: &[u8]) -> bool {
    let length = IBANS
        .as_bytes()
        .chunks(5)
        .find(|known| known.get(..2) == number.get(..2))
        .and_then(|known| std::str::from_utf8(known.get(2..4)?).ok()?.parse().ok());
    let (Some(head), Some(rest)) = (number.get(..4), number.get(4..)) else { return false };
    length == Some(number.len())
        && head.iter().skip(2).all(u8::is_ascii_digit)
        && modulo_97(rest.iter().chain(head).copied()) == Some(1)
}

/// Whether month and day may be of a birth.
pub fn is_birth(month: Option<&[u8]>, day: Option<&[u8]>) -> bool {
    let number = |digits: Option<&[u8]>| std::str::from_utf8(digits?).ok()?.parse::<u32>().ok();
    number(month).is_some_and(|month| (1..=12).contains(&month))
        && number(day).is_some_and(|day| (1..=31).contains(&day))
}

/// Sweden's personnummer, without the century.
pub fn personnummer(number: &[u8]) -> bool {
    number.len() == 10 && luhn_of_several(number) && is_birth(number.get(2..4), number.get(4..6))
}

/// Australia's tax file number.
pub fn tfn(number: &[u8]) -> bool {
    values(number).is_some_and(|digits| {
        is_length(&digits, 9) && weighted(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
    })
}

/// The Netherlands' burgerservicenummer.
pub fn bsn(number: &[u8]) -> bool {
    values(number).is_some_and(|digits| {
        // the last weight is -1
        is_length(&digits, 9) && weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_multiple_of(11)
    })
}

/// The number of the NHS of England.
pub fn nhs(number: &[u8]) -> bool {
    values(number).is_some_and(|digits| {
        is_length(&digits, 10)
            && weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
    })
}

/// Poland's PESEL; months carry the century.
pub fn pesel(number: &[u8]) -> bool {
    values(number).is_some_and(|digits| {
        let month = digits.get(2..4).map_or(0, |m| weighted(m, &[10, 1]) % 20);
        let day = digits.get(4..6).map_or(0, |d| weighted(d, &[10, 1]));
        is_length(&digits, 11)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
    })
}

/// Germany's tax number of persons (ISO 7064, MOD 11,10).
pub fn steuer_id(number: &[u8]) -> bool {
    let Some(digits) = values(number).filter(|digits| is_length(digits, 11)) else { return false };
    let Some((last, front)) = digits.split_last() else { return false };
    let product = front.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    front.first() != Some(&0) && (11 - product) % 10 == *last
}

/// Brazil's CPF.
pub fn cpf(number: &[u8]) -> bool {
    let Some(digits) = values(number).filter(|digits| is_length(digits, 11)) else { return false };
    let check = |len: usize| {
        let sum: u32 =
            digits.iter().take(len).zip((2..=11).rev().skip(10 - len)).map(|(d, w)| d * w).sum();
        let rest = sum * 10 % 11 % 10;
        digits.get(len) == Some(&rest)
    };
    check(9) && check(10)
}

/// Norway's fødselsnummer.
pub fn fodselsnummer(number: &[u8]) -> bool {
    values(number).is_some_and(|digits| {
        is_length(&digits, 11)
            && is_birth(number.get(2..4), number.get(..2))
            && weighted(&digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
            && weighted(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
    })
}

/// Turkey's identity number.
pub fn tckn(number: &[u8]) -> bool {
    let Some(digits) = values(number).filter(|digits| is_length(digits, 11)) else { return false };
    let odd = weighted(&digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(&digits, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let ten: u32 = digits.iter().take(10).sum();
    digits.first() != Some(&0)
        && digits.get(9) == Some(&((7 * odd + 9 * 10 - even) % 10))
        && digits.get(10) == Some(&(ten % 10))
}

/// Belgium's national register number; from 2000 on a 2 stands before it.
pub fn nrn(number: &[u8]) -> bool {
    let (Some(front), Some(last)) = (number.get(..9), number.get(9..)) else { return false };
    let Some(check) = values(last).map(|digits| weighted(&digits, &[10, 1])) else { return false };
    let of = |prefix: &[u8]| modulo_97(prefix.iter().chain(front).copied()).map(|rest| 97 - rest);
    number.len() == 11
        && is_birth(number.get(2..4), number.get(4..6))
        && (of(b"") == Some(check) || of(b"2") == Some(check))
}

/// India's Aadhaar (Verhoeff: the dihedral group of the pentagon).
pub fn aadhaar(number: &[u8]) -> bool {
    const PERMUTED: [[u32; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let Some(digits) = values(number).filter(|digits| is_length(digits, 12)) else { return false };
    let product = digits.iter().rev().enumerate().fold(0, |so_far, (place, digit)| {
        let row = PERMUTED.get(place % 8);
        let next = row.and_then(|row| row.get(*digit as usize)).copied().unwrap_or(0);
        dihedral(so_far, next)
    });
    product == 0 && digits.first().is_some_and(|first| *first > 1)
}

/// The product of two elements of the dihedral group of order 10.
fn dihedral(a: u32, b: u32) -> u32 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// Korea's resident registration number.
pub fn rrn(number: &[u8]) -> bool {
    let Some(digits) = values(number).filter(|digits| is_length(digits, 13)) else { return false };
    let sum = weighted(&digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    is_birth(number.get(2..4), number.get(4..6))
        && digits.get(6).is_some_and(|century| (1..=8).contains(century))
        && digits.get(12) == Some(&((11 - sum % 11) % 10))
}

/// France's number of the national register; 2A and 2B are Corsica.
pub fn nir(number: &[u8]) -> bool {
    if number.len() != 15 || !matches!(number.first(), Some(b'1' | b'2')) {
        return false;
    }
    let plain: Vec<u8> = match number.get(5..7) {
        Some(b"2A") => {
            [number.get(..5).unwrap_or_default(), b"19", number.get(7..).unwrap_or_default()]
                .concat()
        }
        Some(b"2B") => {
            [number.get(..5).unwrap_or_default(), b"18", number.get(7..).unwrap_or_default()]
                .concat()
        }
        _ => number.to_vec(),
    };
    let (Some(front), Some(key)) = (plain.get(..13), plain.get(13..)) else { return false };
    let Some(key) = values(key).map(|digits| weighted(&digits, &[10, 1])) else { return false };
    let month = plain.get(3..5).and_then(values).map_or(0, |digits| weighted(&digits, &[10, 1]));
    front.iter().all(u8::is_ascii_digit)
        && (matches!(month, 1..=12 | 20..=42 | 50..))
        && modulo_97(front.iter().copied()).map(|rest| 97 - rest) == Some(key)
}

/// China's resident identity number (ISO 7064, MOD 11-2).
pub fn china(number: &[u8]) -> bool {
    let Some(digits) = number.get(..17).and_then(values) else { return false };
    let sum = weighted(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    let check = b"10X98765432".get(sum as usize % 11);
    number.len() == 18
        && matches!(number.get(6..8), Some(b"19" | b"20"))
        && is_birth(number.get(10..12), number.get(12..14))
        && number.last() == check
}

/// Spain's DNI and NIE.
pub fn dni(number: &[u8]) -> bool {
    let (Some(front), Some(letter)) = (number.get(..8), number.last()) else { return false };
    let lead = match front.first() {
        Some(b'X') => b'0',
        Some(b'Y') => b'1',
        Some(b'Z') => b'2',
        Some(digit) => *digit,
        None => return false,
    };
    let digits = std::iter::once(lead).chain(front.iter().skip(1).copied());
    let value =
        digits.map(|b| char::from(b).to_digit(10)).try_fold(0, |so_far, d| Some(so_far * 10 + d?));
    value.and_then(|value| b"TRWAGMYFPDXBNJZSQVHLCKE".get(value as usize % 23)) == Some(letter)
        && number.len() == 9
}

/// Singapore's NRIC and FIN.
pub fn nric(number: &[u8]) -> bool {
    let (Some(first), Some(digits), Some(letter)) =
        (number.first(), number.get(1..8).and_then(values), number.last())
    else {
        return false;
    };
    let sum = weighted(&digits, &[2, 7, 6, 5, 4, 3, 2])
        + if matches!(first, b'T' | b'G') { 4 } else { 0 };
    let letters: &[u8] = match first {
        b'S' | b'T' => b"JZIHGFEDCBA",
        b'F' | b'G' => b"XWUTRQPNMLK",
        _ => return false,
    };
    number.len() == 9 && letters.get(sum as usize % 11) == Some(letter)
}

/// Finland's henkilötunnus, without its sign of the century.
pub fn hetu(number: &[u8]) -> bool {
    let (Some(date), Some(serial), Some(check)) =
        (number.get(..6), number.get(6..9), number.last())
    else {
        return false;
    };
    let mut value = date.iter().chain(serial).map(|b| char::from(*b).to_digit(10));
    let value = value.try_fold(0, |so_far, digit| Some(so_far * 10 + digit?));
    number.len() == 10
        && is_birth(date.get(2..4), date.get(..2))
        && value.and_then(|value| b"0123456789ABCDEFHJKLMNPRSTUVWXY".get(value as usize % 31))
            == Some(check)
}

/// Italy's codice fiscale.
pub fn codice_fiscale(number: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let is_letter = |at: usize| matches!(at, 0..=5 | 8 | 11 | 15);
    let has_form = number.len() == 16
        && number.iter().enumerate().all(|(at, b)| match is_letter(at) {
            true => b.is_ascii_uppercase(),
            // letters stand for digits where two people would have the same
            false => b.is_ascii_digit() || b"LMNPQRSTUV".contains(b),
        });
    let value = |b: u8| u32::from(if b.is_ascii_digit() { b - b'0' } else { b.wrapping_sub(b'A') });
    let sum: u32 = number
        .iter()
        .take(15)
        .enumerate()
        .map(|(at, b)| match at % 2 {
            0 => ODD.get(value(*b) as usize).copied().unwrap_or(0),
            _ => value(*b),
        })
        .sum();
    has_form
        && number.get(8).is_some_and(|b| b"ABCDEHLMPRST".contains(b))
        && number.last().map(|b| value(*b)) == Some(sum % 26)
}

/// Mexico's CURP.
pub fn curp(number: &[u8]) -> bool {
    let (Some(letters), Some(date), Some(rest)) =
        (number.get(..4), number.get(4..10), number.get(10..))
    else {
        return false;
    };
    const ALPHABET: &[u8] = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ".as_bytes();
    let value = |b: &u8| ALPHABET.iter().position(|known| known == b).map_or(0, |at| at as u32);
    let sum: u32 =
        number.iter().take(17).zip((2..=18).rev()).map(|(b, weight)| value(b) * weight).sum();
    let check = u8::try_from((10 - sum % 10) % 10).unwrap_or(0) + b'0';
    number.len() == 18
        && letters.iter().all(u8::is_ascii_uppercase)
        && is_birth(date.get(2..4), date.get(4..6))
        && matches!(rest.first(), Some(b'H' | b'M' | b'X'))
        && rest.get(1..6).is_some_and(|letters| letters.iter().all(u8::is_ascii_uppercase))
        && number.last() == Some(&check)
}

/// Areas 000, 666 and 900 up, group 00 and serial 0000 are no social security numbers; 9xx with a group from
/// 50 up is a taxpayer's number of the same form.
pub fn ssn(digits: &[u8]) -> bool {
    let (Some(area), Some(group), Some(serial)) =
        (digits.get(..3), digits.get(3..5), digits.get(5..))
    else {
        return false;
    };
    let is_itin = area.first() == Some(&b'9') && group >= &b"50"[..];
    digits.iter().all(u8::is_ascii_digit)
        && area != b"000"
        && area != b"666"
        && (area.first() != Some(&b'9') || is_itin)
        && group != b"00"
        && serial != b"0000"
        && digits != b"123456789"
        && digits != b"078051120"
}

/// The United Kingdom's national insurance number: prefixes that are given out, six digits, A to D.
pub fn nino(number: &[u8]) -> bool {
    let (Some([a, b]), Some(digits), Some(suffix)) =
        (number.first_chunk::<2>(), number.get(2..8), number.last())
    else {
        return false;
    };
    a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && !b"DFIQUV".contains(a)
        && !b"DFIOQUV".contains(b)
        && ![&b"BG"[..], b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&&[*a, *b][..])
        && digits.iter().all(u8::is_ascii_digit)
        && matches!(suffix, b'A'..=b'D')
}

/// India's permanent account number: five letters, the fourth of which says whose it is, four digits, a letter.
pub fn pan(number: &[u8]) -> bool {
    let (Some(letters), Some(digits), Some(last)) =
        (number.get(..5), number.get(5..9), number.last())
    else {
        return false;
    };
    letters.iter().all(u8::is_ascii_uppercase)
        && letters.get(3).is_some_and(|b| b"PCHABGJLFT".contains(b))
        && digits.iter().all(u8::is_ascii_digit)
        && last.is_ascii_uppercase()
}
