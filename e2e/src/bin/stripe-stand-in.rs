//! The stand-in for Stripe as a program, for tests in browsers: `stripe-stand-in GATEWAY PATH SECRET` tells
//! the gateway of payments at that path. It prints its own address and runs until it is ended.

use std::{env, error::Error, future::pending};

use flashsale_testbed::stripe::Stripe;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [gateway, path, secret] = env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: stripe-stand-in GATEWAY PATH SECRET")?;
    let stripe = Stripe::start().await?;
    stripe.deliver_to(gateway.parse()?, &path, &secret);
    println!("stand-in {}", stripe.url());
    pending().await
}
