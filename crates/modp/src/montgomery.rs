//! Exponentiation, whatever multiplies: a fixed window over any base, and a table of powers of 2.
//!
//! Which numbers are multiplied depends on lengths only; tables are read whole.

use crypto_bigint::U512;
use zeroize::{Zeroize, Zeroizing};

/// The integers modulo a prime, in Montgomery's form.
pub(crate) trait Montgomery {
    /// One of them.
    type Number: Clone + Zeroize;

    /// The number 1.
    fn one(&self) -> Self::Number;

    /// From big-endian octets, as many as the prime has.
    fn enter(&self, octets: &[u8]) -> Self::Number;

    /// To big-endian octets, as many as the prime has; below the prime.
    fn leave(&self, number: &Self::Number) -> Zeroizing<Vec<u8>>;

    /// a = a * b
    fn multiply(&self, a: &mut Self::Number, b: &Self::Number);

    /// a = a * a
    fn square(&self, a: &mut Self::Number);

    /// Copies the entry of this index, and reads all the others too. The index is below the length of the table.
    fn select(&self, out: &mut Self::Number, table: &[Self::Number], index: u64);
}

/// Bit `position` of the exponent, in the lowest bit.
fn bit(exponent: &U512, position: u32) -> u64 {
    let word = exponent.as_words().get((position / 64) as usize);
    word.map_or(0, |word| word >> (position % 64) & 1)
}

/// base^exponent, of which the lowest `bits` are looked at.
pub(crate) fn power<M: Montgomery>(modulus: &M, base: &[u8], exponent: &U512, bits: u32) -> Zeroizing<Vec<u8>> {
    // What costs least, the table included: 4 up to 320 bits, 5 up to 512.
    let window = if bits <= 320 { 4 } else { 5 };
    let base = Zeroizing::new(modulus.enter(base));
    let mut table = Zeroizing::new(Vec::with_capacity(1 << window));
    table.push(modulus.one());
    table.push((*base).clone());
    for i in 2..1_usize << window {
        let mut next = table.get(i / 2).cloned().unwrap_or_else(|| modulus.one());
        modulus.square(&mut next);
        if i % 2 == 1 {
            modulus.multiply(&mut next, &base);
        }
        table.push(next);
    }
    let mut result = Zeroizing::new(modulus.one());
    let mut factor = Zeroizing::new(modulus.one());
    for place in (0..bits.div_ceil(window)).rev() {
        let positions = place * window..bits.min((place + 1) * window);
        let first = positions.end == bits;
        let index = positions
            .rev()
            .fold(0, |index, position| index << 1 | bit(exponent, position));
        if first {
            modulus.select(&mut result, &table, index);
            continue;
        }
        for _ in 0..window {
            modulus.square(&mut result);
        }
        modulus.select(&mut factor, &table, index);
        modulus.multiply(&mut result, &factor);
    }
    modulus.leave(&result)
}

/// Rows that the exponent is laid out in.
const TEETH: u32 = 5;
/// Tables, each for as many columns.
const TABLES: u32 = 8;
/// Numbers in all tables of a group together.
pub(crate) const ENTRIES: usize = (TABLES as usize) << TEETH;

/// Powers of 2, after Lim and Lee ("More flexible exponentiation with precomputation", CRYPTO '94).
///
/// The exponent is written in rows of `columns` bits. A column's bits, one of each row, choose from a table the product of
/// the powers of 2 that they stand for. There is a table for every `step` columns; what is the same for all tables is
/// squared once for all.
pub(crate) struct PowersOfTwo<N> {
    columns: u32,
    step: u32,
    tables: Vec<N>,
}

impl<N: Clone + Zeroize> PowersOfTwo<N> {
    /// For exponents of this length.
    pub fn new<M: Montgomery<Number = N>>(modulus: &M, two: &[u8], bits: u32) -> Self {
        let columns = bits.div_ceil(TEETH);
        let step = columns.div_ceil(TABLES);
        let mut tables = vec![modulus.one(); ENTRIES];
        // 2^(2^position), where position goes through the first columns of the tables in all rows.
        let mut power = modulus.enter(two);
        let mut at = 0;
        for tooth in 0..TEETH {
            for table in 0..TABLES {
                let position = tooth * columns + table * step;
                // A last table without columns is not used.
                for _ in at..position {
                    modulus.square(&mut power);
                }
                at = at.max(position);
                let (known, new) = tables
                    .get_mut((table << TEETH) as usize..)
                    .map(|table| table.split_at_mut(1 << tooth))
                    .unwrap_or_default();
                for (known, new) in known.iter().zip(new) {
                    *new = known.clone();
                    modulus.multiply(new, &power);
                }
            }
        }
        Self { columns, step, tables }
    }

    /// 2^exponent, of which as many bits are looked at as the table is for.
    pub fn power<M: Montgomery<Number = N>>(&self, modulus: &M, exponent: &U512) -> Zeroizing<Vec<u8>> {
        let mut result = Zeroizing::new(modulus.one());
        let mut factor = Zeroizing::new(modulus.one());
        let mut begun = false;
        for offset in (0..self.step).rev() {
            if begun {
                modulus.square(&mut result);
            }
            let tables = self.tables.chunks(1 << TEETH);
            for (first, table) in (0..self.columns).step_by(self.step as usize).zip(tables) {
                let column = first + offset;
                // The last table may have fewer columns.
                if column >= self.columns {
                    continue;
                }
                let index = (0..TEETH).rev().fold(0, |index, tooth| {
                    index << 1 | bit(exponent, tooth * self.columns + column)
                });
                if begun {
                    modulus.select(&mut factor, table, index);
                    modulus.multiply(&mut result, &factor);
                } else {
                    modulus.select(&mut result, table, index);
                    begun = true;
                }
            }
        }
        modulus.leave(&result)
    }
}

#[cfg(test)]
pub(crate) mod tests;
