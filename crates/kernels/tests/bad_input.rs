//! What does not fit is an error in words before any kernel runs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Builder, Rng};
use hilum_kernels::{KernelError, Mode, Op, Plan, Tensor, Trainer, Wanted};

fn conv(kernel: usize, groups: usize) -> Builder {
    let mut b = Builder::new(4);
    let id = b.conv(
        0,
        [4, 8],
        [kernel, kernel],
        [1, 1],
        [0, 0],
        [1, 1],
        groups,
        true,
    );
    b.output(id);
    b
}

#[test]
fn shapes() {
    let b = conv(3, 1);
    assert_eq!(b.graph.shapes([2, 4, 5, 6]).unwrap()[1], [2, 8, 3, 4]);
    assert!(matches!(
        b.graph.shapes([0, 4, 5, 6]),
        Err(KernelError::EmptyInput { .. })
    ));
    assert!(matches!(
        b.graph.shapes([1, 3, 5, 6]),
        Err(KernelError::Channels { .. })
    ));
    assert!(matches!(
        b.graph.shapes([1, 4, 2, 6]),
        Err(KernelError::Window { .. })
    ));
    assert!(matches!(
        b.graph.shapes([usize::MAX / 2, 4, 5, 6]),
        Err(KernelError::Overflow { .. })
    ));
    let message = b.graph.shapes([1, 4, 2, 6]).unwrap_err().to_string();
    assert_eq!(
        message,
        "layer `n1`: a window of [3, 3] does not fit into an input of [2, 6] rows and columns with its padding"
    );
}

#[test]
fn groups_strides_and_parameters() {
    assert!(matches!(
        conv(1, 3).graph.shapes([1, 4, 5, 6]),
        Err(KernelError::Setting {
            field: "groups",
            ..
        })
    ));
    let mut zero = conv(1, 1);
    if let Op::Conv2d { stride, .. } = &mut zero.graph.nodes[1].op {
        *stride = [0, 1];
    }
    assert!(matches!(
        zero.graph.shapes([1, 4, 5, 6]),
        Err(KernelError::Setting { .. })
    ));
    let b = conv(3, 1);
    assert!(matches!(
        Plan::new(&b.graph, &vec![]),
        Err(KernelError::ParamCount {
            expected: 2,
            got: 0
        })
    ));
    assert!(matches!(
        Plan::new(&b.graph, &vec![vec![0.0; 3], vec![0.0; 8]]),
        Err(KernelError::ParamLength { .. })
    ));
    let mut unknown = conv(3, 1);
    if let Op::Conv2d { weight, .. } = &mut unknown.graph.nodes[1].op {
        *weight = 9;
    }
    assert!(matches!(
        unknown.graph.shapes([1, 4, 5, 6]),
        Err(KernelError::UnknownParam { id: 9, .. })
    ));
}

#[test]
fn structure() {
    let mut b = conv(3, 1);
    b.graph.outputs.clear();
    assert!(matches!(Trainer::new(b.graph), Err(KernelError::NoOutputs)));
    let mut b = conv(3, 1);
    b.graph.nodes[1].inputs = vec![1];
    assert!(matches!(
        Trainer::new(b.graph),
        Err(KernelError::Order { .. })
    ));
    let mut b = conv(3, 1);
    b.graph.nodes[1].name = b.graph.nodes[0].name.clone();
    assert!(matches!(
        Trainer::new(b.graph),
        Err(KernelError::DuplicateName { .. })
    ));
    let mut b = Builder::new(4);
    let sum = b.push(Op::Add, &[0]);
    b.output(sum);
    assert!(matches!(
        b.graph.shapes([1, 4, 2, 2]),
        Err(KernelError::Arity {
            expected: 2,
            got: 1,
            ..
        })
    ));
}

#[test]
fn order_of_calls_and_gradients() {
    let mut rng = Rng(1);
    let b = conv(3, 1);
    let mut params = b.params(&mut rng);
    let mut trainer = Trainer::new(b.graph.clone()).unwrap();
    let x = rng.tensor(&[1, 4, 5, 5]);
    assert_eq!(
        trainer.backward(&params, &[], Wanted::params()),
        Err(KernelError::NoForward)
    );
    let outputs = trainer.forward(&mut params, &x, Mode::Eval).unwrap();
    assert!(matches!(
        trainer.backward(&params, &[], Wanted::params()),
        Err(KernelError::GradientCount { .. })
    ));
    assert!(matches!(
        trainer.backward(&params, std::slice::from_ref(&x), Wanted::params()),
        Err(KernelError::GradientShape { .. })
    ));
    trainer
        .backward(&params, &outputs, Wanted::params())
        .unwrap();
    assert_eq!(
        trainer.backward(&params, &outputs, Wanted::params()),
        Err(KernelError::NoForward)
    );
    assert!(matches!(
        trainer.retain(&[7]),
        Err(KernelError::UnknownNode { id: 7 })
    ));
    let short = Tensor {
        shape: vec![1, 4, 5, 5],
        data: vec![0.0; 3],
    };
    assert!(matches!(
        trainer.forward(&mut params, &short, Mode::Eval),
        Err(KernelError::Length { .. })
    ));
    let flat = Tensor {
        shape: vec![4, 5],
        data: vec![0.0; 20],
    };
    assert!(matches!(
        trainer.forward(&mut params, &flat, Mode::Eval),
        Err(KernelError::InputRank { .. })
    ));
}

#[test]
fn one_value_has_no_batch_statistics() {
    let mut b = Builder::new(4);
    let id = b.bn(0, 4);
    b.output(id);
    let mut params = b.params(&mut Rng(2));
    let mut trainer = Trainer::new(b.graph).unwrap();
    let x = Tensor::zeros(&[1, 4, 1, 1]);
    assert!(matches!(
        trainer.forward(&mut params, &x, Mode::Train { seed: 0 }),
        Err(KernelError::SingleValue { .. })
    ));
    assert!(trainer.forward(&mut params, &x, Mode::Eval).is_ok());
}
