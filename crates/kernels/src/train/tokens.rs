//! The layers for sequences, forward (also for inference) and backward.

use super::Trainer;
use super::backward::Pass;
use crate::graph::{Node, Op, ParamId};
use crate::ops::attention::{self, Across, Inputs, Mask};
use crate::ops::embedding::{self, Rows};
use crate::ops::{layer_norm, windows};
use crate::view::{View, ViewMut};

/// True for the layers of this file.
pub(crate) fn is(op: &Op) -> bool {
    matches!(
        op,
        Op::Embedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::PrependToken { .. }
            | Op::TakePlace { .. }
            | Op::LayerNorm { .. }
            | Op::Attention { .. }
            | Op::ChannelAttention { .. }
            | Op::SplitWindows { .. }
            | Op::JoinWindows
    )
}

fn attention_inputs<'a>(op: &Op, inputs: &[View<'a>]) -> Option<Inputs<'a>> {
    let [q, k, v, image @ ..] = inputs else {
        return None;
    };
    let (heads, causal, mask, across) = match *op {
        Op::Attention {
            heads,
            causal,
            mask,
        } => (heads, causal, mask, Across::Places),
        Op::ChannelAttention { groups } => (groups, false, None, Across::Channels),
        _ => return None,
    };
    let mask = mask.zip(image.first());
    Some(Inputs {
        q: *q,
        k: *k,
        v: *v,
        mask: mask.map(|(channel, view)| Mask {
            view: *view,
            channel,
        }),
        heads,
        causal,
        across,
    })
}

/// One layer; does nothing for others.
pub(crate) fn forward<'p>(
    op: &Op,
    inputs: &[View],
    param: impl Fn(ParamId) -> &'p [f32],
    out: ViewMut,
) {
    let x = inputs[0];
    match *op {
        Op::Embedding { weight, channel } => {
            embedding::look_up(Rows::Channel(x, channel), param(weight), out)
        }
        Op::PositionEmbedding { weight, offset } => {
            embedding::look_up(Rows::Place(offset), param(weight), out)
        }
        Op::PrependToken { weight } => embedding::prepend(x, param(weight), out),
        Op::TakePlace { index } => embedding::take_place(x, index, out),
        Op::LayerNorm { weight, bias, eps } => {
            layer_norm::forward(x, param(weight), param(bias), eps, out)
        }
        Op::SplitWindows { side } => windows::split(x, side, out),
        Op::JoinWindows => windows::join(x, out),
        _ => {
            if let Some(inputs) = attention_inputs(op, inputs) {
                attention::forward(&inputs, out);
            }
        }
    }
}

impl Trainer {
    pub(super) fn backward_tokens(&mut self, node: &Node, dy: View, pass: &mut Pass) {
        let input = node.inputs[0];
        match node.op {
            Op::Embedding { weight, channel } if pass.want_params => {
                let rows = Rows::Channel(self.value(input), channel);
                let grad = embedding::table_gradient(rows, dy, pass.params[weight].len());
                pass.add_param(weight, grad);
            }
            Op::PositionEmbedding { weight, offset } if pass.want_params => {
                let len = pass.params[weight].len();
                let grad = embedding::table_gradient(Rows::Place(offset), dy, len);
                pass.add_param(weight, grad);
            }
            Op::PrependToken { weight } => {
                if pass.want_params {
                    pass.add_param(weight, embedding::token_gradient(dy));
                }
                self.emit_new(input, pass, |_, dx| embedding::prepend_backward(dy, dx));
            }
            Op::TakePlace { index } => self.emit_new(input, pass, |_, dx| {
                embedding::take_place_backward(dy, index, dx)
            }),
            Op::LayerNorm { weight, bias, eps } => {
                self.backward_layer_norm(input, [weight, bias], eps, dy, pass)
            }
            Op::Attention { .. } | Op::ChannelAttention { .. } => {
                self.backward_attention(node, dy, pass)
            }
            Op::SplitWindows { .. } => {
                self.emit_new(input, pass, |_, dx| windows::join(dy, dx));
            }
            Op::JoinWindows => {
                let side = self.dims(input).w;
                self.emit_new(input, pass, |_, dx| windows::split(dy, side, dx));
            }
            _ => {}
        }
    }

    fn backward_layer_norm(
        &mut self,
        input: usize,
        [weight, bias]: [ParamId; 2],
        eps: f32,
        dy: View,
        pass: &mut Pass,
    ) {
        let x = self.value(input);
        let pairs = layer_norm::moments(x, eps);
        if pass.want_params {
            let (scale, shift) = layer_norm::backward_params(x, dy, &pairs);
            pass.add_param(weight, scale);
            pass.add_param(bias, shift);
        }
        let weight = pass.params[weight].as_slice();
        self.emit_new(input, pass, |this, dx| {
            layer_norm::backward_input(this.value(input), dy, weight, &pairs, dx)
        });
    }

    fn backward_attention(&mut self, node: &Node, dy: View, pass: &mut Pass) {
        let inputs = &node.inputs;
        if !inputs[..3].iter().any(|&input| pass.needed[input]) {
            return;
        }
        let views: Vec<View> = inputs.iter().map(|&i| self.value(i)).collect();
        let Some(given) = attention_inputs(&node.op, &views) else {
            return;
        };
        let grads = attention::Backward::new(&given, dy);
        self.emit_new(inputs[0], pass, |_, dx| grads.queries(dx));
        self.emit_new(inputs[1], pass, |_, dx| grads.keys(dx));
        self.emit_new(inputs[2], pass, |_, dx| grads.values(dx));
    }
}
