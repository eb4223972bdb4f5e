//! Buys, each the first of another shopper.

use std::net::SocketAddr;

use super::Traffic;

/// Stands for the number of a request where the template is made.
const NUMBER: &str = "##########";

/// Buys of one product.
#[derive(Debug, Clone)]
pub struct Buys {
    /// A request with [`NUMBER`] in place of its number.
    template: Vec<u8>,
    /// Where its numbers begin.
    numbers: Vec<usize>,
}

impl Buys {
    /// Buys of `product` at `address`. Keys and shoppers begin with `run`, which must differ from
    /// all runs before on the same sale.
    #[must_use]
    pub fn new(address: SocketAddr, product: &str, run: u32) -> Self {
        let body = format!(r#"{{"productId":"{product}","userId":"user_r{run}_{NUMBER}"}}"#);
        let template = format!(
            "POST /buy HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nIdempotency-Key: r{run}-00000000-0000-4000-8000-{NUMBER}\r\n\
             \r\n{body}",
            body.len()
        );
        let numbers = template.match_indices(NUMBER).map(|(at, _)| at).collect();
        Self {
            template: template.into_bytes(),
            numbers,
        }
    }
}

impl Traffic for Buys {
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.template);
        for at in &self.numbers {
            write_digits(&mut bytes[*at..*at + NUMBER.len()], number);
        }
    }
}

/// Writes `number` to the end of `place`, with zeros before it.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_buy_has_its_own_key_and_shopper_and_the_length_it_says() {
        let mut buys = Buys::new(([127, 0, 0, 1], 80).into(), "p1", 7);
        for (number, digits) in [(0, "0000000000"), (u32::MAX, "4294967295")] {
            let mut bytes = Vec::new();
            buys.request(number, &mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("r7-00000000-0000-4000-8000-{digits}")));
            assert!(body.contains(&format!("\"user_r7_{digits}\"")), "{body}");
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        }
    }
}
