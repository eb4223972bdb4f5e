//! What the control loop saw last, for displays.

use flashsale_domain::{
    id::{ProductId, SaleId},
    lifecycle::Phase,
};

/// What the control loop saw last, for displays.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Every lane of every sale.
    pub lanes: Vec<LaneView>,
    /// Worker processes.
    pub workers: usize,
    /// The sales and where they stand.
    pub phases: Vec<(SaleId, Phase)>,
    /// Jobs over all lanes; none when the last look failed.
    pub depth: Option<u64>,
    /// Orders that wait for their payment, over all sales with payment; none where no sale has it, and none
    /// inside when the last look failed.
    pub pending: Option<Option<u64>>,
}

/// One lane.
#[derive(Debug, Clone)]
pub struct LaneView {
    /// Its product.
    pub product: ProductId,
    /// Jobs in it.
    pub depth: u64,
    /// Units left, as far as Redis knows.
    pub stock: Option<i32>,
}
